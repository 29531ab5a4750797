"""How long to probe before fine-tuning (Ren et al., 2023).

The head is trained for tau epochs on the frozen embedding, then everything is
fine-tuned from it; tau 0 is fine-tuning, a large one LP-FT. The paper holds
that neither is best; tau is chosen by validation. Grids, rates, smoothing and
widths are this project's: the paper's were not at hand.

What is measured beside accuracy, on the training images in inference mode:

  aie             mean |onehot(y) - softmax(logits)| just before fine-tuning,
                  0 to sqrt(2): the average initial energy
  adaptation_l2   mean |z' - z| of the embedding z, before and after
  adaptation_cos  mean 1 - cos(z', z)
  adaptation_dot  mean z' . z
  adaptation_norm mean |z'|
  head_norm       Frobenius norm of the head's kernels before fine-tuning
"""

from collections.abc import Sequence
import dataclasses
import itertools

import numpy as np

from vtab_h2t.methods import base
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import readout as readout_lib
from vtab_h2t.methods import trainer as trainer_lib
from vtab_h2t.methods import tuned

_PROBE_RATE = 0.01  # Of Adam, as Linear's lower one.


def average_initial_energy(logits: np.ndarray, labels: np.ndarray) -> float:
  """Mean l2 norm of onehot(labels) - softmax(logits), `[n, C]`; 0 to sqrt 2."""
  p = np.exp(logits - logits.max(axis=1, keepdims=True))
  p /= p.sum(axis=1, keepdims=True)
  p[np.arange(len(labels)), labels] -= 1
  return float(np.linalg.norm(p, axis=1).mean())


def adaptation(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
  """How features `[n, E]` moved; see above. Zero features have cosine 0."""
  dot = (before * after).sum(axis=1)
  norms = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
  cosine = dot / np.maximum(norms[0] * norms[1], 1e-12)
  return {
      'adaptation_l2': float(np.linalg.norm(after - before, axis=1).mean()),
      'adaptation_cos': float((1 - cosine).mean()),
      'adaptation_dot': float(dot.mean()),
      'adaptation_norm': float(norms[1].mean()),
  }


def probe_heads(features: np.ndarray, labels: np.ndarray,
                sizes: Sequence[int], taus: Sequence[int], smoothing: float,
                batch: int, seed: int
                ) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
  """Trains a head and keeps it after each of some numbers of epochs.

  Args:
    features: float32 `[n, E]`.
    labels: int64 `[n]`.
    sizes: of the head's input, hidden layers and output.
    taus: numbers of epochs.
    smoothing: share of the target that is spread over all classes.
    batch: examples in a step.
    seed: of the initial head and the order.

  Returns:
    For each tau the layers, as `readout.glorot` gives them.
  """
  import tensorflow as tf
  start = readout_lib.glorot(sizes, (seed, tuned.HEAD))
  layers = [(tf.Variable(k), tf.Variable(b)) for k, b in start]
  variables = [v for layer in layers for v in layer]
  slots = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v)))
           for v in variables]
  targets = np.eye(sizes[-1], dtype=np.float32)[labels]
  targets = targets * (1 - smoothing) + smoothing / sizes[-1]

  @tf.function(reduce_retracing=True)
  def step(x, y, number):
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(
          y, readout_lib.apply_head(x, layers)))
    for v, slot, g in zip(variables, slots, tape.gradient(loss, variables)):
      trainer_lib.apply_adam(v, slot, g, _PROBE_RATE, number)

  kept, number = {}, 0
  rows = np.arange(len(labels))
  batch = min(batch, len(rows))
  for epoch in range(max(taus) + 1):
    if epoch in taus:
      kept[epoch] = [(k.numpy(), b.numpy()) for k, b in layers]
    if epoch < max(taus):
      order = trainer_lib.order_of(rows, (seed, tuned.HEAD), epoch)
      for i in range(len(rows) // batch):
        number += 1
        chosen = order[i * batch:(i + 1) * batch]
        step(features[chosen], targets[chosen], np.float32(number))
  return kept


class HeadProbe(tuned.Tuned):
  """tau epochs of probing, then everything."""

  name = 'head_probe'
  batch = 128

  def candidates(self, grid):
    found = [dataclasses.replace(h, tau=tau)
             for h, tau in itertools.product(
                 super().candidates(grid), grid.tuning.taus)]
    return sorted(found, key=lambda h: (h.steps, h.tau))

  def train(self, data, rows, hparams, grid, seed, run):
    tuning, network = grid.tuning, data.images.network()
    network.reset()
    size = data.num_features(None)
    hidden = (tuning.hidden,) if tuning.hidden else ()
    sizes = (size, *hidden, data.classes)
    before = lp_ft.embedding(data, rows)
    head = probe_heads(before, data.labels[rows], sizes, [hparams.tau],
                       tuning.smoothing, hparams.batch, seed)[hparams.tau]
    trainer = network.trainer(
        readout_lib.Embedding(network.backbone.embedding, size, False), sizes,
        range(len(network.variables)),
        trainer_lib.Recipe(tuning.optimizer, hparams.batch))
    trainer.start(head)
    inputs = data.images.inputs()
    logits = readout_lib.apply_head(before, head).numpy()
    self.run(trainer, data, rows, hparams, seed, run)
    measures = adaptation(before, trainer.embed(inputs[rows]))
    measures |= {
        'aie': average_initial_energy(logits, data.labels[rows]),
        'head_norm': float(np.sqrt(sum((k ** 2).sum() for k, _ in head)))}
    return tuned.NetworkPredictor(trainer, measures)
