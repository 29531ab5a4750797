import numpy as np
import pytest

from tests import testing
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import finetune
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import grids
from vtab_h2t.training import network as network_lib

_FINETUNE = finetune.Finetune('finetune', scratch=False)
_SCRATCH = finetune.Finetune('scratch', scratch=True)


def _setting(rate, steps):
  return tuned.StepSetting(learning_rate=rate, steps=steps, batch=32)


def test_candidates_are_the_lightweight_sweep(space):
  assert _FINETUNE.candidates(space) == [_setting(0.1, 12), _setting(0.01, 12)]
  for method in (_FINETUNE, _SCRATCH):
    assert method.candidates(grids.paper('resnet50')) == [
      tuned.StepSetting(learning_rate=rate, steps=steps, batch=128)
      for steps in (500, 5000)
      for rate in (0.1, 0.01)
    ]


def test_it_learns(tunable, space, folds, train):
  results = _FINETUNE.validate(tunable, folds, space, 0)
  assert list(results) == _FINETUNE.candidates(space)
  assert all(len(c) == 2 for c in results.values())
  found = train(_FINETUNE, _setting(0.1, 150))
  predicted = found.trainer.predict(tunable.networks.inputs())
  assert (predicted == tunable.labels).mean() > 0.9  # Chance is a third.
  assert set(found.measures) == {'steps', 'displacement'}
  assert found.measures['steps'] == 150
  assert found.measures['displacement'] > 0


def test_displacement_is_a_share_of_the_start(tunable, train):
  """Of the network, without the head; not where nothing is pretrained."""
  network = tunable.networks.network()
  network.reset()
  start = [v.numpy().ravel() for v in network.variables]
  found = train(_FINETUNE, _setting(0.1, 3))
  end = [v.numpy().ravel() for v in network.variables]
  change = np.concatenate(end) - np.concatenate(start)
  assert found.measures['displacement'] == pytest.approx(
    np.linalg.norm(change) / np.linalg.norm(np.concatenate(start)), rel=1e-5
  )
  assert train(_SCRATCH, _setting(0.1, 3)).measures == {'steps': 3}


def test_scratch_does_not_depend_on_the_pretrained_weights(
  tunable, tmp_path, space, examples, train
):
  first = train(_SCRATCH, _setting(0.1, 6)).trainer.values
  network = network_lib.Network(testing.normed_backbone(seed=1))
  other = data_lib.TrainingData(
    tunable.features,
    tunable.labels,
    tunable.classes,
    tunable.rule,
    tunable.memory_bytes,
    data_lib.Networks(
      tunable.networks.inputs, lambda: network, tmp_path / 'other', {}
    ),
  )
  values = []
  for method in (_SCRATCH, _FINETUNE):
    (later,) = method.fit(other, examples, _setting(0.1, 6), space, [0])
    values.append(later().trainer.values)
  for value, wanted in zip(values[0], first, strict=True):
    np.testing.assert_array_equal(value, wanted)
  assert (values[1][0] != first[0]).any()


def test_seeds_differ_and_repeat(tunable, space, examples):
  found = [
    later().trainer.values[0]
    for later in _FINETUNE.fit(
      tunable, examples, _setting(0.1, 4), space, [0, 1, 0]
    )
  ]
  np.testing.assert_array_equal(found[0], found[2])
  assert (found[0] != found[1]).any()


@pytest.mark.parametrize(
  'option', [{'optimizer': 'adam'}, {'unit_norm': False}]
)
def test_an_option_makes_another_network(train, option):
  one, two = (
    train(_FINETUNE, _setting(0.01, 4), **o).trainer.values
    for o in ({}, option)
  )
  assert any((a != b).any() for a, b in zip(one, two))


def test_finished_trainings_are_not_run_again(
  tunable, space, folds, monkeypatch
):
  first = _FINETUNE.validate(tunable, folds, space, 0)
  monkeypatch.setattr(finetune.Finetune, 'start', None)
  assert _FINETUNE.validate(tunable, folds, space, 0) == first


def test_a_training_that_diverges_is_a_failure_and_the_sweep_goes_on(
  tunable, space, folds, monkeypatch
):
  changed = space.changed(
    {'finetune': {'learning_rates': (1e30, 0.01), 'unit_norm': False}}
  )
  results = _FINETUNE.validate(tunable, folds, changed, 0)
  bad, good = results.values()
  assert all(
    isinstance(c, space_lib.Failure) and 'not finite' in c for c in bad
  )
  assert all(isinstance(c, int) for c in good)
  assert space_lib.choose(results).learning_rate == 0.01
  monkeypatch.setattr(finetune.Finetune, 'start', None)  # Failures are kept.
  again = _FINETUNE.validate(tunable, folds, changed, 0)
  assert again == results
  assert isinstance(next(iter(again.values()))[0], space_lib.Failure)


def test_options_are_a_part_of_the_setting_that_is_remembered(
  tunable, space, folds, monkeypatch
):
  """What another optimizer, batch or seed gave is not taken for this one's."""
  trained = []

  def counts(self, data, fold, setting, options, seed, key):
    trained.append((options, seed))
    return [0], None

  monkeypatch.setattr(finetune.Finetune, '_counts', counts)
  spaces = [space] + [
    space.changed({'finetune': change})
    for change in ({'optimizer': 'adam'}, {'unit_norm': False}, {'batch': 16})
  ]
  for changed in (*spaces, *spaces):
    _FINETUNE.validate(tunable, folds[:1], changed, 0)
  assert len(trained) == 4 * 2  # Settings.
  _FINETUNE.validate(tunable, folds[:1], space, 1)
  assert len(trained) == 5 * 2
  _SCRATCH.validate(tunable, folds[:1], space, 0)
  assert len(trained) == 6 * 2
