"""What all methods that train the backbone share."""

import abc
from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import itertools
import json
import logging
import pathlib
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import files
from vtab_h2t.methods import base
from vtab_h2t.methods import checkpoint
from vtab_h2t.methods import trainer as trainer_lib

if TYPE_CHECKING:
  from vtab_h2t.methods import network as network_lib

# Stages of a method, second part of a seed; see `base.FIRST`.
HEAD, ORDER = 3, 4


@dataclasses.dataclass(frozen=True)
class Tuning:
  """How the methods that train the backbone search and train.

  Attributes:
    learning_rates: of scratch, finetune, head2toe_ft and head_probe.
    steps: of all but the surgical methods.
    batch: images in a step; None for each method's own.
    optimizer: of scratch, finetune, head2toe_ft and head_probe.
    unit_norm: whether scratch and finetune scale the embedding to unit norm, as
      the released code does.
    head_init: of head2toe_ft: 'fresh' (as released) or 'head2toe'.
    lp_ft_learning_rates: of lp_ft.
    surgical_learning_rates: of surgical, auto_rgn and auto_snr.
    surgical_steps: of the same.
    blocks: of surgical: names of blocks to choose from; empty for all that the
      backbone has, one after the other.
    snr: definition of auto_snr: 'code' or 'paper'; see `surgical`.
    snr_threshold: below it a tensor is frozen; None for `surgical`'s own for
      the definition.
    taus: epochs of head probing to choose from.
    smoothing: of the labels while probing.
    hidden: units of the probed head's hidden layer; 0 for a linear head.
  """

  learning_rates: tuple[float, ...] = (0.1, 0.01)
  steps: tuple[int, ...] = (500, 5000)
  batch: int | None = None
  optimizer: str = 'sgd'
  unit_norm: bool = True
  head_init: str = 'fresh'
  lp_ft_learning_rates: tuple[float, ...] = (
      3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4)
  surgical_learning_rates: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
  surgical_steps: tuple[int, ...] = (225,)  # 15 epochs of 1000 in 64s.
  blocks: tuple[str, ...] = ()
  snr: str = 'code'
  snr_threshold: float | None = None
  taus: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64, 128)
  smoothing: float = 0.1
  hidden: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
  """Train images, the network that is trained on them, and finished runs.

  Attributes:
    inputs: returns the network's inputs, float32 `[n, H, W, 3]`.
    network: returns the trainable copy of the backbone.
    runs: folder for the results and states of single runs.
  """

  inputs: Callable[[], np.ndarray]
  network: Callable[[], 'network_lib.Network']
  runs: pathlib.Path

  def path(self, key: Any, ending: str) -> pathlib.Path:
    """A file for the run that a JSON value identifies."""
    return self.runs / f'{files.fingerprint(key)[:32]}.{ending}'

  def remember(self, key: Any, compute: Callable[[], Any]) -> Any:
    """The JSON value of a run, computed once and kept with its checksum."""
    path = self.path(key, 'json')
    try:
      with open(path, encoding='utf-8') as f:
        kept = json.load(f)
      if kept['sha256'] != files.fingerprint(kept['value']):
        raise ValueError('another checksum')
      return kept['value']
    except FileNotFoundError:
      pass
    except (ValueError, KeyError, TypeError) as e:
      logging.warning('%s is damaged; the run is done again (%s)', path, e)
    value = compute()
    # Another process may have finished the unit and removed the folder.
    with contextlib.suppress(FileNotFoundError), files.atomic_write(path) as f:
      json.dump({'value': value, 'sha256': files.fingerprint(value)}, f)
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkPredictor:
  """A tuned network; valid until the next one is trained.

  Attributes:
    trainer: predicts.
    measures: what else was measured, for the result row.
  """

  trainer: trainer_lib.Trainer
  measures: dict[str, float]


class Tuned(abc.ABC):
  """A method that trains the backbone; subclasses say how.

  Attributes:
    name: of the method.
    batch: images in a step, unless the grid says otherwise.
  """

  name: str
  batch: int

  def learning_rates(self, tuning: Tuning) -> Sequence[float]:
    """Those to choose from."""
    return tuning.learning_rates

  def steps(self, tuning: Tuning) -> Sequence[int]:
    """Numbers of steps to choose from."""
    return tuning.steps

  def candidates(self, grid: base.SearchSpace) -> list[base.Hparams]:
    batch = grid.tuning.batch or self.batch
    return [base.Hparams(lr, steps, batch=batch)
            for steps, lr in itertools.product(
                self.steps(grid.tuning), self.learning_rates(grid.tuning))]

  @abc.abstractmethod
  def train(self, data: base.TrainingData, rows: np.ndarray,
            hparams: base.Hparams, grid: base.SearchSpace, seed: int,
            run: Any) -> NetworkPredictor:
    """Trains one network on rows.

    Args:
      data: features, images and labels.
      rows: which to train on.
      hparams: the setting.
      grid: what else the method needs to know.
      seed: of head and order.
      run: identifies the run, for its checkpoint.

    Raises:
      trainer.DivergedError: the loss is not finite.
    """

  def run(self, trainer: trainer_lib.Trainer, data: base.TrainingData,
          rows: np.ndarray, hparams: base.Hparams, seed: int, run: Any,
          scales: Any = None) -> None:
    """Runs a trainer that has been started, with a checkpoint of its own."""
    trainer.run(data.images.inputs(), data.labels, rows, hparams.learning_rate,
                hparams.steps, (seed, ORDER), scales,
                checkpoint.Checkpoint(data.images.path(run, 'npz')))

  def cross_validate(self, data: base.TrainingData, folds: Sequence[base.Fold],
                     grid: base.SearchSpace, seed: int
                     ) -> dict[base.Hparams, list[int | base.Failure]]:
    found = {}
    for hparams in self.complete(data, folds, grid, seed):
      found[hparams] = []
      for fold in folds:
        run = self._key(hparams, grid, ['fold', fold.number, seed])
        result = data.images.remember(run, lambda: self._validate(
            data, fold, hparams, grid, seed, run))
        found[hparams].append(
            base.Failure(result) if isinstance(result, str) else result)
    return found

  def complete(self, data: base.TrainingData, folds: Sequence[base.Fold],
               grid: base.SearchSpace, seed: int) -> list[base.Hparams]:
    """The candidates, completed by what has to be chosen before.

    Without folds nothing can be chosen; a method then has its own way.
    """
    del data, folds, seed
    return self.candidates(grid)

  def _validate(self, data, fold, hparams, grid, seed, run) -> int | str:
    try:
      found = self.train(data, fold.train_rows, hparams, grid, seed, run)
    except trainer_lib.DivergedError as e:
      return str(e)
    inputs = data.images.inputs()
    correct = 0
    for i in range(0, len(fold.val_rows), 64):
      rows = fold.val_rows[i:i + 64]
      correct += int((found.trainer.predict(inputs[rows])
                      == data.labels[rows]).sum())
    return correct

  def fit(self, data: base.TrainingData, rows: np.ndarray,
          hparams: base.Hparams, seeds: Sequence[int], grid: base.SearchSpace
          ) -> Iterator[Callable[[], NetworkPredictor]]:
    """What trains the network of each seed, when called."""
    for seed in seeds:
      run = self._key(hparams, grid, ['final', seed])
      yield lambda seed=seed, run=run: self.train(
          data, rows, hparams, grid, seed, run)

  def _key(self, hparams, grid, run):
    return [self.name, hparams.as_row(), dataclasses.asdict(grid.tuning), run]
