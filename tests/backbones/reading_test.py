"""A small network whose SavedModel is or is not what its names promise."""

import functools

import keras
import numpy as np
import pytest

from tests import testing
from tests.backbones import released
from vtab_h2t import errors
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import reading
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import saved_variables
from vtab_h2t.heads import initial
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_BLOCKS = {'first': 'a_', 'second': 'b_'}
_X = np.random.default_rng(1).normal(size=(2, 16, 16, 3)).astype(np.float32)


def _build(epsilon=1e-3):
  model = testing.normed_backbone(seed=1).model
  for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
      layer.epsilon = epsilon
  return model


def _plan(model):
  return {w.path: f'net/{w.path}' for w in model.weights}


def _scheme(**changes):
  return reading.Scheme(
    **{
      'anchor': 'net/a_conv/kernel',
      'variants': lambda arrays, shapes: [_build],
      'plan': lambda model: {
        path: importing.Tensor(name) for path, name in _plan(model).items()
      },
    }
    | changes
  )


@pytest.fixture
def model():
  """What was saved: all its weights are noise."""
  model = testing.normed_backbone(seed=0).model
  rng = np.random.default_rng(0)
  for weight in model.weights:
    weight.assign(weight + rng.uniform(0, 0.3, tuple(weight.shape)))
  return model


def _save(model, folder, rename=lambda name: name, **options):
  plan = {path: rename(name) for path, name in _plan(model).items()}
  return released.save(
    folder, *released.renamed(model, plan), 16, 'representation', **options
  )


def _read(folder, *schemes):
  called = functools.partial(
    saved_model.backbone,
    *('small', folder, {}, ('a', 'b', 'pooled'), 'pooled', 16, testing.INPUT),
  )
  return reading.read(
    called, saved_variables.read(folder), 'FOLDER', schemes, _BLOCKS
  )


def test_a_graph_with_the_same_taps_takes_the_signatures_place(model, tmp_path):
  folder = _save(model, tmp_path / 'm')
  found = _read(folder, _scheme())
  assert found.is_trainable and not found.misfit
  found.check_trainable()
  assert found.weights_sha256 == saved_model.sha256(folder)
  assert dict(found.blocks) == _BLOCKS
  assert not found.model.trainable_weights
  for ours, theirs in zip(
    found.model.get_weights(), model.get_weights(), strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)
  wanted = model(_X, training=False)
  for tap, value in found.model(_X).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-6)


def test_what_was_read_is_fine_tuned(model, tmp_path):
  net = network_lib.Network(_read(_save(model, tmp_path / 'm'), _scheme()))
  assert net.block('first') and net.block('second')
  labels = np.arange(32) % 2
  images = np.random.default_rng(2).normal(0, 0.3, (32, 16, 16, 3))
  images = (images + labels[:, None, None, None] - 0.5).astype(np.float32)
  trainer = net.trainer(
    readout_lib.Embedding('pooled', 8, False),
    (8, 2),
    range(len(net.variables)),
    trainer_lib.Recipe(batch=16, frozen_statistics=True),
  )
  trainer.start(initial.layers((8, 2), (1,)))
  before = net.state()
  assert (trainer.predict(images) == labels).mean() < 0.7
  trainer.run(images, labels, np.arange(32), 0.05, 30, (7,))
  assert (trainer.predict(images) == labels).mean() > 0.9
  changed = {
    w.path
    for w, old, new in zip(model.weights, before, net.state(), strict=True)
    if (old != new).any()
  }
  assert changed == {w.path for w in model.weights if 'moving' not in w.path}


@pytest.mark.parametrize('epsilon', [1e-3, 0.1])
def test_of_several_graphs_the_nearest_is_taken(model, tmp_path, epsilon):
  for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
      layer.epsilon = epsilon
  builds = [
    functools.partial(_build, e) for e in (1e-3, 0.1, epsilon * (1 + 1e-6))
  ]
  found = _read(
    _save(model, tmp_path / 'm'), _scheme(variants=lambda *_: builds)
  )
  assert found.model.get_layer('a_norm').epsilon == epsilon


def test_variables_without_names_are_known_by_their_order(model, tmp_path):
  names = list(_plan(model).values())
  folder = _save(model, tmp_path / 'm', named=False)
  asked = []

  def orders(count):
    asked.append(count)
    return [names[::-1], names]

  found = _read(folder, _scheme(orders=orders))
  assert found.is_trainable and set(asked) == {len(names)}
  assert 'have names of no known scheme' in _read(folder, _scheme()).misfit


@pytest.mark.parametrize(
  'rename, message',
  [
    (
      {'net/b_norm/gamma': 'net/b_norm/scale'},
      'FOLDER lacks net/b_norm/gamma; it belongs to another',
    ),
    (
      {'net/a_conv/kernel': 'net/conv/kernel'},
      r'its variables \(net/a_norm/beta, ...\) have names of no known scheme',
    ),
    (
      {'net/a_conv/kernel': 'net/b_conv/kernel'}
      | {'net/b_conv/kernel': 'net/a_conv/kernel'},
      'FOLDER has net/a_conv/kernel of shape .3, 3, 6, 8., which does not fit '
      'a_conv/kernel of shape .3, 3, 3, 6.',
    ),
    (
      {'net/b_norm/gamma': 'net/b_norm/moving_variance'}
      | {'net/b_norm/moving_variance': 'net/b_norm/gamma'},
      'with its variables in our graph the tap b differs by 0.* of its larg',
    ),
  ],
)
def test_what_does_not_fit_is_named_and_the_signature_stays(
  model, tmp_path, rename, message
):
  folder = _save(model, tmp_path / 'm', lambda name: rename.get(name, name))
  found = _read(folder, _scheme())
  assert not found.is_trainable and not found.blocks
  with pytest.raises(
    errors.InputError, match=f'small are a SavedModel.*{message}.*; give wei'
  ):
    found.check_trainable()
  wanted = model(_X, training=False)
  for tap, value in found.model(_X).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-6)


def test_a_model_without_variables_stays_as_it_is(tmp_path):
  def forward(v, images):
    assert not v
    return {'a': images, 'b': -images, 'pooled': images[:, 0, 0]}

  folder = released.save(tmp_path / 'm', {}, forward, 16, 'representation')
  assert _read(folder, _scheme()).misfit == 'it has no variables'


def test_agreement_is_judged_in_float32(model, tmp_path):
  folder = _save(model, tmp_path / 'm')
  policy = keras.config.dtype_policy()
  keras.config.set_dtype_policy('mixed_bfloat16')
  try:
    found = _read(folder, _scheme())
    assert keras.config.dtype_policy().name == 'mixed_bfloat16'
  finally:
    keras.config.set_dtype_policy(policy)
  assert found.is_trainable and found.model(_X)['a'].dtype == 'float32'
