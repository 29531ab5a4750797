import keras
import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import finetune
from vtab_h2t.methods import linearized
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import grids
from vtab_h2t.training import network as network_lib

_LINEARIZED = linearized.Linearized()
_FINETUNE = finetune.Finetune('finetune', scratch=False)


def _setting(rate, steps):
  return tuned.StepSetting(learning_rate=rate, steps=steps, batch=32)


@pytest.mark.parametrize('grid', [grids.paper, grids.quick])
def test_it_has_the_budget_of_fine_tuning(grid):
  space = grid('resnet50')
  assert space.of('linearized') == space.of('finetune')
  assert _LINEARIZED.candidates(space) == _FINETUNE.candidates(space)


def test_it_learns_and_its_row_has_the_displacement(tunable, train):
  found = train(_LINEARIZED, _setting(0.1, 150))
  predicted = found.trainer.predict(tunable.networks.inputs())
  assert (predicted == tunable.labels).mean() > 0.8  # Chance is a third.
  assert set(found.measures) == {'steps', 'displacement'}
  network = tunable.networks.network()
  for value, pretrained in zip(
    network.state(), network.backbone.model.get_weights(), strict=True
  ):
    np.testing.assert_array_equal(value, pretrained)
  moved = [
    now - then.numpy()
    for then, now in zip(network.variables, found.trainer.values)
  ]
  norm = lambda arrays: np.linalg.norm(np.concatenate([*map(np.ravel, arrays)]))
  assert found.measures['displacement'] == pytest.approx(
    norm(moved) / norm([v.numpy() for v in network.variables]), rel=1e-4
  )


def test_where_nothing_has_moved_it_starts_as_fine_tuning_does(train):
  """The same head and the same order of images; it moves the same way."""
  one, two = (
    train(method, _setting(1e-5, 1)).trainer.values
    for method in (_LINEARIZED, _FINETUNE)
  )
  for value, other in zip(one, two, strict=True):
    np.testing.assert_allclose(value, other, atol=1e-4)


def test_weights_that_cannot_be_trained_are_refused(
  tunable, space, examples, tmp_path
):
  inputs = keras.Input((16, 16, 3))
  model = keras.Model(inputs, {'x': keras.layers.Flatten()(inputs)})
  fixed = backbone_lib.Backbone(
    'fixed', model, ('x',), 'x', 16, preprocessing.PIXELS, ''
  )
  tunable.networks = data_lib.Networks(
    tunable.networks.inputs,
    lambda: network_lib.Network(fixed),
    tmp_path / 'unfinished',
    {},
  )
  (later,) = _LINEARIZED.fit(tunable, examples, _setting(0.1, 1), space, [0])
  with pytest.raises(errors.InputError, match='of fixed are a SavedModel'):
    later()
