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

import numpy as np

from vtab_h2t import errors
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import trainer as trainer_lib
from vtab_h2t.methods import tuned

_WEIGHT_DECAY = 1e-4
_BATCHES = 5  # Whose gradients are looked at when an epoch starts.
_TINY = 1e-12  # Tensors of a smaller norm have no relative gradient.
CODE, PAPER = 'code', 'paper'
# The released code's; for the paper's ratio, 0 to 1, this project's.
_THRESHOLDS = {CODE: 0.95, PAPER: 0.2}


def relative_gradient_norms(gradients: Sequence[Sequence[np.ndarray]],
                            values: Sequence[np.ndarray]) -> np.ndarray:
  """Auto-RGN's factors, 0 to 1: the mean of |gradient| / |tensor| over batches.

  Args:
    gradients: for each batch, of each tensor.
    values: the tensors. One that is zero has no relative gradient and gets 0.

  Returns:
    float32, divided by the largest; all 0 if there is no gradient.
  """
  norms = np.array([np.linalg.norm(v) for v in values])
  found = np.mean([[np.linalg.norm(g) for g in batch] for batch in gradients],
                  axis=0)
  ratio = np.where(norms > _TINY, found / np.maximum(norms, _TINY), 0.0)
  return (ratio / (ratio.max() or 1.0)).astype(np.float32)


def signal_to_noise(gradients: Sequence[Sequence[np.ndarray]], definition: str
                    ) -> np.ndarray:
  """Auto-SNR's ratio of each tensor.

  Args:
    gradients: for each batch, of each tensor.
    definition: 'code': for each batch the mean of g^2 / (variance over output
      channels + 1e-8), averaged over batches, as the released code has it (its
      first axis is the output; here the last is, or the first of a head's
      kernel, see `readout.glorot`). 'paper': mean of the squared mean gradient
      over batches, by the mean variance over batches + 1e-8, divided by the
      largest.
  """
  if definition == CODE:
    def ratio(g, axis):
      variance = g.var(axis=axis, ddof=1 if g.shape[axis] > 1 else 0,
                       keepdims=True)
      return float((g ** 2 / (variance + 1e-8)).mean())
    last = len(gradients[0]) - 2  # The head's kernel is `[out, in]`.
    return np.mean([[ratio(g, 0 if i == last else -1)
                     for i, g in enumerate(batch)] for batch in gradients],
                   axis=0)
  found = []
  for tensor in zip(*gradients):
    stack = np.stack(tensor)
    found.append(float((stack.mean(axis=0) ** 2).mean() / (
        stack.var(axis=0, ddof=1).mean() + 1e-8)))
  return np.array(found) / (max(found) or 1.0)


class _Surgical(lp_ft.FromProbe):
  """What the three have in common."""

  def learning_rates(self, tuning):
    return tuning.surgical_learning_rates

  def steps(self, tuning):
    return tuning.surgical_steps

  def train(self, data, rows, hparams, grid, seed, run):
    network = data.images.network()
    trainer = self.start(
        data, rows, hparams, self._trained(network, hparams),
        trainer_lib.Recipe(
            trainer_lib.ADAM, hparams.batch,
            trainer_lib.CONSTANT, frozen_statistics=True,
            weight_decay=_WEIGHT_DECAY))
    inputs, order = data.images.inputs(), (seed, tuned.ORDER)
    batch = min(hparams.batch, len(rows))

    def scales(epoch, trainer):
      first = trainer_lib.order_of(rows, order, epoch)
      batches = [first[i * batch:(i + 1) * batch] for i in range(
          min(_BATCHES, len(rows) // batch))]
      return self._scales(grid.tuning, [
          trainer.gradients(inputs[b], data.labels[b]) for b in batches],
          trainer.values)

    self.run(trainer, data, rows, hparams, seed, run,
             scales if self._scales else None)
    return tuned.NetworkPredictor(trainer, {})

  _scales = None

  def _trained(self, network, hparams):
    del hparams
    return [i for i, norm in enumerate(network.is_norm) if not norm]


class Surgical(_Surgical):
  """One block and the head."""

  name = 'surgical'

  def complete(self, data, folds, grid, seed):
    blocks = data.images.network().backbone.blocks
    wanted = grid.tuning.blocks or tuple(blocks)
    unknown = [b for b in wanted if b not in blocks]
    if unknown or not wanted:
      raise errors.InputError(
          f'backbone {data.images.network().backbone.name} has no block '
          f'{", ".join(unknown)}; it has {", ".join(blocks) or "none"}')
    return [dataclasses.replace(h, block=b)
            for b in wanted
            for h in super(Surgical, self).complete(data, folds, grid, seed)]

  def _trained(self, network, hparams):
    return network.block(hparams.block)


class AutoRgn(_Surgical):
  """A learning rate a tensor, by relative gradient norm."""

  name = 'auto_rgn'

  def _scales(self, tuning, gradients, values):
    del tuning
    return relative_gradient_norms(gradients, values)


class AutoSnr(_Surgical):
  """Tensors with a low signal-to-noise ratio are frozen."""

  name = 'auto_snr'

  def _scales(self, tuning, gradients, values):
    del values
    ratio = signal_to_noise(gradients, tuning.snr)
    threshold = tuning.snr_threshold
    if threshold is None:
      threshold = _THRESHOLDS[tuning.snr]
    return (ratio >= threshold).astype(np.float32)
