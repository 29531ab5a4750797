"""LP-FT: linear probing, then fine-tuning from its head (Kumar et al., 2022).

The probe is l2-regularised logistic regression on the frozen embedding, scaled
by one mean and one standard deviation that are folded back into the head; its
inverse regularisation C is chosen by validation among 50 values, ties to the
smallest. Fine-tuning starts from that head, without its penalty, by SGD with
momentum, a cosine by epoch, batches of 64, and batch norms that use their
running statistics and leave them alone.
"""

from collections.abc import Sequence
import dataclasses
import warnings

import numpy as np

from vtab_h2t.methods import base
from vtab_h2t.methods import readout as readout_lib
from vtab_h2t.methods import trainer as trainer_lib
from vtab_h2t.methods import tuned

C_PATH = tuple(float(c) for c in np.logspace(-7, 2, 50))
_ITERATIONS = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
  """A linear head `[C, E]` with its bias `[C]`, for unscaled features."""

  kernel: np.ndarray
  bias: np.ndarray

  def predict(self, features: np.ndarray) -> np.ndarray:
    """Classes of features `[n, E]`."""
    return (features @ self.kernel.T + self.bias).argmax(axis=1)


def probe_path(features: np.ndarray, labels: np.ndarray, classes: int,
               path: Sequence[float]) -> list[Probe]:
  """Logistic regressions along an ascending path of C, warm-started.

  Args:
    features: float `[n, E]`.
    labels: integers `[n]`.
    classes: number of classes; those without an example get zeros.
    path: values of C.
  """
  from sklearn import exceptions
  from sklearn import linear_model
  import threadpoolctl
  mean, std = float(features.mean()), float(features.std()) or 1.0
  scaled = (features - mean) / std
  present = np.unique(labels)
  if len(present) == 1:  # Nothing to separate: always that class.
    bias = np.zeros(classes, np.float32)
    bias[present] = 1
    return [Probe(np.zeros((classes, features.shape[1]), np.float32), bias)
            for _ in path]
  model = linear_model.LogisticRegression(
      max_iter=_ITERATIONS, warm_start=True)
  found = []
  for c in path:
    model.C = c
    # 200 iterations are the protocol. Matrices are so small that a second
    # thread only waits for the first: one is twice as fast.
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
      warnings.simplefilter('ignore', exceptions.ConvergenceWarning)
      model.fit(scaled, labels)
    weights, intercept = model.coef_, model.intercept_
    if len(present) == 2:  # One row stands for both classes.
      weights = np.concatenate([-weights, weights]) / 2
      intercept = np.concatenate([-intercept, intercept]) / 2
    kernel = np.zeros((classes, features.shape[1]))
    bias = np.zeros(classes)
    kernel[present] = weights / std
    bias[present] = intercept - mean / std * weights.sum(axis=1)
    found.append(Probe(kernel.astype(np.float32), bias.astype(np.float32)))
  return found


def embedding(data: base.TrainingData, rows: np.ndarray) -> np.ndarray:
  """The frozen embedding of some examples, as it is, `[len(rows), E]`."""
  block, = data.features.blocks(None)
  return np.asarray(block[rows], np.float32)


def choose_c(data: base.TrainingData, folds: Sequence[base.Fold]) -> float:
  """The C with the most correct answers over folds; ties to the smallest."""
  correct = np.zeros(len(C_PATH), np.int64)
  for fold in folds:
    probes = probe_path(embedding(data, fold.train_rows),
                        data.labels[fold.train_rows], data.classes, C_PATH)
    held_out = embedding(data, fold.val_rows)
    correct += [int((p.predict(held_out) == data.labels[fold.val_rows]).sum())
                for p in probes]
  return C_PATH[int(correct.argmax())]


def probe(data: base.TrainingData, rows: np.ndarray, c: float | None) -> Probe:
  """The probe on rows; without C, it is chosen on the last fifth of them."""
  if c is None:
    cut = len(rows) * 4 // 5
    c = choose_c(data, [base.Fold(0, rows[:cut], rows[cut:])])
  result, = probe_path(embedding(data, rows), data.labels[rows], data.classes,
                       [c])
  return result


class FromProbe(tuned.Tuned):
  """What starts from the probe's head; a candidate's coefficient is its C."""

  batch = 64

  def complete(self, data, folds, grid, seed):
    del seed
    if not folds:  # The probe then chooses for itself.
      return self.candidates(grid)
    c = data.once(('c', tuple(f.number for f in folds)),
                  lambda: choose_c(data, folds))
    return [dataclasses.replace(h, coefficient=c)
            for h in self.candidates(grid)]

  def start(self, data, rows, hparams, trained, recipe) -> trainer_lib.Trainer:
    """A trainer with pretrained weights and the probe's head."""
    network = data.images.network()
    network.reset()
    c = hparams.coefficient
    head = data.once(('probe', rows.tobytes(), c),
                     lambda: probe(data, rows, c))
    size = data.num_features(None)
    trainer = network.trainer(
        readout_lib.Embedding(network.backbone.embedding, size, False),
        (size, data.classes), trained, recipe)
    trainer.start([(head.kernel, head.bias)])
    return trainer


class LpFt(FromProbe):
  """Linear probing, then fine-tuning."""

  name = 'lp_ft'

  def learning_rates(self, tuning):
    return tuning.lp_ft_learning_rates

  def train(self, data, rows, hparams, grid, seed, run):
    everything = range(len(data.images.network().variables))
    trainer = self.start(data, rows, hparams, everything, trainer_lib.Recipe(
        batch=hparams.batch,
        schedule=trainer_lib.COSINE_BY_EPOCH, frozen_statistics=True))
    self.run(trainer, data, rows, hparams, seed, run)
    return tuned.NetworkPredictor(trainer, {})
