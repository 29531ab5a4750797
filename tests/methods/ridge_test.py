import numpy as np
import pytest
from sklearn import linear_model

from vtab_h2t import errors
from vtab_h2t.features import normalization
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import dual
from vtab_h2t.methods import ridge
from vtab_h2t.protocol import grids

_RIDGE, _ALL = ridge.Ridge(), ridge.AllRidge()
_PENALTIES = 1e3, 1.0, 1e-2, 1e-6


@pytest.fixture
def whole_path(space):
  return space.changed(
    {name: {'coefficients': _PENALTIES} for name in ('ridge', 'all_ridge')}
  )


def _with_rule(data, rule):
  return data_lib.TrainingData(
    data.features, data.labels, data.classes, rule, data.memory_bytes
  )


def _reference(data, size, examples, penalty):
  """scikit-learn's, in `D` dimensions, on the matrix that heads read."""
  x = data.matrix(size, examples).numpy().astype(np.float64)
  mean_eigenvalue = np.square(x - x.mean(axis=0)).sum() / len(x)
  model = linear_model.Ridge(penalty * mean_eigenvalue)
  return model.fit(x, np.eye(data.classes)[data.labels[examples]])


def _correct(data, size, examples, model):
  x = data.matrix(size, examples).numpy().astype(np.float64)
  return (model.predict(x).argmax(axis=1) == data.labels[examples]).sum()


def test_candidates_are_penalties_the_strongest_first():
  paper = grids.paper('resnet50')
  own, every = _RIDGE.candidates(paper), _ALL.candidates(paper)
  assert len(own) == 19 and len(every) == 3 * 19
  assert own[0].coefficient == 1e3 and own[-1].coefficient == 1e-6
  assert all(c.target_size is None for c in own)
  assert [c.target_size for c in every[::19]] == [512, 8192, 24576]
  steps = np.diff(np.log10([c.coefficient for c in own]))
  np.testing.assert_allclose(steps, -0.5)
  assert own[0].as_row() == {'coefficient': 1e3}


def test_a_grid_without_a_penalty_is_one_line():
  space = grids.get('fixed', 'y', 'ridge=0.1')
  assert _RIDGE.candidates(space) == [dual.Setting(coefficient=0.1)]
  with pytest.raises(errors.InputError, match='no target_size for all_ridge'):
    _ALL.candidates(space)
  space = grids.get('fixed', 'y', 'l2=0.1,target_size=8')
  with pytest.raises(errors.InputError, match='no ridge for all_ridge'):
    _ALL.candidates(space)


@pytest.mark.parametrize('method, size', [(_RIDGE, None), (_ALL, 30)])
@pytest.mark.parametrize('rule', ['selected', 'feature'])
def test_validation_counts_what_scikit_learns_ridge_has_right(
  method, size, rule, hard, folds, whole_path
):
  own = _with_rule(hard, rule)
  results = method.validate(own, folds, whole_path, 0)
  assert list(results) == method.candidates(whole_path)
  for setting, counts in results.items():
    assert setting.target_size == size
    for fold, count in zip(folds, counts, strict=True):
      model = _reference(own, size, fold.train, setting.coefficient)
      wanted = _correct(own, size, fold.val, model)
      assert abs(count - wanted) <= 1  # Rounding of near ties.
  assert len(set(map(tuple, results.values()))) > 1


@pytest.mark.parametrize('rule', ['selected', 'once', 'feature', 'none'])
@pytest.mark.parametrize('method, size', [(_RIDGE, None), (_ALL, 30)])
def test_the_head_is_scikit_learns_and_the_same_for_every_seed(
  method, size, rule, data, examples, whole_path
):
  own = _with_rule(data, rule)
  for penalty in _PENALTIES[1:]:
    setting = dual.Setting(coefficient=penalty, target_size=size)
    heads = list(method.fit(own, examples, setting, whole_path, (0, 1, 2)))
    assert len(heads) == 3 and heads[0] is heads[1] is heads[2]
    predictor = heads[0]
    assert predictor.target_size == size and predictor.columns is None
    assert predictor.measures == {'num_features': own.num_features(size)}
    model = _reference(own, size, examples, penalty)
    every = np.arange(300)
    wanted = model.predict(own.matrix(size, every).numpy().astype(np.float64))
    # It reads features as test images have them.
    matrix = normalization.design_matrix(
      own.features.blocks(size),
      own.features.layouts[size],
      rule=predictor.rule,
    )
    np.testing.assert_allclose(
      predictor.head.logits(matrix), wanted, atol=2e-3 * np.abs(wanted).max()
    )


def test_the_order_of_the_examples_changes_nothing(data, examples, space):
  setting = _ALL.candidates(space)[-1]
  one, other = (
    next(_ALL.fit(data, e, setting, space, (0,)))
    for e in (examples, np.sort(examples))
  )
  np.testing.assert_allclose(one.head.kernel, other.head.kernel, atol=1e-5)
