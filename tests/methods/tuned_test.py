import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.heads import initial
from vtab_h2t.methods import finetune
from vtab_h2t.methods import head2toe_ft
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import surgical
from vtab_h2t.methods import tuned
from vtab_h2t.training import checkpoint
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib


def test_defaults_are_the_papers():
  options = tuned.StepOptions()
  assert options.learning_rates == (0.1, 0.01)
  assert options.steps == (500, 5000) and options.batch == 128
  assert finetune.Options().optimizer == 'sgd'
  assert finetune.Options().unit_norm
  assert head2toe_ft.Options().optimizer == 'sgd'
  assert head2toe_ft.Options().head_init == 'fresh'
  assert len(lp_ft.Options().learning_rates) == 6
  assert lp_ft.Options().batch == 64 and lp_ft.Options().epochs == (20,)
  for options in (
    surgical.BlockOptions(),
    surgical.Options(),
    surgical.SnrOptions(),
  ):
    assert options.learning_rates == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    assert options.batch == 64 and options.epochs == (15,)
  assert surgical.SnrOptions().snr == 'code'
  assert surgical.SnrOptions().threshold is None
  assert head_probe.Options().smoothing == 0.1
  assert head_probe.Options().hidden == 0
  # The steps of fine-tuning, in epochs of 1000 images.
  probing = head_probe.Options()
  assert [
    round(epochs * 1000 / probing.batch, -2) for epochs in probing.epochs
  ] == [500]


def test_data_without_a_network_are_a_mistake(data):
  with pytest.raises(ValueError, match='have no network to train'):
    tuned.networks_of(data)


def test_networks_are_trained_only_when_they_are_judged(
  tunable, space, examples, monkeypatch
):
  trained = []
  monkeypatch.setattr(
    finetune.Finetune, '_train', lambda self, *args: trained.append(args[4])
  )
  method = finetune.Finetune('finetune', scratch=False)
  later = list(
    method.fit(tunable, examples, method.candidates(space)[0], space, (0, 4, 2))
  )
  assert not trained
  for train in later[::-1]:
    train()
  assert trained == [2, 4, 0]


def test_a_training_that_is_cut_off_goes_on(
  tunable, train, tmp_path, monkeypatch
):
  """From its checkpoint, which is gone at the end."""
  method = finetune.Finetune('finetune', scratch=False)
  setting = tuned.StepSetting(learning_rate=0.1, steps=12, batch=32)
  wanted = train(method, setting).trainer.values
  save = checkpoint.Checkpoint.save

  def cut(self, trainer, steps, counts):
    self._seconds = 0  # Every time.
    save(self, trainer, steps, counts)
    raise KeyboardInterrupt

  monkeypatch.setattr(checkpoint.Checkpoint, 'save', cut)
  with pytest.raises(KeyboardInterrupt):
    train(method, setting)
  assert len(list((tmp_path / 'unfinished').iterdir())) == 1
  steps = []
  monkeypatch.setattr(checkpoint.Checkpoint, 'save', save)
  load = checkpoint.Checkpoint.load
  monkeypatch.setattr(
    checkpoint.Checkpoint,
    'load',
    lambda self, trainer: steps.append(load(self, trainer)) or steps[-1],
  )
  found = train(method, setting).trainer.values
  for value, other in zip(found, wanted, strict=True):
    np.testing.assert_array_equal(value, other)
  assert steps == [(10, [])]  # An epoch of 300 images in batches of 32.
  assert not list((tmp_path / 'unfinished').iterdir())
  train(method, setting, seed=1)
  assert steps == [(10, []), (0, [])]


class _Always(tuned.ByEpochs):
  """Starts from pretrained weights and a head that is always the same."""

  name = 'always'
  options_type = tuned.EpochOptions
  started = 0

  def start(self, data, examples, setting, options, seed):
    self.started += 1
    network = data.networks.network()
    network.reset()
    trainer = network.trainer(
      readout_lib.Embedding('pooled', 8, False),
      (8, 3),
      range(len(network.variables)),
      trainer_lib.Recipe(batch=setting.batch),
    )
    trainer.start(initial.layers((8, 3), (0,)))
    return tuned.Start(trainer=trainer, measure=lambda: {'one': 1.0})


def _epochs(folds=(1, 4), **options):
  return space_lib.Space(
    name='x',
    folds=folds,
    options={
      'always': tuned.EpochOptions(
        **{'learning_rates': (0.1, 0.01), 'epochs': (3,), 'batch': 32} | options
      )
    },
  )


def _at(epoch, rate=0.1, epochs=3):
  return tuned.EpochSetting(
    learning_rate=rate, epochs=epochs, epoch=epoch, batch=32
  )


def test_every_epoch_is_a_candidate_the_earlier_first():
  """Then as in the options: that is where ties go to."""
  found = _Always().candidates(_epochs(epochs=(1, 2)))
  assert [(s.epoch, s.epochs, s.learning_rate) for s in found] == [
    (0, 1, 0.1),
    (0, 1, 0.01),
    (0, 2, 0.1),
    (0, 2, 0.01),
    (1, 1, 0.1),
    (1, 1, 0.01),
    (1, 2, 0.1),
    (1, 2, 0.01),
    (2, 2, 0.1),
    (2, 2, 0.01),
  ]
  assert space_lib.choose({s: [5, 5] for s in found}) == found[0]


def test_without_folds_the_epoch_is_the_last():
  (only,) = _Always().candidates(_epochs(folds=(), learning_rates=(0.1,)))
  assert only == _at(3)


def test_no_epochs_are_one_line():
  with pytest.raises(errors.InputError, match='gives no epochs for always;'):
    _Always().check(_epochs(epochs=()))


def test_one_training_validates_all_its_epochs(tunable, folds, examples):
  """And the final one, stopped there, is what was validated."""
  method, space = _Always(), _epochs()
  results = method.validate(tunable, folds, space, 0)
  assert list(results) == method.candidates(space)
  assert method.started == 2 * 2  # Rates and folds.
  for rate in (0.1, 0.01):
    assert results[_at(0, rate)] == results[_at(0)]
  inputs = tunable.networks.inputs()
  for setting in (_at(0), _at(2, 0.01), _at(3)):
    for fold, count in zip(folds, results[setting]):
      (later,) = method.fit(tunable, fold.train, setting, space, [0])
      right = (
        later().trainer.predict(inputs[fold.val]) == (tunable.labels[fold.val])
      )
      assert right.sum() == count
  assert len({tuple(counts) for counts in results.values()}) > 3


def test_a_row_has_the_steps_that_were_taken(tunable, examples):
  """Of 300 images in batches of 32, ten an epoch."""
  method = _Always()
  for epoch, steps in ((0, 0), (2, 20)):
    (later,) = method.fit(tunable, examples, _at(epoch), _epochs(), [0])
    assert later().measures == {'steps': steps, 'one': 1.0}
  (later,) = finetune.Finetune('finetune', scratch=False).fit(
    tunable,
    examples,
    tuned.StepSetting(learning_rate=0.1, steps=7, batch=32),
    _epochs().__class__(
      name='x', folds=(), options={'finetune': finetune.Options()}
    ),
    [0],
  )
  assert later().measures['steps'] == 7


def test_epoch_0_trains_nothing(tunable, examples):
  (later,) = _Always().fit(tunable, examples, _at(0), _epochs(), [0])
  network, trainer = tunable.networks.network(), later().trainer
  for value, pretrained in zip(
    network.state(), network.backbone.model.get_weights(), strict=True
  ):
    np.testing.assert_array_equal(value, pretrained)
  ((kernel, _),) = trainer.head
  np.testing.assert_array_equal(kernel, initial.layers((8, 3), (0,))[0][0])


def test_epochs_before_a_divergence_keep_their_counts(
  tunable, folds, monkeypatch
):
  """The later ones are failures, also when they are read again."""
  space = _epochs(learning_rates=(0.1,))
  good = _Always().validate(tunable, folds, space, 0)
  run, correct = trainer_lib.Trainer.run, trainer_lib.Trainer.correct
  epochs = []

  def counted(self, x, y):
    epochs.append(len(epochs))
    if len(epochs) == 3:
      raise trainer_lib.DivergedError('the loss was not finite by step 17')
    return correct(self, x, y)

  monkeypatch.setattr(trainer_lib.Trainer, 'correct', counted)
  for remembered in (False, True):
    found = _Always().validate(tunable, folds[:1], space, 1)
    assert [found[_at(e)] for e in (2, 3)] == [
      [space_lib.Failure('the loss was not finite by step 17')]
    ] * 2
    assert all(isinstance(found[_at(e)][0], int) for e in (0, 1))
    assert found[_at(0)] == good[_at(0)][:1]
    assert space_lib.choose(found).epoch < 2
    if remembered:
      assert len(epochs) == 3
    monkeypatch.setattr(trainer_lib.Trainer, 'run', None)
  monkeypatch.setattr(trainer_lib.Trainer, 'run', run)


def test_a_validation_that_is_cut_off_ends_with_the_same_counts(
  tunable, folds, tmp_path, monkeypatch
):
  """From its checkpoint; the epochs before are not counted again."""
  space = _epochs(learning_rates=(0.1,))
  save, correct = checkpoint.Checkpoint.save, trainer_lib.Trainer.correct

  def cut(self, trainer, steps, counts):
    self._seconds = 0
    save(self, trainer, steps, counts)
    if steps == 16:  # Two epochs of 240 images.
      raise KeyboardInterrupt

  monkeypatch.setattr(checkpoint.Checkpoint, 'save', cut)
  with pytest.raises(KeyboardInterrupt):
    _Always().validate(tunable, folds[:1], space, 0)
  (left,) = (tmp_path / 'unfinished').iterdir()
  assert left.suffix == '.npz'
  monkeypatch.setattr(checkpoint.Checkpoint, 'save', save)
  counted = []
  monkeypatch.setattr(
    trainer_lib.Trainer,
    'correct',
    lambda self, x, y: counted.append(len(y)) or correct(self, x, y),
  )
  found = _Always().validate(tunable, folds[:1], space, 0)
  assert counted == [60]  # The third epoch's.
  (left,) = (tmp_path / 'unfinished').iterdir()
  left.unlink()
  assert _Always().validate(tunable, folds[:1], space, 0) == found
  assert len(counted) == 1 + 4
