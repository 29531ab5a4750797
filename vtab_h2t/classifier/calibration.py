"""Probabilities that mean what they say.

A head that was trained until its training images are right is too sure of
others. One number, the temperature, by which logits are divided, mends most of
that (Guo et al., On Calibration of Modern Neural Networks, ICML 2017); it
changes no answer. It is fitted on images that heads were trained without, and
used only if it is known to help: of few images it may be far off, and then
probabilities are better left as they are.
"""

from collections.abc import Sequence
import dataclasses
from typing import Self, TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import intervals

if TYPE_CHECKING:
  import pandas as pd

BINS = 15  # Of the expected calibration error, as Guo et al. have it.
# Temperatures beyond these are of logits that say nothing, or all.
LOWEST, HIGHEST = 0.01, 100.0
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)

_PARTS = 5  # Of the images, for judging a temperature on others.
_ROWS = 8192  # Of logits that are looked at together.
_DRAWS = 200


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
  """What logits are to be divided by before the softmax.

  The one that is `fitted` where it is known to help, that is, where the whole
  95 % interval of its `gain` is above 0; else 1. So where probabilities are
  true as they are, they are changed in one of forty cases at most. The
  calibration error does not decide, as it is little but chance on few images,
  and the more so the more probabilities differ.

  Args:
    logits: float `[m, C]`, of images that the heads were trained without.
    labels: int `[m]`, below C.
  """
  if gain(logits, labels).low <= 0:
    return 1.0
  return fitted(logits, labels)


@dataclasses.dataclass(frozen=True)
class Gain:
  """By how much a temperature makes the labels of other images more likely.

  Attributes:
    mean: in nats an image.
    low, high: its 95 % interval.
  """

  mean: float
  low: float
  high: float


def gain(logits: np.ndarray, labels: np.ndarray) -> Gain:
  """What is gained by a temperature, on images that it was not fitted on.

  That is the difference of the logarithm of each label's probability, with a
  temperature of the other images (see `cross_fitted`) and without one: a proper
  score, so that nothing but truer probabilities raises its mean. The interval
  is Student's, of the pairs. As when it is fitted, one further image with a
  random label is assumed, without which a classifier that made no mistake
  would seem certain of its gain.

  Args:
    logits: float `[m, C]`.
    labels: int `[m]`.
  """
  if len(labels) < 2:
    return Gain(0.0, 0.0, 0.0)
  found = np.zeros(len(labels) + 1)
  for p, sign in (
    (probabilities(logits, 1.0), -1),
    (cross_fitted(logits, labels), 1),
  ):
    logs = np.log(np.maximum(p, np.finfo(np.float32).tiny).astype(float))
    own = logs[np.arange(len(labels)), labels]
    found += sign * np.append(own, logs.mean())
  low, high = intervals.student(found)
  return Gain(float(found.mean()), low, high)


def fitted(logits: np.ndarray, labels: np.ndarray) -> float:
  """The temperature that makes labels most likely.

  As in Platt's scaling, the labels are
  taken with a grain of doubt: one further image is assumed whose label was
  drawn at random. So answers that are all right do not become certainties, and
  the fewer images there are, the less so.

  Args:
    logits: float `[m, C]`, of images that the heads were trained without.
    labels: int `[m]`, below C.

  Returns:
    Between `LOWEST` and `HIGHEST`; 1 where there is nothing to fit it on.
  """
  from scipy import optimize

  if not len(labels) or not np.ptp(logits, axis=1).any():
    return 1.0
  found = optimize.minimize_scalar(
    lambda log: _loss(logits, labels, np.exp(-log)),
    bounds=(np.log(LOWEST), np.log(HIGHEST)),
    method='bounded',
    options={'xatol': 1e-8},
  )
  return float(np.exp(found.x))


def _loss(logits: np.ndarray, labels: np.ndarray, factor: float) -> float:
  """Negative log-likelihood, in nats, of the labels and of the further one."""
  total = 0.0
  doubt = 1 / len(labels)
  for first in range(0, len(labels), _ROWS):
    part = slice(first, first + _ROWS)
    z = factor * logits[part].astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    norm = np.log(np.exp(z).sum(axis=1))
    total += (norm - z[np.arange(len(z)), labels[part]]).sum()
    total += doubt * (norm - z.mean(axis=1)).sum()
  return float(total)


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
  """Float32 `[m, C]` of logits `[m, C]`, whose rows have the sum 1."""
  z = logits.astype(np.float32) / np.float32(temperature)
  z -= z.max(axis=1, keepdims=True)
  np.exp(z, out=z)
  z /= z.sum(axis=1, keepdims=True)
  return z


def cross_fitted(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Probabilities whose temperature never saw the label that it is judged by.

  The images are dealt into five parts, with a fixed seed; each part's
  temperature is fitted on the others.

  Args:
    logits: float `[m, C]`.
    labels: int `[m]`.

  Returns:
    Float32 `[m, C]`.
  """
  part = np.random.default_rng(0).permutation(len(labels)) % _PARTS
  found = np.empty(logits.shape, np.float32)
  for i in range(_PARTS):
    its, others = part == i, part != i
    found[its] = probabilities(
      logits[its], fitted(logits[others], labels[others])
    )
  return found


def reliability(
  confidence: np.ndarray, correct: np.ndarray, bins: int = BINS
) -> 'pd.DataFrame':
  """How often answers are right that are given with about one probability.

  Args:
    confidence: of each answer, `[m]`, 0 to 1.
    correct: whether it is right, `[m]`.
    bins: of equal width.

  Returns:
    A line for each bin that has images, with `from` and `to`, `images`, their
    mean `confidence`, `accuracy` and its interval, `low` to `high`.
  """
  import pandas as pd

  place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
  images = np.bincount(place, minlength=bins)
  right = np.bincount(place, correct.astype(float), minlength=bins)
  sure = np.bincount(place, confidence.astype(float), minlength=bins)
  low, high = intervals.wilson(right, images)
  there = np.flatnonzero(images)
  return pd.DataFrame(
    {
      'from': there / bins,
      'to': (there + 1) / bins,
      'images': images[there],
      'confidence': sure[there] / images[there],
      'accuracy': right[there] / images[there],
      'low': low[there],
      'high': high[there],
    }
  )


def calibration_error(table: 'pd.DataFrame') -> float:
  """The expected calibration error of what `reliability` gives, 0 to 1."""
  if not len(table):
    return float('nan')
  distance = (table.accuracy - table.confidence).abs()
  return float((table.images * distance).sum() / table.images.sum())


def error_by_chance(confidence: np.ndarray, bins: int = BINS) -> float:
  """The calibration error that true probabilities have on so many images.

  It is above 0, because a bin of few images is not right exactly as often as it
  should be; the mean of draws with a fixed seed.
  """
  rng = np.random.default_rng(0)
  found = [
    calibration_error(
      reliability(confidence, rng.random(len(confidence)) < confidence, bins)
    )
    for _ in range(_DRAWS)
  ]
  return float(np.mean(found))


@dataclasses.dataclass(frozen=True)
class Errors:
  """Expected calibration errors of held-out answers, 0 to 1.

  Attributes:
    before: without a temperature.
    after: with one that was fitted on other images; as before if none is used.
    before_by_chance: that of true probabilities on so few images, if they were
      those without a temperature.
    by_chance: the same with one. It is larger the more probabilities differ,
      so that before and after are each to be held against their own.
  """

  before: float
  after: float
  before_by_chance: float
  by_chance: float


@dataclasses.dataclass(frozen=True, eq=False)
class Scaled:
  """Held-out answers without a temperature, and with one of other images.

  Attributes:
    correct: whether each answer is right, `[m]`.
    before: probability of each answer without a temperature, `[m]`.
    after: with one; see `cross_fitted`. As before where none is used.
  """

  correct: np.ndarray
  before: np.ndarray
  after: np.ndarray

  @classmethod
  def of(
    cls, logits: np.ndarray, labels: np.ndarray, temperature: float
  ) -> Self:
    """Those of logits, float `[m, C]`, and labels, int `[m]`.

    Args:
      logits: of images that the heads were trained without.
      labels: their classes.
      temperature: that is used.
    """
    before = probabilities(logits, 1.0).max(axis=1)
    return cls(
      logits.argmax(axis=1) == labels,
      before,
      before if temperature == 1 else cross_fitted(logits, labels).max(axis=1),
    )

  def errors(self) -> Errors:
    """Their calibration errors."""
    return Errors(
      calibration_error(reliability(self.before, self.correct)),
      calibration_error(reliability(self.after, self.correct)),
      error_by_chance(self.before),
      error_by_chance(self.after),
    )


def coverage(
  confidence: np.ndarray,
  correct: np.ndarray,
  thresholds: Sequence[float] = THRESHOLDS,
) -> 'pd.DataFrame':
  """What is answered, and how well, if doubtful answers are set aside.

  Args:
    confidence: of each answer, `[m]`, 0 to 1.
    correct: whether it is right, `[m]`.
    thresholds: of the confidence; an answer below is set aside.

  Returns:
    A line for each threshold, with `min_confidence`, `answered` images, their
    `share`, how many of them are `correct`, `accuracy` and its interval, `low`
    to `high` (missing where nothing is answered), and `mistakes_set_aside` of
    all `mistakes_in_all`.
  """
  import pandas as pd

  least = np.asarray(thresholds, float)
  kept = confidence >= least[:, None]
  answered = kept.sum(axis=1)
  right = (kept & correct).sum(axis=1)
  low, high = intervals.wilson(right, answered)
  wrong = int((~correct).sum())
  return pd.DataFrame(
    {
      'min_confidence': least,
      'answered': answered,
      'share': answered / max(1, len(confidence)),
      'correct': right,
      'accuracy': np.where(
        answered > 0, right / np.maximum(answered, 1), np.nan
      ),
      'low': low,
      'high': high,
      'mistakes_set_aside': wrong - (answered - right),
      'mistakes_in_all': wrong,
    }
  )
