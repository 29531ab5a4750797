"""What ridge and logistic regression share: they are solved, not trained.

Their best kernel lies in the span of the examples, so that the Gram matrix of
the training examples is all that validation needs of the features (see
`heads.gram`): it is computed once for all folds, tap by tap, and the features
of all taps are never held at once. No seed enters.
"""

import abc
import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import itertools
from typing import Any

import numpy as np

from vtab_h2t import errors
from vtab_h2t.heads import counting
from vtab_h2t.heads import gram as gram_lib
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib

# Of all pairs of examples, in float64, that are held at once.
_MATRICES = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.Setting):
  """Of a head that is solved for.

  Attributes:
    coefficient: of the penalty, in the method's own terms.
    target_size: of pooling; None for the embedding.
  """

  coefficient: float
  target_size: int | None = None


class Dual(interface.Searched):
  """A linear head that is solved for in the span of the examples.

  Its options have `coefficients`, and `target_sizes` if it reads all taps.
  """

  seeded = False

  def __init__(self, name: str, key: str, rule: str | None = None) -> None:
    """Initialises.

    Args:
      name: method id.
      key: of a coefficient in --hparams.
      rule: of normalisation, of `normalization.RULES_OF_AN_IMAGE`; None for the
        run's.
    """
    self.name = name
    self._key = key
    self._rule = rule

  @abc.abstractmethod
  def solutions(
    self,
    spectrum: gram_lib.Spectrum,
    labels: np.ndarray,
    classes: int,
    coefficients: Sequence[float],
    options: Any,
  ) -> Iterator[gram_lib.Solution]:
    """The heads for some coefficients, in order.

    Args:
      spectrum: of the examples' features.
      labels: theirs, `[n]`.
      classes: number of classes.
      coefficients: the first ones of the options', in their order.
      options: the method's.
    """

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return getattr(space.of(self.name), 'target_sizes', ())

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    options = space.of(self.name)
    sizes: Sequence[int | None] = [None]
    if hasattr(options, 'target_sizes'):
      sizes = space_lib.require(self.name, 'target_size', options.target_sizes)
    return [
      Setting(coefficient=coefficient, target_size=size)
      for size, coefficient in itertools.product(
        sizes, space_lib.require(self.name, self._key, options.coefficients)
      )
    ]

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    del seed
    options = space.of(self.name)
    found: dict[Setting, list[int]] = {c: [] for c in self.candidates(space)}
    examples = np.unique(
      np.concatenate([part for f in folds for part in (f.train, f.val)])
    )
    for size in dict.fromkeys(c.target_size for c in found):
      products = self._gram(data, size, examples)
      for fold in folds:
        train, val = (
          np.searchsorted(examples, part) for part in (fold.train, fold.val)
        )
        spectrum = gram_lib.Spectrum.of(products[np.ix_(train, train)])
        held_out = spectrum.project(products[np.ix_(val, train)])
        solutions = self.solutions(
          spectrum,
          data.labels[fold.train],
          data.classes,
          options.coefficients,
          options,
        )
        for coefficient, solution in zip(
          options.coefficients, solutions, strict=True
        ):
          setting = Setting(coefficient=coefficient, target_size=size)
          found[setting].append(
            counting.correct(solution.scores(held_out), data.labels[fold.val])
          )
    return found

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    size, options = setting.target_size, space.of(self.name)
    spectrum = gram_lib.Spectrum.of(self._gram(data, size, examples))
    # Those before it, too, as one is where the next may start.
    before = itertools.takewhile(
      lambda c: c != setting.coefficient, options.coefficients
    )
    solutions = self.solutions(
      spectrum,
      data.labels[examples],
      data.classes,
      [*before, setting.coefficient],
      options,
    )
    (solution,) = collections.deque(solutions, maxlen=1)  # The last.
    head = gram_lib.head(self._parts(data, size, examples), spectrum, solution)
    measures = {'num_features': data.num_features(size)}
    predictor = (
      data_lib.FeatureHead(size, None, head, self._rule, measures)
      if self._rule
      else data.predictor(size, None, head, **measures)
    )
    for _ in seeds:
      yield predictor

  def _gram(
    self, data: data_lib.TrainingData, size: int | None, examples: np.ndarray
  ) -> np.ndarray:
    """The Gram matrix of examples' features.

    Raises:
      errors.InputError: there are too many examples for the memory.
    """
    needed = _MATRICES * 8 * len(examples) ** 2
    if needed > data.memory_bytes:
      raise errors.InputError(
        f'{self.name}: the inner products of {len(examples)} examples need '
        f'{needed / 2**30:.1f} GiB, more than the allowed '
        f'{data.memory_bytes / 2**30:.1f}; raise --memory_gib or leave the '
        'method out of --methods'
      )
    return gram_lib.gram(self._parts(data, size, examples))

  def _parts(
    self, data: data_lib.TrainingData, size: int | None, examples: np.ndarray
  ) -> Iterator[np.ndarray]:
    """Examples' features, tap by tap."""
    for part in data.parts(size, examples, rule=self._rule):
      yield part.numpy()
