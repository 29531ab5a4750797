import numpy as np
import pytest

from vtab_h2t.protocol import accuracy


def test_exact_is_correct_over_total():
  assert accuracy.accuracy(711, 711, 'exact') == 1
  assert accuracy.accuracy(1, 3, 'exact') == 1 / 3


def test_official_is_the_mean_over_padded_batches():
  assert accuracy.accuracy(711, 711, 'official') == 711 / 750
  rng = np.random.default_rng(0)
  for total in (50, 97, 200, 797):
    right = rng.random(total) < 0.7
    batches = [right[i : i + 50].sum() / 50 for i in range(0, total, 50)]
    assert accuracy.accuracy(int(right.sum()), total, 'official') == (
      pytest.approx(np.mean(batches))
    )


@pytest.mark.parametrize(
  'correct, total, protocol',
  [(3, 2, 'exact'), (-1, 2, 'exact'), (0, 0, 'exact'), (1, 2, 'other')],
)
def test_refuses_what_is_no_count(correct, total, protocol):
  with pytest.raises(ValueError):
    accuracy.accuracy(correct, total, protocol)
