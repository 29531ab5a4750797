import numpy as np

from vtab_h2t.heads import sweep
from vtab_h2t.methods import base
from vtab_h2t.methods import head2toe
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.heads import fraction
from vtab_h2t.studies import base as study


def test_columns_of_taps_are_theirs_in_order(layout):
  starts = layout.starts
  assert [b.tap for b in layout.blocks] == ['early', 'tokens', 'pooled']
  np.testing.assert_array_equal(
      study.columns_of(layout, ['pooled', 'early']),
      [*range(starts[0], starts[1]), *range(starts[2], starts[3])])


def test_training_on_head2toes_selection_is_head2toe(data, space):
  """The same columns, seed and setting give the same head."""
  rows = np.random.default_rng(0).permutation(300)
  wanted = head2toe.Head2Toe().fit(data, rows, space.setting, (0, 1))
  sets = [study.FeatureSet({'x': seed}, 30, fraction.select(
      scores, space.setting.fraction), seed) for seed, scores in enumerate(
          study.relevance(data, rows, space, (0, 1)))]
  found = list(study.train(data, rows, sets, space))
  for seed, ((fields, head), other) in enumerate(zip(found, wanted)):
    assert fields == {
        'x': seed, 'seed': seed, 'num_features': len(other.columns),
        'target_size': 30, 'learning_rate': 0.05, 'steps': 20}
    np.testing.assert_array_equal(head.columns, other.columns)
    np.testing.assert_allclose(head.head.kernel, other.head.kernel, atol=1e-5)


def test_a_sets_own_learning_rate_is_used(data, space):
  rows, columns = np.arange(300), np.arange(20)
  sets = [study.FeatureSet({}, 30, columns, 0, rate) for rate in (None, 0.001)]
  (one, _), (two, head) = study.train(data, rows, sets, space)
  assert one['learning_rate'] == 0.05 and two['learning_rate'] == 0.001
  problem = data.problem(
      30, rows, [sweep.HeadSpec(0.001, (0, base.SECOND))], columns)
  (_, (alone,)), = data.train([problem], 20)
  np.testing.assert_allclose(head.head.kernel, alone.kernel, atol=1e-5)


def test_validation_trains_on_the_folds_rest(data, task, space):
  fold, = folds_lib.folds(task, (4,))
  sets = [study.FeatureSet({}, 30, np.arange(10 * n), 0) for n in (1, 5)]
  found = study.validate(data, fold, sets, space)
  for one, correct in zip(sets, found):
    (_, head), = study.train(data, fold.train_rows, [one], space)
    matrix = data.matrix(30, fold.val_rows, one.columns)
    assert correct == data.count_correct(matrix, fold.val_rows, head.head)
