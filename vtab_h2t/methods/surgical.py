"""Surgical fine-tuning (Lee et al., 2023): one block, or a rate a tensor.

`surgical` tunes one block of the backbone and the head, or the head alone, or
everything; which of these is chosen by validation. `auto_rgn` gives each tensor
a learning rate in proportion to its relative gradient norm, anew each epoch;
`auto_snr` freezes tensors whose gradients have a low signal-to-noise ratio.
Adam with torch's epsilon, batches of 64, a constant rate, weight decay in the
gradient, batch norms in inference mode; the automatic ones leave batch norms
alone altogether. Learning rate and epoch are chosen by validation accuracy.

The paper's tasks keep the labels of pretraining, so that a trained head exists.
Here it does not, and a fresh head's gradients would outweigh all others: all
three start from the l2 probe's head (see `lp_ft`), which is always tuned.
"""

import abc
from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import numpy as np

from vtab_h2t import errors
from vtab_h2t.heads import adam
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import trainer as trainer_lib

Factors = Callable[
  [Sequence[Sequence[np.ndarray]], Sequence[np.ndarray]], np.ndarray
]
Scales = Callable[[int, trainer_lib.Trainer], np.ndarray]
_WEIGHT_DECAY = 1e-4
_BATCHES = 5  # Whose gradients are looked at when an epoch starts.
_TINY = 1e-12  # Tensors of a smaller norm have no relative gradient.
LAST, ALL = 'last', 'all'  # The head alone, and everything.
CODE, PAPER = 'code', 'paper'
# The released code's; for the paper's ratio, 0 to 1, this project's.
_THRESHOLDS = {CODE: 0.95, PAPER: 0.2}


def relative_gradient_norms(
  gradients: Sequence[Sequence[np.ndarray]], values: Sequence[np.ndarray]
) -> np.ndarray:
  """Auto-RGN's factors, 0 to 1: the mean of |gradient| / |tensor| over batches.

  Args:
    gradients: for each batch, of each tensor.
    values: the tensors. One that is zero has no relative gradient and gets 0.

  Returns:
    float32, divided by the largest; all 0 if there is no gradient.
  """
  norms = np.array([np.linalg.norm(v) for v in values])
  found = np.mean(
    [[np.linalg.norm(g) for g in batch] for batch in gradients], axis=0
  )
  ratio = np.where(norms > _TINY, found / np.maximum(norms, _TINY), 0.0)
  return (ratio / (ratio.max() or 1.0)).astype(np.float32)


def signal_to_noise(
  gradients: Sequence[Sequence[np.ndarray]],
  definition: str,
  output_axes: Sequence[tuple[int, ...]],
) -> np.ndarray:
  """Auto-SNR's ratio of each tensor.

  Args:
    gradients: for each batch, of each tensor.
    definition: 'code': for each batch the mean of g^2 / (variance + 1e-8),
      averaged over batches, as the released code has it, where the variance is
      the unbiased one over the first axis of torch's layout. A tensor whose
      first axis there has length 1 has none, and its ratio is NaN. 'paper':
      mean of the squared mean gradient over batches, by the mean variance over
      batches + 1e-8, divided by the largest. One batch has no variance: all
      ratios are 1.
    output_axes: of each tensor, the axes that are torch's first.
  """
  if definition == CODE:
    return np.mean(
      [
        [_ratio(g, axes) for g, axes in zip(batch, output_axes, strict=True)]
        for batch in gradients
      ],
      axis=0,
    )
  if len(gradients) == 1:
    return np.ones(len(gradients[0]))
  found = []
  for tensor in zip(*gradients):
    stack = np.stack(tensor)
    found.append(
      float(
        (stack.mean(axis=0) ** 2).mean()
        / (stack.var(axis=0, ddof=1).mean() + 1e-8)
      )
    )
  return np.array(found) / (max(found) or 1.0)


def kept_by_snr(
  gradients: Sequence[Sequence[np.ndarray]],
  definition: str,
  output_axes: Sequence[tuple[int, ...]],
  threshold: float | None = None,
) -> np.ndarray:
  """Auto-SNR's factors: 1 for tensors that are tuned, 0 for frozen ones.

  Args:
    gradients, definition, output_axes: as of `signal_to_noise`.
    threshold: below it a tensor is frozen; None for the definition's own.
  """
  ratio = signal_to_noise(gradients, definition, output_axes)
  if threshold is None:
    threshold = _THRESHOLDS[definition]
  # As released: a ratio that is NaN is not below, so its tensor is tuned.
  return (~(ratio < threshold)).astype(np.float32)


def output_axes_of(
  network: network_lib.Network, trained: Sequence[int]
) -> list[tuple[int, ...]]:
  """Those of the variables that are trained, and of a linear head."""
  # The head's kernel is `[out, in]`, as torch's.
  return [*(network.output_axes[i] for i in trained), (0,), (0,)]


def each_epoch(
  factors: Factors,
  inputs: np.ndarray,
  labels: np.ndarray,
  examples: np.ndarray,
  batch: int,
  seed: int,
) -> Scales:
  """Factors of learning rates, anew each epoch from its first batches.

  Args:
    factors: gives them, from the gradients of each batch and the tensors.
    inputs: the network's, float32 `[n, H, W, 3]`.
    labels: int64 `[n]`.
    examples: which are trained on.
    batch: images in a step.
    seed: of their order.
  """

  def scales(epoch: int, trainer: trainer_lib.Trainer) -> np.ndarray:
    batches = trainer_lib.batches(
      examples, batch, (seed, interface.ORDER), epoch
    )
    gradients = [
      trainer.gradients(inputs[b], labels[b]) for b in batches[:_BATCHES]
    ]
    return factors(gradients, trainer.values)

  return scales


def without_norms(network: network_lib.Network) -> list[int]:
  """The variables that the automatic rules tune: all but of batch norms."""
  return [i for i, is_norm in enumerate(network.is_norm) if not is_norm]


def recipe(batch: int, frozen_statistics: bool = True) -> trainer_lib.Recipe:
  """How all of these are trained.

  Args:
    batch: images in a step.
    frozen_statistics: as of `trainer.Recipe`; True as released.
  """
  return trainer_lib.Recipe(
    optimizer=trainer_lib.ADAM,
    batch=batch,
    schedule=trainer_lib.CONSTANT,
    frozen_statistics=frozen_statistics,
    weight_decay=_WEIGHT_DECAY,
    epsilon=adam.TORCH,
  )


def _ratio(gradient: np.ndarray, axes: tuple[int, ...]) -> float:
  """The released code's ratio of a tensor and batch."""
  if np.prod([gradient.shape[a] for a in axes]) == 1:
    return float('nan')
  variance = gradient.var(axis=axes, ddof=1, keepdims=True)
  return float((gradient**2 / (variance + 1e-8)).mean())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.EpochOptions):
  """Of the methods of this file."""

  learning_rates: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
  epochs: tuple[int, ...] = (15,)
  batch: int = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockOptions(Options):
  """Of `surgical`.

  Attributes:
    blocks: what to choose from: names of the backbone's blocks, 'last' for the
      head alone, 'all' for everything; empty for all of these, one after the
      other.
  """

  blocks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SnrOptions(Options):
  """Of `auto_snr`.

  Attributes:
    snr: definition of the ratio: 'code' or 'paper'; see `signal_to_noise`.
    threshold: below it a tensor is frozen; None for the definition's own.
  """

  snr: str = CODE
  threshold: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(lp_ft.Setting):
  """Of `surgical`.

  Attributes:
    block: what is tuned beside the head.
  """

  block: str


class _Surgical(lp_ft.FromProbe):
  """What the three have in common."""

  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    options: Any,
    seed: int,
  ) -> tuned.Start:
    trainer = self.at_probe(
      data,
      examples,
      setting,
      self._trained(tuned.networks_of(data).network(), setting),
      recipe(setting.batch),
    )
    return tuned.Start(trainer=trainer)

  @abc.abstractmethod
  def _trained(
    self, network: network_lib.Network, setting: Any
  ) -> Sequence[int]:
    """Numbers of the variables that are trained beside the head."""


class Surgical(_Surgical):
  """One block and the head."""

  name = 'surgical'
  options_type = BlockOptions

  def complete(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Sequence[Setting]:
    network = tuned.networks_of(data).network()
    blocks = network.backbone.blocks
    taken = [name for name in (LAST, ALL) if name in blocks]
    if taken:
      raise errors.InputError(
        f'backbone {network.backbone.name} calls a block {taken[0]!r}, '
        'which is what surgical calls the head alone or everything; give the '
        'block another name'
      )
    wanted = space.of(self.name).blocks or (
      LAST,
      # A block of everything would be 'all' again.
      *(b for b in blocks if len(network.block(b)) < len(network.variables)),
      ALL,
    )
    unknown = [b for b in wanted if b not in (*blocks, LAST, ALL)]
    if unknown:
      raise errors.InputError(
        f'backbone {network.backbone.name} has no block {", ".join(unknown)}; '
        f'choose from {", ".join((LAST, *blocks, ALL))}'
      )
    found = super().complete(data, folds, space, seed)
    return tuned.earlier_epochs_first(
      [
        Setting(**dataclasses.asdict(setting), block=block)
        for block in dict.fromkeys(wanted)
        for setting in found
      ]
    )

  def _trained(
    self, network: network_lib.Network, setting: Setting
  ) -> Sequence[int]:
    if setting.block == LAST:
      return ()
    if setting.block == ALL:
      return range(len(network.variables))
    return network.block(setting.block)


class _Auto(_Surgical):
  """Each tensor's learning rate is set anew each epoch, from some batches."""

  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    options: Any,
    seed: int,
  ) -> tuned.Start:
    found = super().start(data, examples, setting, options, seed)
    networks = tuned.networks_of(data)
    axes = output_axes_of(networks.network(), found.trainer.trained)
    scales = each_epoch(
      lambda gradients, values: self._scales(options, gradients, values, axes),
      networks.inputs(),
      data.labels,
      examples,
      setting.batch,
      seed,
    )
    return dataclasses.replace(found, scales=scales)

  @abc.abstractmethod
  def _scales(
    self,
    options: Any,
    gradients: Sequence[Sequence[np.ndarray]],
    values: Sequence[np.ndarray],
    output_axes: Sequence[tuple[int, ...]],
  ) -> np.ndarray:
    """The factor of each tensor's learning rate in an epoch."""

  def _trained(
    self, network: network_lib.Network, setting: Any
  ) -> Sequence[int]:
    del setting
    return without_norms(network)


class AutoRgn(_Auto):
  """A learning rate a tensor, by relative gradient norm."""

  name = 'auto_rgn'
  options_type = Options

  def _scales(
    self,
    options: Options,
    gradients: Sequence[Sequence[np.ndarray]],
    values: Sequence[np.ndarray],
    output_axes: Sequence[tuple[int, ...]],
  ) -> np.ndarray:
    del options, output_axes
    return relative_gradient_norms(gradients, values)


class AutoSnr(_Auto):
  """Tensors with a low signal-to-noise ratio are frozen."""

  name = 'auto_snr'
  options_type = SnrOptions

  def _scales(
    self,
    options: SnrOptions,
    gradients: Sequence[Sequence[np.ndarray]],
    values: Sequence[np.ndarray],
    output_axes: Sequence[tuple[int, ...]],
  ) -> np.ndarray:
    del values
    return kept_by_snr(gradients, options.snr, output_axes, options.threshold)
