"""How long to probe before fine-tuning (Ren et al., 2023).

The head is trained for tau epochs on the frozen embedding, then everything is
fine-tuned from it; tau 0 is fine-tuning, a large one LP-FT. The paper holds
that neither is best; tau, learning rate and the epoch of fine-tuning are chosen
by validation accuracy. Grids, rates, smoothing and widths are this project's:
the paper's are not known to it.

What is measured beside accuracy, on the training images, by the network that is
tuned, in inference mode:

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
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.heads import adam
from vtab_h2t.heads import initial
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

if TYPE_CHECKING:
  import tensorflow as tf

_PROBE_RATE = 0.01  # Of Adam, as Linear's lower one.


def average_initial_energy(logits: np.ndarray, labels: np.ndarray) -> float:
  """Mean l2 norm of onehot(labels) - softmax(logits), `[n, C]`; 0 to sqrt 2."""
  p = np.exp(logits - logits.max(axis=1, keepdims=True))
  p /= p.sum(axis=1, keepdims=True)
  p[np.arange(len(labels)), labels] -= 1
  return float(np.linalg.norm(p, axis=1).mean())


def head_norm(head: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
  """Frobenius norm of the kernels of a head's layers."""
  return float(np.sqrt(sum((kernel**2).sum() for kernel, _ in head)))


def adaptation(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
  """How features `[n, E]` moved; see above.

  1 - cos is half the squared distance of unit vectors: in this form it is
  exactly 0 where nothing moved. Zero features stay zero at unit norm, so that
  they count as 0.5 from all others, although they have no angle.
  """

  def unit(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, 1e-12)

  apart = unit(after) - unit(before)
  return {
    'adaptation_l2': float(np.linalg.norm(after - before, axis=1).mean()),
    'adaptation_cos': float((apart**2).sum(axis=1).mean() / 2),
    'adaptation_dot': float((before * after).sum(axis=1).mean()),
    'adaptation_norm': float(np.linalg.norm(after, axis=1).mean()),
  }


def probe_heads(
  features: np.ndarray,
  labels: np.ndarray,
  sizes: Sequence[int],
  taus: Sequence[int],
  smoothing: float,
  batch: int,
  seed: int,
  rate: float = _PROBE_RATE,
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
    rate: Adam's learning rate.

  Returns:
    For each tau the layers, as `initial.layers` gives them.
  """
  import tensorflow as tf

  start = initial.layers(sizes, (seed, interface.HEAD))
  layers = [(tf.Variable(k), tf.Variable(b)) for k, b in start]
  variables = [v for layer in layers for v in layer]
  slots = [
    (tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v)))
    for v in variables
  ]
  targets = np.eye(sizes[-1], dtype=np.float32)[labels]
  targets = targets * (1 - smoothing) + smoothing / sizes[-1]

  @tf.function(
    input_signature=[
      tf.TensorSpec([None, sizes[0]], tf.float32),
      tf.TensorSpec([None, sizes[-1]], tf.float32),
      tf.TensorSpec([], tf.float32),
    ]
  )
  def step(x: 'tf.Tensor', y: 'tf.Tensor', number: 'tf.Tensor') -> None:
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(
          y, readout_lib.apply_head(x, layers)
        )
      )
    for v, slot, g in zip(variables, slots, tape.gradient(loss, variables)):
      adam.apply(v, *slot, g, rate, number)

  kept, number = {}, 0
  examples = np.arange(len(labels))
  for epoch in range(max(taus) + 1):
    if epoch in taus:
      kept[epoch] = [(k.numpy(), b.numpy()) for k, b in layers]
    if epoch < max(taus):
      for chosen in trainer_lib.batches(
        examples, batch, (seed, interface.HEAD), epoch
      ):
        number += 1
        step(features[chosen], targets[chosen], np.float32(number))
  return kept


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.EpochOptions):
  """Of `head_probe`.

  Of 1000 images in batches of 128, 63 epochs are the 500 steps of fine-tuning.

  Attributes:
    optimizer: of the fine-tuning: 'sgd' (momentum 0.9) or 'adam'.
    taus: epochs of probing to choose from.
    smoothing: of the labels while probing, 0 to 1.
    hidden: units of the head's hidden layer; 0 for a linear head.
  """

  epochs: tuple[int, ...] = (63,)
  optimizer: str = trainer_lib.SGD
  taus: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64, 128)
  smoothing: float = 0.1
  hidden: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(tuned.EpochSetting):
  """Of `head_probe`.

  Attributes:
    tau: epochs of probing before fine-tuning.
  """

  tau: int


class HeadProbe(tuned.ByEpochs):
  """tau epochs of probing, then everything."""

  name = 'head_probe'
  options_type = Options

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    taus = space_lib.require(self.name, 'tau', space.of(self.name).taus)
    found = [
      Setting(**dataclasses.asdict(setting), tau=tau)
      for setting, tau in itertools.product(super().candidates(space), taus)
    ]
    return tuned.earlier_epochs_first(
      sorted(found, key=lambda s: (s.epochs, s.tau))
    )

  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    options: Options,
    seed: int,
  ) -> tuned.Start:
    networks = tuned.networks_of(data)
    network, inputs = networks.network(), networks.inputs()
    network.reset()
    size = data.num_features(None)
    hidden = (options.hidden,) if options.hidden else ()
    sizes = (size, *hidden, data.classes)
    trainer = network.trainer(
      readout_lib.Embedding(network.backbone.embedding, size, False),
      sizes,
      range(len(network.variables)),
      trainer_lib.Recipe(optimizer=options.optimizer, batch=setting.batch),
    )
    # By the layers that also compute what it becomes; the store's features may
    # differ by rounding.
    before = networks.once(
      ('embedding', examples.tobytes()),
      lambda: trainer.embed(inputs[examples]),
    )
    labels = data.labels[examples]
    # Of all that are tried, as one probing passes through each.
    taus = tuple(sorted({*options.taus, setting.tau}))
    head = networks.once(
      ('heads', examples.tobytes(), sizes, taus, options.smoothing)
      + (setting.batch, seed),
      lambda: probe_heads(
        before,
        labels,
        sizes,
        taus,
        options.smoothing,
        setting.batch,
        seed,
      ),
    )[setting.tau]
    trainer.start(head)

    def measure() -> dict[str, float]:
      logits = readout_lib.apply_head(before, head).numpy()
      return adaptation(before, trainer.embed(inputs[examples])) | {
        'aie': average_initial_energy(logits, labels),
        'head_norm': head_norm(head),
      }

    return tuned.Start(trainer=trainer, measure=measure)
