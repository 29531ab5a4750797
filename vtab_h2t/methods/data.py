"""What methods and studies learn from, and what they give to be judged.

Test examples are not here: nothing that a method sees while it chooses reaches
them.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import json
import pathlib
from typing import Any, Generic, Protocol, TYPE_CHECKING, TypeVar

from absl import logging
import numpy as np

from vtab_h2t import devices
from vtab_h2t import files
from vtab_h2t.features import normalization
from vtab_h2t.features import store as store_lib
from vtab_h2t.heads import counting
from vtab_h2t.heads import fraction
from vtab_h2t.heads import loop
from vtab_h2t.heads import sweep

if TYPE_CHECKING:
  import tensorflow as tf

  from vtab_h2t.training import network as network_lib


class Head(Protocol):
  """What tells classes apart by features, however it does that."""

  def logits(self, matrix: 'np.ndarray | tf.Tensor') -> 'tf.Tensor':
    """Scores `[n, C]` of normalised features, float32 `[n, D]`.

    The first largest of an example is the answer. It is called for a batch of
    test images at a time, wherever their features were computed.
    """


_Head = TypeVar('_Head', bound=Head)


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureHead(Generic[_Head]):
  """A trained predictor that reads pooled features.

  Attributes:
    target_size: which layout it reads; None for the embedding.
    columns: ascending indices of the features it reads, or None for all.
    head: what predicts from them; a linear head (`sweep.Head`), or another.
    rule: by which the features are normalised that it reads; of
      `normalization.RULES_OF_AN_IMAGE`.
    measures: what else its result row says.
  """

  target_size: int | None
  columns: np.ndarray | None
  head: _Head
  rule: str
  measures: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Network(Protocol):
  """What tells classes apart by images."""

  def predict(self, images: 'tf.Tensor') -> np.ndarray:
    """Classes `[B]` of images as the network wants them."""


_Network = TypeVar('_Network', bound=Network)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedNetwork(Generic[_Network]):
  """A trained network; valid until the next one is trained.

  Attributes:
    trainer: predicts; a `trainer.Trainer`, or another.
    measures: what else was measured, for the result row.
  """

  trainer: _Network
  measures: dict[str, float]


# Trains a network when it is called, as only one is held at a time. Raises
# trainer.DivergedError.
TrainedLater = Callable[[], TrainedNetwork]


class TrainingData:
  """Train features and labels of a task.

  Attributes:
    features: the store.
    labels: int64 `[n]`.
    classes: number of classes.
    rule: of `normalization.RULES`.
    memory_bytes: working memory for training heads.
    networks: what methods that train the backbone need besides, or None.
    usable: indices of the examples that may be learned from, or None for all.
  """

  def __init__(
    self,
    features: store_lib.FeatureStore,
    labels: np.ndarray,
    classes: int,
    rule: str,
    memory_bytes: int,
    networks: 'Networks | None' = None,
    usable: np.ndarray | None = None,
  ) -> None:
    self.features = features
    self.labels = labels
    self.classes = classes
    self.rule = rule
    self.memory_bytes = memory_bytes
    self.networks = networks
    self.usable = usable
    self._moments: dict[int | None, normalization.Moments] = {}

  @functools.cached_property
  def heads(self) -> 'Heads':
    """Linear heads on these features."""
    return Heads(self)

  def matrix(
    self,
    target_size: int | None,
    examples: np.ndarray,
    columns: np.ndarray | None = None,
    rule: str | None = None,
  ) -> 'tf.Tensor':
    """Normalised features `[len(examples), D]` of a layout, or some columns.

    Args:
      target_size: which layout; None for the embedding.
      examples: indices of the wanted ones.
      columns: ascending indices of the wanted features, or None for all.
      rule: of `normalization.RULES_OF_AN_IMAGE`, in place of the data's.
    """
    import tensorflow as tf

    parts = self.parts(target_size, examples, columns, rule)
    return tf.concat(list(parts), axis=1)

  def parts(
    self,
    target_size: int | None,
    examples: np.ndarray,
    columns: np.ndarray | None = None,
    rule: str | None = None,
  ) -> Iterator['tf.Tensor']:
    """What `matrix` gives, tap by tap, so that only one is held at a time.

    Args:
      target_size: which layout; None for the embedding.
      examples: indices of the wanted ones.
      columns: ascending indices of the wanted features, or None for all.
      rule: as in `matrix`.

    Returns:
      float32 `[len(examples), k]` of each tap that has wanted features, in
      column order.
    """
    return normalization.design_parts(
      self.features.blocks(target_size),
      self.features.layouts[target_size],
      examples,
      columns,
      rule or self.rule,
      None if rule else self.moments(target_size),
    )

  def moments(self, target_size: int | None) -> normalization.Moments | None:
    """Those of a layout over all usable examples; None if the rule has none.

    Labels are not read. The examples are the same for every fold and seed, so
    that a feature has one scale in a task.
    """
    if self.rule != normalization.FEATURE:
      return None
    if target_size not in self._moments:
      self._moments[target_size] = normalization.Moments.of(
        self.features.blocks(target_size), self.usable
      )
    return self._moments[target_size]

  def raw(self, target_size: int | None, examples: np.ndarray) -> 'tf.Tensor':
    """The features of a layout as they are pooled, not normalised."""
    return self.matrix(target_size, examples, rule=normalization.NONE)

  def embedding(self, examples: np.ndarray) -> np.ndarray:
    """The frozen embedding as it is, not normalised, `[len(examples), E]`."""
    (block,) = self.features.blocks(None)
    return np.asarray(block[examples], np.float32)

  def predictor(
    self,
    target_size: int | None,
    columns: np.ndarray | None,
    head: sweep.Head,
    **measures: Any,
  ) -> FeatureHead[sweep.Head]:
    """A head that was trained on `matrix`, for images that are not in it.

    Moments are folded into it: it reads features as they are.

    Args:
      target_size: which layout it reads; None for the embedding.
      columns: ascending indices of the features it reads, or None for all.
      head: the linear head.
      **measures: what else its result row says.
    """
    moments, rule = self.moments(target_size), self.rule
    if moments is not None:
      head, rule = _changed(head, columns, moments.folded), normalization.NONE
    return FeatureHead(target_size, columns, head, rule, measures)

  def trained(self, predictor: FeatureHead[sweep.Head]) -> sweep.Head:
    """The head that `predictor` was given: it reads what `matrix` gives."""
    moments = self.moments(predictor.target_size)
    if moments is None:
      return predictor.head
    return _changed(predictor.head, predictor.columns, moments.unfolded)

  def num_features(self, target_size: int | None) -> int:
    """How many features a layout has."""
    return self.features.layouts[target_size].size


def _changed(
  head: sweep.Head,
  columns: np.ndarray | None,
  change: Callable[
    [np.ndarray, np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]
  ],
) -> sweep.Head:
  """A head whose kernel and bias moments are folded into, or taken out of."""
  import tensorflow as tf

  kernel, bias = change(head.kernel.numpy(), head.bias.numpy(), columns)
  return sweep.Head(tf.constant(kernel), tf.constant(bias))


@dataclasses.dataclass(frozen=True, eq=False)
class Validated:
  """What validating one head gave.

  Attributes:
    correct: correctly classified examples of the fold's `val`.
    scores: relevance scores `[D]`, for the penalty 'l21' only.
  """

  correct: int
  scores: np.ndarray | None

  def ranked(self) -> np.ndarray:
    """The scores, of a head that has some."""
    if self.scores is None:
      raise ValueError('only the group lasso scores features')
    return self.scores


class Heads:
  """Linear heads on a task's features: what methods need alike, is kept."""

  def __init__(self, data: TrainingData) -> None:
    self._data = data
    self._validated: dict[Hashable, list[list[Validated]]] = {}
    self._fitted: dict[Hashable, list[sweep.Head]] = {}

  def problem(
    self,
    target_size: int | None,
    examples: np.ndarray,
    heads: Sequence[sweep.HeadSpec],
    columns: np.ndarray | None = None,
    groups: tuple[int, ...] | None = None,
  ) -> sweep.Problem:
    """Heads on the features of a layout, or on some of its columns."""
    data = self._data
    return sweep.Problem(
      lambda: data.parts(target_size, sweep.padded(examples), columns),
      data.num_features(target_size) if columns is None else len(columns),
      data.labels[examples],
      heads,
      groups,
    )

  def check_memory(self, target_sizes: Sequence[int | None]) -> None:
    """Asks whether heads fit that read all features of any of some sizes.

    What trains them at several sizes asks first, so that no training is lost
    when the largest turns out not to fit. It is asked of all examples that may
    be learned from, as the last training is on these.

    Raises:
      errors.InputError: they do not fit the memory.
    """
    data = self._data
    examples = len(data.labels if data.usable is None else data.usable)
    memory = devices.memory(data.memory_bytes)
    for size in target_sizes:
      features = data.num_features(size)
      sweep.check_memory(examples, features, data.classes, memory)

  def train(
    self,
    problems: Sequence[sweep.Problem],
    steps: int,
    penalty: str | None = None,
    optimizer: str = loop.ADAM,
  ) -> Iterator[tuple[int, list[sweep.Head]]]:
    """`sweep.train` with this task's classes and memory."""
    return sweep.train(
      problems,
      classes=self._data.classes,
      steps=steps,
      penalty=penalty,
      memory_bytes=self._data.memory_bytes,
      optimizer=optimizer,
    )

  def correct(
    self,
    target_size: int | None,
    examples: np.ndarray,
    head: sweep.Head,
    columns: np.ndarray | None = None,
  ) -> int:
    """How many examples a head classifies correctly."""
    matrix = self._data.matrix(target_size, examples, columns)
    return counting.correct(head.logits(matrix), self._data.labels[examples])

  def validate(
    self,
    target_size: int | None,
    folds: Sequence[Any],
    heads: Sequence[sweep.HeadSpec],
    steps: int,
    penalty: str | None,
  ) -> list[list[Validated]]:
    """Trains heads on all features of each fold and tests them on its rest.

    Heads given together are trained together; the same call again costs
    nothing.

    Returns:
      For each fold, for each head, the result.
    """
    key = (
      target_size,
      tuple(f.number for f in folds),
      tuple(heads),
      steps,
      penalty,
    )
    if key not in self._validated:
      problems = [self.problem(target_size, f.train, heads) for f in folds]
      results = []
      for i, trained in self.train(problems, steps, penalty):
        results.append(
          [
            Validated(
              self.correct(target_size, folds[i].val, head),
              fraction.relevance_scores(head.kernel)
              if penalty == 'l21'
              else None,
            )
            for head in trained
          ]
        )
      self._validated[key] = results
    return self._validated[key]

  def fit(
    self,
    target_size: int | None,
    examples: np.ndarray,
    heads: Sequence[sweep.HeadSpec],
    steps: int,
    penalty: str | None,
    columns: np.ndarray | None = None,
  ) -> list[sweep.Head]:
    """Trains heads on all features of a layout, or on some of its columns.

    The same call again costs nothing.
    """
    key = (
      target_size,
      examples.tobytes(),
      tuple(heads),
      steps,
      penalty,
      None if columns is None else columns.tobytes(),
    )
    if key not in self._fitted:
      problem = self.problem(target_size, examples, heads, columns)
      ((_, self._fitted[key]),) = self.train([problem], steps, penalty)
    return self._fitted[key]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Source:
  """The task that a network is trained on before it is adapted.

  Attributes:
    id: identifies its images and labels, and how they are read.
    inputs, test_inputs: return the network's inputs, float32 `[n, H, W, 3]`.
    labels, test_labels: int64 `[n]`, of the task's classes.
  """

  id: str
  inputs: Callable[[], np.ndarray]
  labels: np.ndarray
  test_inputs: Callable[[], np.ndarray]
  test_labels: np.ndarray


class Networks:
  """What methods that train the backbone need, and what they have finished."""

  def __init__(
    self,
    inputs: Callable[[], np.ndarray],
    network: Callable[[], 'network_lib.Network'],
    folder: pathlib.Path,
    memory: dict[Hashable, Any],
    source: Source | None = None,
    sources: pathlib.Path | None = None,
    tell: Callable[[int, int], None] | None = None,
  ) -> None:
    """Initialises.

    Args:
      inputs: returns the network's inputs, float32 `[n, H, W, 3]`.
      network: returns the trainable copy of the backbone.
      folder: for the results and states of single trainings.
      memory: what `once` keeps; methods on the same data share it.
      source: the task's source, if it has one.
      sources: the folder of the networks that were trained on sources.
      tell: is told how many steps of a training are done, and of how many.
    """
    self.inputs = inputs
    self.network = network
    self.source = source
    self.sources = sources
    self.tell = tell
    self._folder = folder
    self._memory = memory

  def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
    """What several methods would otherwise compute again."""
    if key not in self._memory:
      self._memory[key] = compute()
    return self._memory[key]

  def path(self, key: Any, ending: str) -> pathlib.Path:
    """A file for the training that a JSON value identifies."""
    return self._folder / f'{files.fingerprint(key)[:32]}.{ending}'

  def remember(self, key: Any, compute: Callable[[], Any]) -> Any:
    """The JSON value of a training, computed once, kept with its checksum."""
    path = self.path(key, 'json')
    try:
      with open(path, encoding='utf-8') as f:
        kept = json.load(f)
      if kept['sha256'] != files.fingerprint(kept['value']):
        raise ValueError('another checksum')
      return kept['value']
    except FileNotFoundError:
      pass
    except (ValueError, KeyError, TypeError) as e:
      logging.warning(
        '%s is damaged; the network is trained again (%s)', path, e
      )
    value = compute()
    # Another process may have finished the unit and removed the folder.
    with contextlib.suppress(FileNotFoundError), files.atomic_write(path) as f:
      json.dump({'value': value, 'sha256': files.fingerprint(value)}, f)
    return value
