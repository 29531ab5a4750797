from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from vtab_h2t.heads import fraction


def test_the_nine_fractions():
  assert len(fraction.FRACTIONS) == 9 and fraction.FRACTIONS[-1] == 0.2
  # The text's eight add up to the "18%" overhead.
  assert sum(fraction.FRACTIONS[:-1]) == pytest.approx(0.1885)


def test_scores_are_row_norms():
  kernel = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
  np.testing.assert_allclose(
    fraction.relevance_scores(kernel), np.sqrt((kernel**2).sum(0)), rtol=1e-6
  )


@given(
  st.lists(st.integers(0, 5), min_size=1, max_size=300), st.floats(1e-4, 1)
)
def test_selects_the_best_in_column_order(scores, share):
  scores = np.array(scores, np.float32)
  kept = fraction.select(scores, share)
  assert len(kept) == max(1, int(len(scores) * share))
  assert (np.diff(kept) > 0).all()
  rest = np.setdiff1d(np.arange(len(scores)), kept)
  if len(rest):
    assert scores[kept].min() >= scores[rest].max()
    worst = scores[kept].min()  # Ties: the first columns.
    assert kept[scores[kept] == worst].max() < min(
      rest[scores[rest] == worst], default=len(scores)
    )


def test_squared_scores_rank_alike():
  scores = np.random.default_rng(0).random(500)
  np.testing.assert_array_equal(
    fraction.select(scores, 0.05), fraction.select(scores**2, 0.05)
  )


@pytest.mark.parametrize('share', [0, -0.1, 1.1])
def test_refuses_what_is_no_fraction(share):
  with pytest.raises(ValueError):
    fraction.select(np.ones(5), share)
