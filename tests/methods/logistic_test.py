import numpy as np
import pytest
from sklearn import linear_model

from vtab_h2t import errors
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import dual
from vtab_h2t.methods import logistic
from vtab_h2t.protocol import grids

_LOGISTIC, _ALL = logistic.Logistic(), logistic.AllLogistic()
_STRENGTHS = 1e-3, 1e-1, 10.0


@pytest.fixture
def path(space):
  return space.changed(
    {
      name: {'coefficients': _STRENGTHS}
      for name in ('logistic', 'all_logistic')
    }
  )


def _matrix(data, size, examples):
  """What each of the two reads: the embedding raw, all taps normalised."""
  found = (
    data.embedding(examples) if size is None else data.matrix(size, examples)
  )
  return np.asarray(found, np.float64)


def _reference(data, size, examples, strength):
  model = linear_model.LogisticRegression(
    C=strength, tol=1e-10, max_iter=20_000
  )
  return model.fit(_matrix(data, size, examples), data.labels[examples])


def test_candidates_are_dinov2s_45():
  paper = grids.paper('resnet50')
  own, every = _LOGISTIC.candidates(paper), _ALL.candidates(paper)
  np.testing.assert_allclose(
    [c.coefficient for c in own], 10 ** np.linspace(-6, 5, 45)
  )
  assert len(every) == 3 * 45
  assert [c.target_size for c in every[::45]] == [512, 8192, 24576]
  for method in (_LOGISTIC, _ALL):
    options = paper.of(method.name)
    assert (options.iterations, options.tolerance) == (1000, 1e-12)


def test_a_grid_without_a_strength_is_one_line():
  space = grids.get('fixed', 'y', 'logistic=2,target_size=8')
  assert _ALL.candidates(space) == [
    dual.Setting(coefficient=2.0, target_size=8)
  ]
  with pytest.raises(errors.InputError, match='no logistic for logistic'):
    _LOGISTIC.candidates(grids.get('fixed', 'y', 'ridge=2'))


@pytest.mark.parametrize('method, size', [(_LOGISTIC, None), (_ALL, 30)])
def test_validation_counts_what_scikit_learns_has_right(
  method, size, hard, folds, path
):
  results = method.validate(hard, folds, path, 0)
  assert list(results) == method.candidates(path)
  for setting, counts in results.items():
    for fold, count in zip(folds, counts, strict=True):
      model = _reference(hard, size, fold.train, setting.coefficient)
      predicted = model.predict(_matrix(hard, size, fold.val))
      wanted = (predicted == hard.labels[fold.val]).sum()
      assert abs(count - wanted) <= 1  # Rounding of near ties.
  assert len(set(map(tuple, results.values()))) > 1


@pytest.mark.parametrize(
  'method, size, rule', [(_LOGISTIC, None, 'none'), (_ALL, 30, 'selected')]
)
def test_the_head_is_scikit_learns_and_the_same_for_every_seed(
  method, size, rule, data, examples, path
):
  for strength in _STRENGTHS:
    setting = dual.Setting(coefficient=strength, target_size=size)
    one, other = method.fit(data, examples, setting, path, (0, 5))
    assert one is other and one.rule == rule and one.target_size == size
    assert one.measures == {'num_features': data.num_features(size)}
    model = _reference(data, size, examples, strength)
    x = _matrix(data, size, np.arange(300))
    wanted = model.decision_function(x)
    np.testing.assert_allclose(
      one.head.logits(x.astype(np.float32)),
      wanted,
      atol=2e-3 * np.abs(wanted).max(),
    )


def test_the_embedding_is_read_as_it_is_whatever_the_runs_rule(
  data, examples, path
):
  setting = dual.Setting(coefficient=0.1)
  heads = [
    next(
      _LOGISTIC.fit(
        data_lib.TrainingData(
          data.features, data.labels, data.classes, rule, data.memory_bytes
        ),
        examples,
        setting,
        path,
        (0,),
      )
    )
    for rule in ('selected', 'feature')
  ]
  assert heads[0].rule == heads[1].rule == 'none'
  np.testing.assert_array_equal(heads[0].head.kernel, heads[1].head.kernel)


def test_the_final_head_is_at_the_end_of_the_path_that_was_validated(
  data, folds, path
):
  """Where iterations do not suffice, where the path comes from shows."""
  short = path.changed({'all_logistic': {'iterations': 3}})
  setting = dual.Setting(coefficient=10.0, target_size=30)
  fold = folds[0]
  counts = _ALL.validate(data, [fold], short, 0)[setting]
  (head,) = _ALL.fit(data, fold.train, setting, short, (0,))
  correct = data.heads.correct(30, fold.val, head.head)
  assert abs(counts[0] - correct) <= 1
  alone = short.changed({'all_logistic': {'coefficients': (10.0,)}})
  (cold,) = _ALL.fit(data, fold.train, setting, alone, (0,))
  assert not np.allclose(cold.head.kernel, head.head.kernel, atol=1e-3)
