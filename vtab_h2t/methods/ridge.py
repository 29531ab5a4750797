"""Ridge regression of one-hot labels, in closed form (big_vision).

`ridge` reads the embedding, `all_ridge` the features of all taps, both as the
run normalises features. big_vision standardises each feature instead, which
depends on the examples at hand; Head2Toe's rule does not, so that the folds
share one Gram matrix, and both read what `linear` and the `all_` methods read.

The intercept is exact and free: features are centred. (big_vision appends a
feature of 100, whose weight is penalised a little.) With that intercept labels
of 0 and 1 give the same answers as big_vision's -1 and 1.

big_vision has one penalty, 1024, for the standardised features, so that it
means nothing here; the penalties of this suite are multiples of the mean
eigenvalue of the centred Gram matrix, and one is chosen by validation. One
eigendecomposition serves them all.
"""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import ClassVar

import numpy as np

from vtab_h2t.heads import gram as gram_lib
from vtab_h2t.methods import dual
from vtab_h2t.methods import space as space_lib

# From 1e3 to 1e-6, the strongest first, as ties go to it.
_PENALTIES = tuple(float(p) for p in np.logspace(3, -6, 19))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `ridge`.

  Attributes:
    coefficients: penalties, as multiples of the mean eigenvalue of the training
      examples' centred Gram matrix.
  """

  coefficients: tuple[float, ...] = _PENALTIES


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllOptions(Options):
  """Of `all_ridge`.

  Attributes:
    target_sizes: of pooling.
  """

  target_sizes: tuple[int, ...]


class Ridge(dual.Dual):
  """Ridge regression on the embedding."""

  options_type: ClassVar[type[Options]] = Options

  def __init__(self, name: str = 'ridge') -> None:
    super().__init__(name, 'ridge')

  def solutions(
    self,
    spectrum: gram_lib.Spectrum,
    labels: np.ndarray,
    classes: int,
    coefficients: Sequence[float],
    options: Options,
  ) -> Iterator[gram_lib.Solution]:
    del options
    for penalty in coefficients:
      yield gram_lib.ridge(spectrum, labels, classes, penalty)


class AllRidge(Ridge):
  """Ridge regression on all features."""

  options_type = AllOptions

  def __init__(self) -> None:
    super().__init__('all_ridge')
