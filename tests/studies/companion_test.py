"""What the studies of trained networks share."""

import numpy as np
import pytest

from tests import testing
from tests.studies import trained
from vtab_h2t import errors
from vtab_h2t.methods import space as space_lib
from vtab_h2t.studies import companion
from vtab_h2t.studies import registry
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import trainer as trainer_lib


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  net = network_lib.Network(testing.normed_backbone())
  return trained.data(tmp_path_factory.mktemp('data'), trained.task(), net)


def test_mean_loss_by_hand():
  logits = np.array([[0.0, 0.0], [np.log(3), 0.0]], np.float32)
  wanted = (np.log(2) + np.log(4 / 3)) / 2
  labels = np.array([0, 0])
  assert companion.mean_loss(logits, labels) == pytest.approx(wanted)
  shifted = companion.mean_loss(logits + 500, labels)
  assert shifted == pytest.approx(wanted, rel=1e-4)


def test_a_trainer_reads_the_embedding_as_it_is(data):
  net = companion.network_of(data)
  net.reset()
  trainer = companion.trainer_of(
    data, companion.everything(data), trainer_lib.Recipe(batch=16), (5,)
  )
  assert len(trainer.trained) == len(net.variables)
  assert [k.shape for k, _ in trainer.head] == [
    (5, data.num_features(None)),
    (data.classes, 5),
  ]
  inputs = data.networks.inputs()[:70]
  np.testing.assert_array_equal(net.embed(inputs), trainer.embed(inputs))


def test_random_heads_are_the_seeds(data):
  ((one, bias),) = companion.random_head(data, 0)
  ((again, _),) = companion.random_head(data, 0)
  ((other, _),) = companion.random_head(data, 1)
  assert one.shape == (data.classes, data.num_features(None))
  assert (one == again).all() and (one != other).any() and not bias.any()


@pytest.mark.parametrize('name', registry.COMPANIONS)
def test_a_space_without_its_options_is_told(name):
  space = space_lib.Space(name='empty', folds=(), options={})
  with pytest.raises(errors.InputError, match=name):
    registry.COMPANIONS[name].check(space)
