"""Surgical fine-tuning (Lee et al., 2023): one block, or a rate a tensor.

`surgical` tunes one block of the backbone and the head; which one is chosen by
validation. `auto_rgn` gives each tensor a learning rate in proportion to its
relative gradient norm, anew each epoch; `auto_snr` freezes tensors whose
gradients have a low signal-to-noise ratio. Adam, batches of 64, a constant
rate, weight decay in the gradient, batch norms in inference mode; the automatic
ones leave batch norms alone altogether.

The paper's tasks keep the labels of pretraining, so that a trained head exists.
Here it does not, and a fresh head's gradients would outweigh all others: all
three start from the l2 probe's head (see `lp_ft`), which is always tuned.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any, ClassVar

import numpy as np

from vtab_h2t import errors
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import trainer as trainer_lib

_WEIGHT_DECAY = 1e-4
_BATCHES = 5  # Whose gradients are looked at when an epoch starts.
_TINY = 1e-12  # Tensors of a smaller norm have no relative gradient.
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
  gradients: Sequence[Sequence[np.ndarray]], definition: str
) -> np.ndarray:
  """Auto-SNR's ratio of each tensor.

  Args:
    gradients: for each batch, of each tensor.
    definition: 'code': for each batch the mean of g^2 / (variance over output
      channels + 1e-8), averaged over batches, as the released code has it (its
      first axis is the output; here the last is, or the first of a head's
      kernel, see `initial.layers`). 'paper': mean of the squared mean gradient
      over batches, by the mean variance over batches + 1e-8, divided by the
      largest.
  """
  if definition == CODE:

    def ratio(g: np.ndarray, axis: int) -> float:
      variance = g.var(
        axis=axis, ddof=1 if g.shape[axis] > 1 else 0, keepdims=True
      )
      return float((g**2 / (variance + 1e-8)).mean())

    last = len(gradients[0]) - 2  # The head's kernel is `[out, in]`.
    return np.mean(
      [
        [ratio(g, 0 if i == last else -1) for i, g in enumerate(batch)]
        for batch in gradients
      ],
      axis=0,
    )
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.Options):
  """Of the methods of this file: 15 epochs of 1000 images in batches of 64."""

  learning_rates: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
  steps: tuple[int, ...] = (225,)
  batch: int = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockOptions(Options):
  """Of `surgical`.

  Attributes:
    blocks: names of blocks to choose from; empty for all that the backbone has,
      one after the other.
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
    block: the part of the network that is tuned.
  """

  block: str


class _Surgical(lp_ft.FromProbe):
  """What the three have in common."""

  rates_by_tensor: ClassVar[bool] = True

  def train(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    options: Any,
    seed: int,
    key: Any,
  ) -> data_lib.TrainedNetwork:
    networks = tuned.networks_of(data)
    trainer = self.start(
      data,
      examples,
      setting,
      self._trained(networks.network(), setting),
      trainer_lib.Recipe(
        optimizer=trainer_lib.ADAM,
        batch=setting.batch,
        schedule=trainer_lib.CONSTANT,
        frozen_statistics=True,
        weight_decay=_WEIGHT_DECAY,
      ),
    )
    inputs, order = networks.inputs(), (seed, interface.ORDER)
    batch = min(setting.batch, len(examples))

    def scales(epoch: int, trainer: trainer_lib.Trainer) -> np.ndarray:
      first = trainer_lib.order_of(examples, order, epoch)
      batches = [
        first[i * batch : (i + 1) * batch]
        for i in range(min(_BATCHES, len(examples) // batch))
      ]
      return self._scales(
        options,
        [trainer.gradients(inputs[b], data.labels[b]) for b in batches],
        trainer.values,
      )

    self.run(
      trainer,
      data,
      examples,
      setting,
      seed,
      key,
      scales if self.rates_by_tensor else None,
    )
    return data_lib.TrainedNetwork(trainer, {})

  def _scales(
    self,
    options: Any,
    gradients: Sequence[Sequence[np.ndarray]],
    values: Sequence[np.ndarray],
  ) -> np.ndarray:
    """The factor of each tensor's learning rate in an epoch."""
    raise ValueError(f'{self.name} has one learning rate')

  def _trained(
    self, network: network_lib.Network, setting: Any
  ) -> Sequence[int]:
    """Numbers of the variables that are trained beside the head."""
    del setting
    return [i for i, norm in enumerate(network.is_norm) if not norm]


class Surgical(_Surgical):
  """One block and the head."""

  name = 'surgical'
  options_type = BlockOptions
  rates_by_tensor = False

  def complete(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Sequence[Setting]:
    backbone = tuned.networks_of(data).network().backbone
    wanted = space.of(self.name).blocks or tuple(backbone.blocks)
    unknown = [b for b in wanted if b not in backbone.blocks]
    if unknown or not wanted:
      raise errors.InputError(
        f'backbone {backbone.name} has no block {", ".join(unknown)}; it has '
        f'{", ".join(backbone.blocks) or "none"}'
      )
    found = super().complete(data, folds, space, seed)
    return [
      Setting(**dataclasses.asdict(setting), block=block)
      for block in wanted
      for setting in found
    ]

  def _trained(
    self, network: network_lib.Network, setting: Setting
  ) -> Sequence[int]:
    return network.block(setting.block)


class AutoRgn(_Surgical):
  """A learning rate a tensor, by relative gradient norm."""

  name = 'auto_rgn'
  options_type = Options

  def _scales(
    self,
    options: Options,
    gradients: Sequence[Sequence[np.ndarray]],
    values: Sequence[np.ndarray],
  ) -> np.ndarray:
    del options
    return relative_gradient_norms(gradients, values)


class AutoSnr(_Surgical):
  """Tensors with a low signal-to-noise ratio are frozen."""

  name = 'auto_snr'
  options_type = SnrOptions

  def _scales(
    self,
    options: SnrOptions,
    gradients: Sequence[Sequence[np.ndarray]],
    values: Sequence[np.ndarray],
  ) -> np.ndarray:
    del values
    ratio = signal_to_noise(gradients, options.snr)
    threshold = options.threshold
    if threshold is None:
      threshold = _THRESHOLDS[options.snr]
    return (ratio >= threshold).astype(np.float32)
