"""Logistic regression along a path of l2 penalties (Oquab et al., DINOv2).

As in DINOv2's evaluation, `C` is one of 45 values from 1e-6 to 1e5, the solver
is L-BFGS in float64 with a tolerance of 1e-12 and at most 1000 iterations, and
the `C` with the most correct validation answers is trained on all examples. The
path is warm-started from the strongest penalty on, in the final training too,
so that where iterations do not suffice the head is the one that was validated.

`logistic` reads the embedding as it is, as DINOv2's does, whatever the run's
normalisation. `all_logistic` reads all taps, whose scales differ by orders of
magnitude, as the run normalises them.

Both are solved in the span of the examples, in as many dimensions as there are
examples, and with features centred: neither changes the optimum (`heads.gram`).
"""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import ClassVar

import numpy as np

from vtab_h2t.features import normalization
from vtab_h2t.heads import gram as gram_lib
from vtab_h2t.heads import logistic
from vtab_h2t.methods import dual
from vtab_h2t.methods import space as space_lib

_STRENGTHS = tuple(float(c) for c in np.logspace(-6, 5, 45))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `logistic`.

  Attributes:
    coefficients: values of `C`, the inverse of the penalty, ascending.
    iterations: of L-BFGS, at most, for each.
    tolerance: of the gradient's largest entry.
  """

  coefficients: tuple[float, ...] = _STRENGTHS
  iterations: int = 1000
  tolerance: float = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllOptions(Options):
  """Of `all_logistic`.

  Attributes:
    target_sizes: of pooling.
  """

  target_sizes: tuple[int, ...]


class Logistic(dual.Dual):
  """Logistic regression on the embedding."""

  options_type: ClassVar[type[Options]] = Options

  def __init__(
    self, name: str = 'logistic', rule: str | None = normalization.NONE
  ) -> None:
    super().__init__(name, 'logistic', rule)

  def solutions(
    self,
    spectrum: gram_lib.Spectrum,
    labels: np.ndarray,
    classes: int,
    coefficients: Sequence[float],
    options: Options,
  ) -> Iterator[gram_lib.Solution]:
    scales = np.sqrt(spectrum.values)
    for kernel, bias in logistic.path(
      spectrum.vectors * scales,
      labels,
      classes,
      coefficients,
      iterations=options.iterations,
      tolerance=options.tolerance,
    ):
      yield gram_lib.Solution((kernel / scales).T, bias)


class AllLogistic(Logistic):
  """Logistic regression on all features."""

  options_type = AllOptions

  def __init__(self) -> None:
    super().__init__('all_logistic', None)
