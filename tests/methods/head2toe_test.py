import numpy as np
import pytest

from vtab_h2t.heads import fraction
from vtab_h2t.heads import sweep
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.protocol import grids

_METHOD = head2toe.Head2Toe()


def _setting(**changes):
  return head2toe.Setting(
    **{
      'learning_rate': 0.01,
      'steps': 20,
      'target_size': 30,
      'coefficient': 1e-3,
      'fraction': 0.5,
    }
    | changes
  )


def test_candidates(space):
  assert len(_METHOD.candidates(space)) == 2 * 2 * 2
  assert _METHOD.target_sizes(space) == (30,)
  # Appendix A's 24 values, for each of nine fractions.
  paper = _METHOD.candidates(grids.paper('resnet50'))
  assert len(paper) == 24 * 9 == len(set(paper))
  assert paper[0].target_size == 512 and paper[0].fraction == 0.0005
  costs = [(c.target_size, c.steps, c.fraction) for c in paper]
  assert costs == sorted(costs)


def test_selected_head_is_fresh_and_reads_the_best_columns(
  data, space, examples
):
  setting = _setting(steps=25, fraction=0.25)
  heads = list(_METHOD.fit(data, examples, setting, space, (0, 1)))
  assert len(heads) == 2
  kept = int(data.num_features(30) * 0.25)
  for seed, head in zip((0, 1), heads):
    (first,) = data.heads.fit(
      30,
      examples,
      [sweep.HeadSpec(0.01, (seed, interface.FIRST), 1e-3)],
      25,
      'l21',
    )
    np.testing.assert_array_equal(
      head.columns,
      fraction.select(fraction.relevance_scores(first.kernel), 0.25),
    )
    assert head.head.kernel.shape == (3, kept) and head.target_size == 30
    ((_, (alone,)),) = data.heads.train(
      [
        data.heads.problem(
          30,
          examples,
          [sweep.HeadSpec(0.01, (seed, interface.SECOND))],
          head.columns,
        )
      ],
      25,
    )
    np.testing.assert_allclose(head.head.kernel, alone.kernel, atol=1e-3)


def test_rows_say_how_many_features_of_each_tap(data, space, examples):
  (head,) = _METHOD.fit(data, examples, _setting(fraction=0.25), space, (0,))
  layout = data.features.layouts[30]
  assert head.measures['num_features'] == len(head.columns)
  selected = head.measures['selected_by_tap']
  assert list(selected) == [b.tap for b in layout.blocks]
  for (kept, size), block, start in zip(
    selected.values(), layout.blocks, layout.starts, strict=False
  ):
    assert size == block.size
    assert kept == sum(start <= c < start + size for c in head.columns)
  assert head2toe.selected_by_tap(layout, np.array([0, 1, 24, 67])) == {
    'early': [2, 24],
    'tokens': [1, 35],
    'pooled': [1, 9],
  }


@pytest.mark.parametrize(
  'setting',
  [_setting(), _setting(learning_rate=0.1, coefficient=1e-5, fraction=0.1)],
)
def test_validation_equals_doing_it_by_hand(data, folds, space, setting):
  results = _METHOD.validate(data, folds, space, 0)
  assert list(results) == _METHOD.candidates(space)
  for fold, counted in zip(folds, results[setting], strict=True):
    (head,) = _METHOD.fit(data, fold.train, setting, space, (0,))
    by_hand = data.heads.correct(30, fold.val, head.head, head.columns)
    assert abs(counted - by_hand) <= 1  # Rounding of near ties.
