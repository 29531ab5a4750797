"""What a method is, and what it is given to learn from."""

import abc
from collections.abc import Callable, Hashable, Mapping, Sequence
import dataclasses
from typing import Any, Protocol, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.features import normalization
from vtab_h2t.features import store as store_lib
from vtab_h2t.heads import sweep
from vtab_h2t.selection import fraction as fraction_lib

if TYPE_CHECKING:
  import tensorflow as tf

  from vtab_h2t.heads import convex
  from vtab_h2t.methods import tuned

# Stages of a method, second part of a head's seed.
FIRST, SECOND = 1, 2

# What solves the group lasso whose head selects features.
ADAM, CONVEX = 'adam', 'convex'
SCORE_SOLVERS = (ADAM, CONVEX)


@dataclasses.dataclass(frozen=True)
class Hparams:
  """One setting of a method; fields that it does not have are None.

  Attributes:
    learning_rate: initial, of Adam.
    steps: optimisation steps.
    target_size: features per tap that pooling aims at.
    coefficient: of the method's penalty.
    fraction: of the features to keep.
    selection_learning_rate, selection_steps: of the head that selects features,
      where the network is then trained with others.
    block: the part of the network that is tuned.
    tau: epochs of probing before fine-tuning.
    batch: images in a step, where the network is trained.
    score_solver: of what selects features; None for Adam.
  """

  learning_rate: float
  steps: int
  target_size: int | None = None
  coefficient: float | None = None
  fraction: float | None = None
  selection_learning_rate: float | None = None
  selection_steps: int | None = None
  block: str | None = None
  tau: int | None = None
  batch: int | None = None
  score_solver: str | None = None

  def as_row(self) -> dict[str, float | str]:
    """The fields that the method has, for a result row."""
    return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}


class Failure(str):
  """Why a setting could not be judged; stands for its correct answers."""


def choose(results: Mapping[Hparams, Sequence[int | Failure]]) -> Hparams:
  """The setting with the most correct answers over all folds.

  Ties go to the first, and candidates are ordered from cheap to dear. One that
  failed on a fold is chosen only if all did.
  """
  def correct(hparams):
    counts = results[hparams]
    failed = any(isinstance(c, Failure) for c in counts)
    return -1 if failed else sum(counts)

  return max(results, key=correct)


class SearchSpace(Protocol):
  """The settings that a grid offers to methods; see `protocol.grids`."""

  learning_rates: Sequence[float]
  steps: Sequence[int]
  target_sizes: Sequence[int]
  fractions: Sequence[float]
  selection_coefficients: Sequence[float]
  score_solver: str
  tuning: 'tuned.Tuning'

  def coefficients(self, penalty: str) -> Sequence[float]:
    ...


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
  """Rows of the train split, in the order of training.

  Attributes:
    number: which of the folds.
    train_rows: rows to train on.
    val_rows: rows to choose hyper-parameters on.
  """

  number: int
  train_rows: np.ndarray
  val_rows: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureHead:
  """A trained predictor that reads pooled features.

  Attributes:
    target_size: which layout it reads; None for the embedding.
    columns: ascending indices of the features it reads, or None for all.
    head: the linear head.
    rule: normalisation rule (`features.normalization`).
  """

  target_size: int | None
  columns: np.ndarray | None
  head: sweep.Head
  rule: str


@dataclasses.dataclass(frozen=True, eq=False)
class Validated:
  """What cross-validating one head gave.

  Attributes:
    correct: correctly classified rows of the fold's val_rows.
    scores: relevance scores `[D]`, for the penalty 'l21' only.
  """

  correct: int
  scores: np.ndarray | None


class TrainingData:
  """Train features and labels, and the heads already trained on them.

  Test examples are not here: nothing that a method sees while it chooses
  reaches them. Heads are kept, so methods that need the same ones share them.

  Attributes:
    features: the store.
    labels: int64 `[n]`.
    classes: number of classes.
    rule: normalisation rule.
    memory_bytes: working memory for training heads.
    images: what methods that train the backbone need besides, or None.
  """

  def __init__(self, features: store_lib.FeatureStore, labels: np.ndarray,
               classes: int, rule: str, memory_bytes: int,
               images: 'tuned.Images | None' = None):
    self.features = features
    self.labels = labels
    self.classes = classes
    self.rule = rule
    self.memory_bytes = memory_bytes
    self.images = images
    self._validated = {}
    self._fitted = {}
    self._once = {}

  def matrix(self, target_size: int | None, rows: np.ndarray,
             columns: np.ndarray | None = None) -> 'tf.Tensor':
    """Normalised features `[len(rows), D]` of a layout, or some columns."""
    return normalization.design_matrix(
        self.features.blocks(target_size), self.features.layouts[target_size],
        rows, columns, self.rule)

  def num_features(self, target_size: int | None) -> int:
    return self.features.layouts[target_size].size

  def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
    """What methods have in common and would otherwise compute again."""
    if key not in self._once:
      self._once[key] = compute()
    return self._once[key]

  def problem(self, target_size: int | None, rows: np.ndarray,
              heads: Sequence[sweep.HeadSpec],
              columns: np.ndarray | None = None,
              groups: tuple[int, ...] | None = None) -> sweep.Problem:
    """Heads on the features of a layout, or on some of its columns."""
    return sweep.Problem(
        lambda: self.matrix(target_size, sweep.pad_rows(rows), columns),
        self.num_features(target_size) if columns is None else len(columns),
        self.labels[rows], heads, groups)

  def train(self, problems: Sequence[sweep.Problem], steps: int,
            penalty: str | None = None):
    """`sweep.train` with this task's classes and memory."""
    return sweep.train(problems, classes=self.classes, steps=steps,
                       penalty=penalty, memory_bytes=self.memory_bytes)

  def count_correct(self, matrix: 'tf.Tensor', rows: np.ndarray,
                    head: sweep.Head) -> int:
    """How many rows a head classifies correctly."""
    logits = logits_of(matrix, head).numpy()
    return int((logits.argmax(axis=1) == self.labels[rows]).sum())

  def validate(self, target_size: int | None, folds: Sequence[Fold],
               heads: Sequence[sweep.HeadSpec], steps: int,
               penalty: str | None) -> list[list[Validated]]:
    """Trains heads on all features of each fold and tests them on its rest.

    Heads given together are trained together; the same call again costs
    nothing.

    Returns:
      For each fold, for each head, the result.
    """
    key = (target_size, tuple(f.number for f in folds), tuple(heads), steps,
           penalty)
    if key not in self._validated:
      problems = [self.problem(target_size, f.train_rows, heads)
                  for f in folds]
      results = []
      for i, trained in self.train(problems, steps, penalty):
        rows = folds[i].val_rows
        matrix = self.matrix(target_size, rows)
        results.append([
            Validated(self.count_correct(matrix, rows, h),
                      fraction_lib.relevance_scores(h.kernel)
                      if penalty == 'l21' else None) for h in trained])
      self._validated[key] = results
    return self._validated[key]

  def fit(self, target_size: int | None, rows: np.ndarray,
          heads: Sequence[sweep.HeadSpec], steps: int, penalty: str | None
          ) -> list[sweep.Head]:
    """Trains heads on all features of rows; the same call costs nothing."""
    key = (target_size, rows.tobytes(), tuple(heads), steps, penalty)
    if key not in self._fitted:
      problem = self.problem(target_size, rows, heads)
      (_, self._fitted[key]), = self.train([problem], steps, penalty)
    return self._fitted[key]

  def group_lasso(self, target_size: int | None, rows: np.ndarray,
                  coefficients: Sequence[float]) -> list['convex.Solution']:
    """`convex.path` on all features of rows; the same call costs nothing.

    Raises:
      errors.InputError: the features do not fit the memory, numba is not
        installed, or the solver does not come near enough.
    """
    from vtab_h2t.heads import convex  # With SciPy, which --help needs not.
    needed = sweep.batch_bytes(len(rows), self.num_features(target_size))
    if needed > self.memory_bytes:
      raise errors.InputError(
          f'the convex solver needs {needed / 2**30:.1f} GiB for '
          f'{self.num_features(target_size)} features, more than the allowed '
          f'{self.memory_bytes / 2**30:.1f}; raise --memory_gib or choose a '
          'smaller target size')
    return self.once(
        ('group_lasso', target_size, rows.tobytes(), tuple(coefficients)),
        lambda: convex.path(self.matrix(target_size, rows).numpy(),
                            self.labels[rows], coefficients))


def logits_of(matrix: 'tf.Tensor', head: sweep.Head) -> 'tf.Tensor':
  """Logits `[n, C]` of a head on normalised features `[n, D]`."""
  import tensorflow as tf
  return tf.matmul(matrix, head.kernel, transpose_b=True) + head.bias


class Method(Protocol):
  """One way to adapt a frozen or unfrozen backbone to a task."""

  name: str

  def candidates(self, grid: SearchSpace) -> list[Hparams]:
    """The settings to choose from; the cheaper first, as ties go to it.

    Raises:
      errors.InputError: the grid lacks something that the method needs.
    """

  def cross_validate(self, data: TrainingData, folds: Sequence[Fold],
                     grid: SearchSpace, seed: int
                     ) -> dict[Hparams, list[int | Failure]]:
    """Correct answers of each candidate, in order, on each fold's val_rows."""

  def fit(self, data: TrainingData, rows: np.ndarray, hparams: Hparams,
          seeds: Sequence[int]) -> list[FeatureHead]:
    """Trains one predictor for each seed on rows, in the order given.

    A method that trains the backbone (`tuned.Tuned`) takes the grid too, and
    gives what trains each network when it is called: only one is held.
    """


class Derived(abc.ABC):
  """A method whose rows follow from those of others, without training.

  Attributes:
    requires: the names of those others.
  """

  name: str
  requires: tuple[str, ...]

  @abc.abstractmethod
  def candidates(self, grid: SearchSpace) -> list[Hparams]:
    """None of its own.

    Raises:
      errors.InputError: the grid lacks something that the method needs.
    """

  @abc.abstractmethod
  def derive(self, rows: Mapping[str, Sequence[dict[str, Any]]]
             ) -> list[dict[str, Any]]:
    """The rows of each required method to this one's."""
