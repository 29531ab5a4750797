"""Networks that were trained on a source: kept, shared, and never believed."""

import dataclasses

import numpy as np
import pytest

from tests import testing
from tests.studies import trained
from vtab_h2t.methods import data as data_lib
from vtab_h2t.studies import companion
from vtab_h2t.studies import source as source_lib
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout

_RECIPE = source_lib.Recipe(
  start=source_lib.PRETRAINED, learning_rate=0.1, epochs=4
)
_RANDOM = dataclasses.replace(_RECIPE, start=source_lib.RANDOM)


@pytest.fixture(scope='module')
def net():
  return network_lib.Network(testing.normed_backbone())


@pytest.fixture(scope='module')
def target():
  return trained.task('target', source=trained.task('source', seed=3))


@pytest.fixture
def data(tmp_path, target, net):
  return trained.data(tmp_path, target, net)


@pytest.fixture
def trainings(monkeypatch):
  """The seeds of all trainings on a source."""
  calls, real = [], source_lib._train
  monkeypatch.setattr(
    source_lib,
    '_train',
    lambda data, recipe, seed: calls.append(seed) or real(data, recipe, seed),
  )
  return calls


def _assert_same(one, other):
  for a, b in zip(one.state, other.state, strict=True):
    np.testing.assert_array_equal(a, b)
  for a, b in zip(one.head, other.head, strict=True):
    np.testing.assert_array_equal(a, b)
  assert one.facts == other.facts


def _files(data):
  return sorted(data.networks.sources.iterdir())


def test_facts_are_those_of_the_network_that_is_kept(data, net, target):
  found = source_lib.trained(data, _RECIPE, 0)
  net.load(found.state)
  head = [found.head]
  source = target.source
  logits = {
    name: readout.apply_head(
      net.embed(
        np.stack([net.backbone.preprocess(i[None])[0] for i in images])
      ),
      head,
    ).numpy()
    for name, images in (
      ('train', source.train.images().as_numpy_iterator()),
      ('test', source.test.images().as_numpy_iterator()),
    )
  }
  right = logits['test'].argmax(axis=1) == source.test.labels
  assert found.facts['source_correct'] == right.sum() > 45  # Chance is 30.
  assert found.facts['source_total'] == 90
  p = np.exp(logits['train'].astype(float))
  p /= p.sum(axis=1, keepdims=True)
  np.testing.assert_allclose(
    found.facts['source_train_loss'],
    -np.log(p[np.arange(300), source.train.labels]).mean(),
    rtol=1e-5,
  )
  assert found.facts['source_epochs'] == 4
  assert isinstance(found.facts['source_plateau'], bool)


def test_it_is_trained_as_the_recipe_says(data, net, monkeypatch):
  """On all images of the source, batch norms in training mode, with decay."""
  calls, real = [], companion.network_of(data).trainer

  def trainer(read, sizes, variables, recipe):
    found = real(read, sizes, variables, recipe)
    calls.append((sizes, len(variables), recipe))
    monkeypatch.setattr(
      found,
      'run',
      lambda *args, **named: (calls.append(args[2:6]), run(*args, **named)),
    )
    run = type(found).run.__get__(found)
    return found

  monkeypatch.setattr(net, 'trainer', trainer)
  source_lib.trained(data, _RECIPE, 7)
  (sizes, count, recipe), (examples, rate, steps, seed) = calls
  assert sizes == (8, 3) and count == len(net.variables)
  assert (recipe.optimizer, recipe.schedule, recipe.batch) == (
    'sgd',
    'cosine',
    64,
  )
  assert not recipe.frozen_statistics and recipe.weight_decay == 5e-4
  assert sorted(examples) == list(range(300))
  assert (rate, steps, seed) == (0.1, 4 * 5, (7, 4))


def test_targets_with_one_source_share_its_file(
  data, net, target, tmp_path, trainings
):
  first = source_lib.trained(data, _RECIPE, 0)
  assert source_lib.trained(data, _RECIPE, 0) is first
  other = trained.task('other', seed=1, source=target.source)
  _assert_same(
    source_lib.trained(trained.data(tmp_path, other, net), _RECIPE, 0), first
  )
  assert trainings == [0] and len(_files(data)) == 1
  # Another source, seed or recipe has another.
  again = trained.data(tmp_path, other, net, source_id='another')
  source_lib.trained(again, _RECIPE, 0)
  source_lib.trained(again, _RECIPE, 1)
  source_lib.trained(again, dataclasses.replace(_RECIPE, epochs=1), 0)
  assert trainings == [0, 0, 1, 0] and len(_files(data)) == 4


@pytest.mark.parametrize('damage', ['cut', 'changed', 'other', 'empty'])
def test_a_damaged_file_is_trained_again(
  damage, net, target, tmp_path, trainings
):
  fresh = lambda: trained.data(tmp_path, target, net)
  recipe = dataclasses.replace(_RECIPE, epochs=1)
  first = source_lib.trained(fresh(), recipe, 0)
  (path,) = _files(fresh())
  content = bytearray(path.read_bytes())
  if damage == 'cut':
    path.write_bytes(content[: len(content) // 2])
  elif damage == 'changed':
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
  elif damage == 'other':
    with open(path, 'wb') as f:
      np.savez(f, state0000=np.zeros(3))
  else:
    path.write_bytes(b'')
  _assert_same(source_lib.trained(fresh(), recipe, 0), first)
  assert trainings == [0, 0]
  _assert_same(source_lib.trained(fresh(), recipe, 0), first)
  assert trainings == [0, 0] and _files(fresh()) == [path]


def test_random_starts_differ_by_seed_and_pretrained_ones_do_not(
  data, net, monkeypatch
):
  starts = {}
  for start in (source_lib.PRETRAINED, source_lib.RANDOM):
    for seed in (0, 1):
      recipe = source_lib.Recipe(start=start, learning_rate=0.0, epochs=1)
      source_lib.trained(data, recipe, seed)
      # Without a rate, only batch norms' statistics move.
      starts[start, seed] = net.variables[0].numpy()
  net.reset()
  pretrained = net.variables[0].numpy()
  for seed in (0, 1):
    np.testing.assert_array_equal(
      starts[source_lib.PRETRAINED, seed], pretrained
    )
    assert (starts[source_lib.RANDOM, seed] != pretrained).all()
  assert (starts[source_lib.RANDOM, 0] != starts[source_lib.RANDOM, 1]).all()


def test_what_another_training_left_changes_nothing(data, net, tmp_path):
  first = source_lib.trained(data, _RANDOM, 0)
  net.randomise(9)
  second = source_lib._train(data, _RANDOM, 0)
  _assert_same(first, second)


@pytest.mark.parametrize(
  'percents, plateau',
  [
    # Quarters of eight epochs: the last two against the two before.
    ([0, 10, 20, 30, 40, 90, 80, 90.9, 70], True),
    ([0, 10, 20, 30, 40, 90, 80, 91, 70], False),
    ([0, 99, 20, 30, 40, 50, 60, 70, 80], False),
    ([0, 10, 20, 30, 40, 90, 80, 60, 70], True),
    # The start is no epoch, and three epochs have no quarter.
    ([90, 90, 90, 90], False),
    ([50, 90, 90, 90, 90], True),
    ([0, 0, 0, 90, 90, 90, 90, 90], True),
  ],
)
def test_a_plateau_is_less_than_a_point_between_quarters(percents, plateau):
  assert source_lib.is_plateau(percents) is plateau


def test_a_task_without_a_source_is_a_mistake(data):
  data.networks = data_lib.Networks(
    data.networks.inputs, data.networks.network, data.networks.sources, {}
  )
  with pytest.raises(ValueError, match='no source'):
    source_lib.trained(data, _RECIPE, 0)
