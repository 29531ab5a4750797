from unittest import mock

import keras
import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.backbones import importing


@pytest.fixture
def model():
  inputs = keras.Input((2,))
  return keras.Model(inputs, keras.layers.Dense(3, name='head')(inputs))


_PLAN = {
  'head/kernel': importing.Tensor('w', np.transpose),
  'head/bias': importing.Tensor('b'),
}
_TENSORS = {'w': np.arange(6.0).reshape(3, 2), 'b': np.ones(3)}


def test_weights_are_converted_and_set(model):
  importing.load(model, _PLAN, _TENSORS, 'f')
  kernel, bias = model.get_weights()
  np.testing.assert_array_equal(kernel, _TENSORS['w'].T)
  assert (bias == 1).all()


@pytest.mark.parametrize(
  'tensors, message',
  [
    ({'w': _TENSORS['w']}, 'f lacks b; it belongs to another architecture'),
    ({}, 'f lacks b, w; it'),
    (_TENSORS | {'c': 0}, 'f holds unknown c; it'),
    (_TENSORS | dict.fromkeys('zyxv', 0), 'unknown v, x, y and 1 more; it'),
    ({'w': _TENSORS['w'], 'c': 0}, 'f lacks b and holds unknown c; it'),
    (
      _TENSORS | {'w': np.ones((2, 3))},
      'has w of shape .2, 3., which does not fit head/kernel of shape .2, 3.',
    ),
    (_TENSORS | {'b': np.ones(4)}, 'has b of shape .4,., which does not fit'),
  ],
)
def test_what_does_not_fit_is_named(model, tensors, message):
  with pytest.raises(errors.InputError, match=message):
    importing.load(model, _PLAN, tensors, 'f')


def test_some_tensors_may_be_left_over(model):
  importing.load(model, _PLAN, _TENSORS | {'step': 0}, 'f', ignored=['step'])
  np.testing.assert_array_equal(model.get_weights()[0], _TENSORS['w'].T)


def test_a_plan_covers_the_model(model):
  with pytest.raises(ValueError, match='no plan for .*head/bias'):
    importing.load(model, {'head/kernel': _PLAN['head/kernel']}, _TENSORS, 'f')


def test_a_file_that_claims_too_much_is_one_line():
  with mock.patch.object(importing, '_MAX_BYTES', 1000):
    importing.check_size('w', [500, 500])
    with pytest.raises(errors.InputError, match='w claims to hold .* GiB'):
      importing.check_size('w', [500, 501])


def test_damage_names_its_tensor():
  with (
    pytest.raises(ValueError, match='^a b: KeyError$'),
    importing.naming('a\nb'),
  ):
    raise KeyError
  with (
    pytest.raises(errors.InputError, match='^as it is$'),
    importing.naming('a'),
  ):
    raise errors.InputError('as it is')
