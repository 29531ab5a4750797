"""Visual query tuning: learned queries read the blocks of a frozen ViT.

Queries of each block attend to its tokens; what they come out as, and the class
token, each block's part at unit norm, are the features of a linear head, which
is trained with them (`training.queries`, `training.query_training`). Then, as
in the released code, features are selected with the queries fixed: a fresh head
at half the rate, with a penalty of 1e-4 times the sum of the norms of its
kernel's columns, ranks them; the best fraction is kept; and a third fresh head,
at half the rate and without penalty, reads those. 100 epochs of full batches of
128 for each of the three, the rate as in `heads.warmed`, and each as it is
after the last.

The released code has a number of queries and a fraction for each task, and does
not say how they were found. Here both are chosen like rate and weight decay,
on the folds, by what the third head has right. There the rate and the decay are
chosen by the first head, on a fifth of the images.

The released code also drops a tenth of the numbers of the tokens after their
embedding, and of the queries while heads are trained on fixed ones. Here
neither is dropped, so that the tokens are those of the network and features of
fixed queries are computed once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t.heads import counting
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import stateless
from vtab_h2t.heads import sweep
from vtab_h2t.heads import warmed
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import queries as queries_lib
from vtab_h2t.training import query_training
from vtab_h2t.training import trainer as trainer_lib

if TYPE_CHECKING:
  import tensorflow as tf

  from vtab_h2t.backbones import backbone as backbone_lib

_DIVERGED = 'queries or a head were not finite after the last step'
_LATER_RATE = 0.5  # Of the heads that are trained after the queries.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `vqt`.

  Attributes:
    learning_rates: the largest ones, for a batch of 256.
    weight_decays: in the gradient.
    queries: numbers of queries of a block.
    kept_fractions: of the features that the last head reads.
    penalty: of the head that ranks features.
    batch: images in a step.
    epochs: of each of the three trainings.
    warmup: through how many of them the rate rises.
  """

  # Small ones first: ties go to them, as in the released code.
  learning_rates: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1.0)
  weight_decays: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 0.0)
  queries: tuple[int, ...] = (1, 10, 20)
  kept_fractions: tuple[float, ...] = (0.3, 0.5, 0.7)
  penalty: float = 1e-4
  batch: int = 128
  epochs: int = 100
  warmup: int = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.TrainedSetting):
  """Of `vqt`.

  Attributes:
    weight_decay: in the gradient.
    queries: of a block.
    fraction: of the features that the last head reads.
  """

  weight_decay: float
  queries: int
  fraction: float


class Vqt(interface.Searched):
  """Queries that read the blocks of a vision transformer."""

  name = 'vqt'
  options_type = Options
  trains_network = True
  any_network = False

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    del space
    return ()

  def check_backbone(self, backbone: 'backbone_lib.Backbone') -> None:
    queries_lib.check(backbone)

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    options = space.of(self.name)
    need = functools.partial(space_lib.require, self.name)
    return [
      Setting(
        queries=queries,
        fraction=fraction,
        learning_rate=rate,
        weight_decay=decay,
      )
      for queries, fraction, rate, decay in itertools.product(
        need('queries', options.queries),
        need('fraction', options.kept_fractions),
        need('lr', options.learning_rates),
        need('weight_decay', options.weight_decays),
      )
    ]

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    options, networks = space.of(self.name), tuned.networks_of(data)
    found: dict[Setting, list[int | space_lib.Failure]] = {
      c: [] for c in self.candidates(space)
    }
    work = functools.cache(lambda: _Work(data, options))
    for fold, number in itertools.product(
      folds, dict.fromkeys(s.queries for s in found)
    ):
      settings = [s for s in found if s.queries == number]
      counts = networks.remember(
        self._key(
          options, ['fold', fold.number, seed, [s.as_row() for s in settings]]
        ),
        functools.partial(_counts, work, fold, settings, seed),
      )
      for setting, count in zip(settings, counts, strict=True):
        found[setting].append(
          space_lib.Failure(_DIVERGED) if count is None else count
        )
    return found

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.TrainedLater]:
    work = functools.cache(lambda: _Work(data, space.of(self.name)))

    def train(seed: int) -> data_lib.TrainedNetwork:
      return work().final(examples, setting, seed)

    for seed in seeds:
      yield functools.partial(train, seed)

  def _key(self, options: Options, what: Any) -> Any:
    return [self.name, dataclasses.asdict(options), what]


@dataclasses.dataclass(frozen=True, eq=False)
class _Selected:
  """A third head, and which features it reads."""

  columns: np.ndarray
  head: sweep.Head


def _counts(
  work: 'Callable[[], _Work]',
  fold: interface.Fold,
  settings: Sequence[Setting],
  seed: int,
) -> list[int | None]:
  """See `_Work.counts`; work is begun when there is some."""
  return work().counts(fold, settings, seed)


class _Work:
  """A network, what it shows of the images, and what is trained on it."""

  def __init__(self, data: data_lib.TrainingData, options: Options) -> None:
    networks = tuned.networks_of(data)
    self._data, self._options = data, options
    self._network = queries_lib.QueryNetwork(networks.network().backbone)
    half = data.memory_bytes // 2
    self._contexts = queries_lib.Contexts(
      self._network, networks.inputs(), half
    )
    self._memory_bytes = half

  def counts(
    self, fold: interface.Fold, settings: Sequence[Setting], seed: int
  ) -> list[int | None]:
    """Correct answers of settings that have as many queries.

    Returns:
      For each setting, or None if something was not finite.
    """
    labels = self._data.labels
    # Settings that differ in nothing but the fraction have the same queries.
    learned = list(
      dict.fromkeys((s.learning_rate, s.weight_decay) for s in settings)
    )
    alike = [
      next(s for s in settings if (s.learning_rate, s.weight_decay) == pair)
      for pair in learned
    ]
    found: dict[Setting, int | None] = dict.fromkeys(settings)
    every = self._queries(fold.train, alike, seed)
    for pair, queries in zip(learned, every, strict=True):
      if queries is None:
        continue
      own = [s for s in settings if (s.learning_rate, s.weight_decay) == pair]
      train, val = (
        self._contexts.features(queries, part)
        for part in (fold.train, fold.val)
      )
      for setting, head in self._heads(train, fold.train, own, seed):
        if head is not None:
          matrix = _columns_of(val, head.columns)
          found[setting] = counting.correct(
            head.head.logits(matrix), labels[fold.val]
          )
    return list(found.values())

  def final(
    self, examples: np.ndarray, setting: Setting, seed: int
  ) -> data_lib.TrainedNetwork[query_training.Predictor]:
    """All three trainings.

    Raises:
      trainer.DivergedError: something was not finite.
    """
    (queries,) = self._queries(examples, [setting], seed)
    if queries is None:
      raise trainer_lib.DivergedError(_DIVERGED)
    matrix = self._contexts.features(queries, examples)
    ((_, found),) = self._heads(matrix, examples, [setting], seed)
    if found is None:
      raise trainer_lib.DivergedError(_DIVERGED)
    kernel, bias = found.head.kernel, found.head.bias
    stored = queries.size + int(np.prod(kernel.shape)) + len(bias)
    return data_lib.TrainedNetwork(
      query_training.Predictor(
        self._network, queries, found.columns, kernel, bias
      ),
      {
        'num_features': len(found.columns),
        # And a bit a feature, that says which are kept.
        'num_parameters': stored
        + -(-self._network.features(setting.queries) // 32),
      },
    )

  def _schedule(
    self, count: int, seed: int, stage: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """What the rate is to the whole one, and examples, of each step."""
    options = self._options
    size = min(options.batch, count)
    factors = warmed.factors(options.epochs, options.warmup, count // size)
    seeds = seed, interface.ORDER, stage
    return factors, stateless.order(count, size, len(factors), seeds)

  def _rate(self, setting: Setting) -> float:
    return setting.learning_rate * self._options.batch / 256

  def _queries(
    self, examples: np.ndarray, settings: Sequence[Setting], seed: int
  ) -> list[np.ndarray | None]:
    """Queries of settings that have as many."""
    factors, order = self._schedule(len(examples), seed, interface.FIRST)
    return query_training.train(
      self._network,
      self._contexts,
      examples,
      self._data.labels[examples],
      self._data.classes,
      [
        query_training.Spec(
          learning_rate=self._rate(s), weight_decay=s.weight_decay
        )
        for s in settings
      ],
      settings[0].queries,
      factors,
      order,
      seed=(seed, interface.FIRST),
      noise_seed=(seed, interface.ORDER),
      memory_bytes=self._memory_bytes,
    )

  def _heads(
    self,
    matrix: 'tf.Tensor',
    examples: np.ndarray,
    settings: Sequence[Setting],
    seed: int,
  ) -> Iterator[tuple[Setting, _Selected | None]]:
    """Third heads of settings that differ in nothing but the fraction."""
    first = settings[0]
    factors, order = self._schedule(len(examples), seed, interface.SECOND)
    options = {
      'labels': self._data.labels[examples],
      'classes': self._data.classes,
      'rates': factors * np.float32(_LATER_RATE * self._rate(first)),
      'weight_decay': first.weight_decay,
    }
    ranking = warmed.train(
      matrix,
      order=order,
      penalty=self._options.penalty,
      seed=(seed, interface.SECOND),
      **options,
    )
    _, order = self._schedule(len(examples), seed, interface.HEAD)
    for setting in settings:
      if ranking is None:
        yield setting, None
        continue
      scores = fraction_lib.relevance_scores(ranking.kernel)
      columns = fraction_lib.select(scores, setting.fraction)
      head = warmed.train(
        _columns_of(matrix, columns),
        order=order,
        penalty=0.0,
        seed=(seed, interface.HEAD),
        **options,
      )
      yield setting, None if head is None else _Selected(columns, head)


def _columns_of(matrix: 'tf.Tensor', columns: np.ndarray) -> 'tf.Tensor':
  import tensorflow as tf

  return tf.gather(matrix, columns, axis=1)
