import numpy as np

from vtab_h2t.methods import base
from vtab_h2t.methods import finetune
from vtab_h2t.protocol import grids

_FINETUNE = finetune.Finetune('finetune', scratch=False)
_SCRATCH = finetune.Finetune('scratch', scratch=True)


def test_candidates_are_the_lightweight_sweep(tuning_grid):
  assert _FINETUNE.candidates(tuning_grid) == [
      base.Hparams(0.1, 12, batch=32),
      base.Hparams(0.01, 12, batch=32)]
  assert _FINETUNE.candidates(grids.paper('resnet50')) == [
      base.Hparams(lr, steps, batch=128)
      for steps in (500, 5000) for lr in (0.1, 0.01)]


def test_it_learns(tunable, tuning_grid, folds, rows):
  results = _FINETUNE.cross_validate(tunable, folds, tuning_grid, 0)
  assert list(results) == _FINETUNE.candidates(tuning_grid)
  assert all(len(c) == 2 for c in results.values())
  longer = base.Hparams(0.1, 150, batch=32)
  train, = _FINETUNE.fit(tunable, rows, longer, [0], tuning_grid)
  found = train()
  inputs = tunable.images.inputs()
  share = (found.trainer.predict(inputs) == tunable.labels).mean()
  assert share > 0.9  # Chance is a third.


def test_scratch_does_not_depend_on_the_pretrained_weights(
    tunable, tuning_grid, rows):
  hparams = base.Hparams(0.1, 6, batch=32)
  train, = _SCRATCH.fit(tunable, rows, hparams, [0], tuning_grid)
  first = train().trainer.values
  network = tunable.images.network()
  network._pretrained = [w * 3 + 1 for w in network._pretrained]
  network._trainers.clear()
  train, = _SCRATCH.fit(tunable, rows, hparams, [0], tuning_grid)
  for value, other in zip(train().trainer.values, first, strict=True):
    np.testing.assert_array_equal(value, other)


def test_seeds_differ_and_repeat(tunable, tuning_grid, rows):
  hparams = base.Hparams(0.1, 4, batch=32)
  found = [train().trainer.values[0] for train in _FINETUNE.fit(
      tunable, rows, hparams, [0, 1, 0], tuning_grid)]
  np.testing.assert_array_equal(found[0], found[2])
  assert (found[0] != found[1]).any()


def test_finished_runs_are_not_run_again(
    tunable, tuning_grid, folds, monkeypatch):
  first = _FINETUNE.cross_validate(tunable, folds, tuning_grid, 0)
  monkeypatch.setattr(finetune.Finetune, 'train', None)
  assert _FINETUNE.cross_validate(tunable, folds, tuning_grid, 0) == first


def test_a_run_that_diverges_is_a_failure_and_the_sweep_goes_on(
    tunable, tuning_grid, folds):
  import dataclasses
  grid = dataclasses.replace(tuning_grid, tuning=dataclasses.replace(
      tuning_grid.tuning, learning_rates=(1e30, 0.01), unit_norm=False))
  results = _FINETUNE.cross_validate(tunable, folds, grid, 0)
  bad, good = results.values()
  assert all(isinstance(c, base.Failure) and 'not finite' in c for c in bad)
  assert all(isinstance(c, int) for c in good)
  assert base.choose(results).learning_rate == 0.01
