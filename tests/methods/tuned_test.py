import numpy as np
import pytest

from vtab_h2t.methods import finetune
from vtab_h2t.methods import head2toe_ft
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import surgical
from vtab_h2t.methods import tuned
from vtab_h2t.training import checkpoint


def test_defaults_are_the_papers():
  options = tuned.Options()
  assert options.learning_rates == (0.1, 0.01)
  assert options.steps == (500, 5000) and options.batch == 128
  assert finetune.Options().optimizer == 'sgd'
  assert finetune.Options().unit_norm
  assert head2toe_ft.Options().optimizer == 'sgd'
  assert head2toe_ft.Options().head_init == 'fresh'
  assert len(lp_ft.Options().learning_rates) == 6
  assert lp_ft.Options().batch == 64
  for options in (
    surgical.BlockOptions(),
    surgical.Options(),
    surgical.SnrOptions(),
  ):
    assert options.learning_rates == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    assert options.batch == 64
  assert surgical.SnrOptions().snr == 'code'
  assert surgical.SnrOptions().threshold is None
  assert head_probe.Options().smoothing == 0.1
  assert head_probe.Options().hidden == 0


def test_data_without_a_network_are_a_mistake(data):
  with pytest.raises(ValueError, match='have no network to train'):
    tuned.networks_of(data)


def test_networks_are_trained_only_when_they_are_judged(
  tunable, space, examples, monkeypatch
):
  trained = []
  monkeypatch.setattr(
    finetune.Finetune, 'train', lambda self, *args: trained.append(args[4])
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
  setting = tuned.Setting(learning_rate=0.1, steps=12, batch=32)
  wanted = train(method, setting).trainer.values
  save = checkpoint.Checkpoint.save

  def cut(self, trainer, steps):
    self._seconds = 0  # Every time.
    save(self, trainer, steps)
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
  assert steps == [9]  # An epoch of 300 images in batches of 32.
  assert not list((tmp_path / 'unfinished').iterdir())
  train(method, setting, seed=1)
  assert steps == [9, 0]
