"""How the features move with the head's initial energy (Ren et al., 2023).

A head is trained on the frozen embedding for tau epochs (`methods.head_probe`),
then the whole network is fine-tuned from it: for **every** tau, whatever it
gives, with one learning rate, number of steps and order of the images. Batch
norms stay in inference mode, so that features move by gradients alone. The
labels are not smoothed. Taus, rates and widths are this project's; the paper's
are not known to it.

On the training images just before fine-tuning:

  probe_correct, probe_total, probe_loss
                    of the head after tau epochs
  aie               average initial energy, 0 to sqrt 2
  feature_gradient  mean norm of the gradient of an image's loss by its
                    embedding
  head_norm         Frobenius norm of the head's kernels
  head_spectral     largest singular value of the kernel that reads the
                    embedding
  start_norm, start_square
                    mean |z| and |z|^2 of the embedding: what norm and dot
                    product are where nothing moves

and after it `train_correct`, `train_loss`, whether that is at most the
`common_loss` (`reached`), and how far the embedding of the training images
moved (`train_adaptation_*`). Of the test images the unit tells that.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
from typing import Any

import numpy as np

from vtab_h2t.heads import counting
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import interface
from vtab_h2t.methods import tuned
from vtab_h2t.studies import companion
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_Head = list[tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.Options):
  """Of the study.

  Attributes:
    learning_rates: the one of fine-tuning.
    steps: of fine-tuning, a cosine.
    taus: epochs of probing.
    probe_learning_rate: of probing, by Adam.
    hidden: units of the head's hidden layer, 0 for a linear head.
    common_loss: mean training loss in nats that fine-tuning should reach.
  """

  learning_rates: tuple[float, ...] = (1e-3,)
  batch: int = 64
  steps: int = 128
  taus: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64)
  probe_learning_rate: float = 1e-3
  hidden: tuple[int, ...] = (0, 512)
  common_loss: float = 0.1


class HeadProbeEnergy(companion.Study):
  """Every tau."""

  name = 'head_probe_energy'
  options_type = Options
  moves = True

  def measure(
    self, data: data_lib.TrainingData, plan: interface.Plan
  ) -> Iterator[tuple[interface.Fields, data_lib.TrainedLater]]:
    options = plan.space.of(self.name)
    (rate,) = options.learning_rates
    for seed in plan.seeds:
      for hidden in options.hidden:
        for tau in options.taus:
          yield (
            {
              'tau': tau,
              'hidden': hidden,
              'seed': seed,
              'learning_rate': rate,
              'steps': options.steps,
              'batch': options.batch,
              'smoothing': 0.0,
              'common_loss': options.common_loss,
            },
            functools.partial(
              _tuned, data, plan.examples, tau, hidden, options, seed
            ),
          )


def _tuned(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  tau: int,
  hidden: int,
  options: Options,
  seed: int,
) -> data_lib.TrainedNetwork:
  """The network that was fine-tuned from the head after tau epochs.

  Raises:
    trainer.DivergedError: the loss or a weight is not finite.
  """
  networks, network = tuned.networks_of(data), companion.network_of(data)
  labels = data.labels[examples]
  network.reset()
  before = networks.once(
    ('embedded', examples.tobytes()),
    lambda: network.embed(networks.inputs()[examples]),
  )
  layers = (hidden,) if hidden else ()
  sizes = (before.shape[1], *layers, data.classes)
  heads = networks.once(
    ('heads', examples.tobytes(), sizes, options, seed),
    lambda: head_probe.probe_heads(
      before,
      labels,
      sizes,
      options.taus,
      0.0,
      options.batch,
      seed,
      options.probe_learning_rate,
    ),
  )
  head = heads[tau]
  trainer = companion.trainer_of(
    data,
    companion.everything(data),
    trainer_lib.Recipe(batch=options.batch, frozen_statistics=True),
    layers,
  )
  trainer.start(head)
  trainer.run(
    networks.inputs(),
    data.labels,
    examples,
    options.learning_rates[0],
    options.steps,
    (seed, interface.ORDER),
    tell=networks.tell,
  )
  after = network.embed(networks.inputs()[examples])
  logits = readout_lib.apply_head(after, trainer.head).numpy()
  loss = companion.mean_loss(logits, labels)
  return data_lib.TrainedNetwork(
    trainer,
    {
      **at_start(before, labels, head),
      'train_correct': counting.correct(logits.argmax(axis=1), labels),
      'train_loss': loss,
      'reached': loss <= options.common_loss,
      **{
        f'train_{name}': value
        for name, value in head_probe.adaptation(before, after).items()
      },
    },
  )


def at_start(
  features: np.ndarray, labels: np.ndarray, head: _Head
) -> dict[str, Any]:
  """What is known of a head before fine-tuning; see above.

  Args:
    features: the embedding of the training images, float32 `[n, E]`.
    labels: int64 `[n]`.
    head: kernel `[out, in]` and bias `[out]` of each layer.
  """
  logits = readout_lib.apply_head(features, head).numpy()
  norms = np.linalg.norm(features, axis=1)
  return {
    'probe_correct': counting.correct(logits.argmax(axis=1), labels),
    'probe_total': len(labels),
    'probe_loss': companion.mean_loss(logits, labels),
    'aie': head_probe.average_initial_energy(logits, labels),
    'feature_gradient': float(
      np.linalg.norm(feature_gradients(features, labels, head), axis=1).mean()
    ),
    'head_norm': head_probe.head_norm(head),
    'head_spectral': float(np.linalg.norm(head[0][0], 2)),
    'start_norm': float(norms.mean()),
    'start_square': float((norms**2).mean()),
  }


def feature_gradients(
  features: np.ndarray, labels: np.ndarray, head: Sequence[readout_lib.Layer]
) -> np.ndarray:
  """The gradient of each image's loss by its embedding, `[n, E]`."""
  import tensorflow as tf

  x = tf.constant(features)
  with tf.GradientTape() as tape:
    tape.watch(x)
    loss = tf.reduce_sum(
      tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=readout_lib.apply_head(x, head)
      )
    )
  return tape.gradient(loss, x).numpy()
