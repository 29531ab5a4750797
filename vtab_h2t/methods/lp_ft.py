"""LP-FT: linear probing, then fine-tuning from its head (Kumar et al., 2022).

The probe is l2-regularised logistic regression on the frozen embedding, scaled
by one mean and one standard deviation that are folded back into the head; its
inverse regularisation C is chosen by validation among 50 values, ties to the
smallest. Fine-tuning starts from that head, without its penalty, by SGD with
momentum, a cosine by epoch, batches of 64, and batch norms that use their
running statistics and leave them alone. Learning rate and epoch are chosen by
validation accuracy; epoch 0, the probe itself, is one of them.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from vtab_h2t.heads import counting
from vtab_h2t.heads import logistic
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

C_PATH = tuple(float(c) for c in np.logspace(-7, 2, 50))
_ITERATIONS, _TOLERANCE = 200, 1e-4  # The protocol's.


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
  """A linear head `[C, E]` with its bias `[C]`, for unscaled features."""

  kernel: np.ndarray
  bias: np.ndarray

  def predict(self, features: np.ndarray) -> np.ndarray:
    """Classes of features `[n, E]`."""
    return (features @ self.kernel.T + self.bias).argmax(axis=1)


def probe_path(
  features: np.ndarray, labels: np.ndarray, classes: int, path: Sequence[float]
) -> list[Probe]:
  """Logistic regressions along an ascending path of C, warm-started.

  Args:
    features: float `[n, E]`.
    labels: integers `[n]`.
    classes: number of classes; those without an example get zeros.
    path: values of C.
  """
  mean, std = float(features.mean()), float(features.std()) or 1.0
  solutions = logistic.path(
    (features - mean) / std,
    labels,
    classes,
    path,
    iterations=_ITERATIONS,
    tolerance=_TOLERANCE,
  )
  return [
    Probe(
      (kernel / std).astype(np.float32),
      (bias - mean / std * kernel.sum(axis=1)).astype(np.float32),
    )
    for kernel, bias in solutions
  ]


def choose_c(
  data: data_lib.TrainingData, folds: Sequence[interface.Fold]
) -> float:
  """The C with the most correct answers over folds; ties to the smallest."""
  correct = np.zeros(len(C_PATH), np.int64)
  for fold in folds:
    probes = probe_path(
      data.embedding(fold.train), data.labels[fold.train], data.classes, C_PATH
    )
    held_out = data.embedding(fold.val)
    correct += [
      counting.correct(p.predict(held_out), data.labels[fold.val])
      for p in probes
    ]
  return C_PATH[int(correct.argmax())]


def probe(
  data: data_lib.TrainingData, examples: np.ndarray, c: float | None
) -> Probe:
  """The probe on examples; without C, it is chosen on their last fifth."""
  if c is None:
    cut = len(examples) * 4 // 5
    c = choose_c(data, [interface.Fold(0, examples[:cut], examples[cut:])])
  (result,) = probe_path(
    data.embedding(examples), data.labels[examples], data.classes, [c]
  )
  return result


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(tuned.EpochSetting):
  """Of what starts from the probe.

  Attributes:
    coefficient: the probe's C; None where it is chosen on the training set.
  """

  coefficient: float | None = None


class FromProbe(tuned.ByEpochs):
  """What starts from the probe's head; a setting's coefficient is its C."""

  def candidates(self, space: space_lib.Space) -> Sequence[Any]:
    return [Setting(**dataclasses.asdict(c)) for c in super().candidates(space)]

  def complete(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Sequence[Any]:
    del seed
    if not folds:  # The probe then chooses for itself.
      return self.candidates(space)
    c = tuned.networks_of(data).once(
      ('c', tuple(f.number for f in folds)), lambda: choose_c(data, folds)
    )
    return [
      dataclasses.replace(s, coefficient=c) for s in self.candidates(space)
    ]

  def at_probe(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    trained: Sequence[int],
    recipe: trainer_lib.Recipe,
  ) -> trainer_lib.Trainer:
    """A trainer with pretrained weights and the probe's head."""
    networks = tuned.networks_of(data)
    network = networks.network()
    network.reset()
    c = setting.coefficient
    head = networks.once(
      ('probe', examples.tobytes(), c), lambda: probe(data, examples, c)
    )
    size = data.num_features(None)
    trainer = network.trainer(
      readout_lib.Embedding(network.backbone.embedding, size, False),
      (size, data.classes),
      trained,
      recipe,
    )
    trainer.start([(head.kernel, head.bias)])
    return trainer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.EpochOptions):
  """Of `lp_ft` (Kumar et al., 2022)."""

  learning_rates: tuple[float, ...] = (3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4)
  epochs: tuple[int, ...] = (20,)
  batch: int = 64


class LpFt(FromProbe):
  """Linear probing, then fine-tuning."""

  name = 'lp_ft'
  options_type = Options

  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    options: Options,
    seed: int,
  ) -> tuned.Start:
    del options, seed
    everything = range(len(tuned.networks_of(data).network().variables))
    trainer = self.at_probe(
      data,
      examples,
      setting,
      everything,
      trainer_lib.Recipe(
        batch=setting.batch,
        schedule=trainer_lib.COSINE_BY_EPOCH,
        frozen_statistics=True,
      ),
    )
    return tuned.Start(trainer=trainer)
