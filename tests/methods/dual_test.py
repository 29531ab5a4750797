"""Tests of what ridge and logistic regression share."""

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import dual
from vtab_h2t.methods import logistic
from vtab_h2t.methods import ridge

_RIDGE, _ALL = ridge.Ridge(), ridge.AllRidge()


def test_too_many_examples_for_the_memory_are_one_line(
  data, folds, examples, space
):
  needed = 8 * 8 * len(examples) ** 2
  small = data_lib.TrainingData(
    data.features, data.labels, data.classes, data.rule, needed - 1
  )
  setting = dual.Setting(coefficient=0.1)
  with pytest.raises(
    errors.InputError, match='^ridge: the inner products of 300 examples need'
  ) as e:
    next(_RIDGE.fit(small, examples, setting, space, (0,)))
  assert '\n' not in str(e.value) and '--memory_gib' in str(e.value)
  with pytest.raises(errors.InputError, match='all_ridge: the inner products'):
    _ALL.validate(small, folds, space, 0)
  small.memory_bytes += 1
  assert next(_RIDGE.fit(small, examples, setting, space, (0,)))


@pytest.mark.parametrize('method', [_RIDGE, logistic.Logistic()])
def test_one_predictor_stands_for_every_seed(method, data, examples, space):
  setting = method.candidates(space)[0]
  first, *others = method.fit(data, examples, setting, space, (0, 1, 2))
  assert not method.seeded and len(others) == 2
  for other in others:
    np.testing.assert_array_equal(other.head.kernel, first.head.kernel)
