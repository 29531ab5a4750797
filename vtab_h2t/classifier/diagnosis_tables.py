"""What a diagnosis consists of."""

from collections.abc import Callable
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import calibration as calibration_lib
from vtab_h2t.classifier import explaining
from vtab_h2t.classifier import held_out as held_out_lib

if TYPE_CHECKING:
  import pandas as pd

# An image by its place, uint8 `[H, W, 3]`.
Read = Callable[[int], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Example:
  """An image whose answer is explained.

  Attributes:
    index: its place.
    given: the name of its class.
    held_out: the answer of a head that was trained without it.
    explanation: of the answer of the final head, which was trained with it.
  """

  index: int
  given: str
  held_out: str
  explanation: explaining.Explanation


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
  """Tables of what was found, and what the page needs besides.

  Attributes:
    adapted: the classifier.
    confusion: see `confusion.matrix`; of held-out images.
    classes: see `confusion.by_class`.
    pairs: see `confusion.pairs`.
    balanced_accuracy: mean recall of classes, and its 95 % interval, 0 to 1.
    suspects: see `suspects.wrong_labels`.
    duplicates: see `suspects.twins`; the first 100,000 pairs.
    duplicates_in_all: how many pairs there are.
    threshold: the cosine from which on a pair is one of those.
    matched: how many held-out images have such a twin that was trained on.
    unmatched: the accuracy on the others; None if there are none.
    unusual: see `suspects.unusual`.
    reliability: see `calibration.reliability`; `temperature_scaled` tells the
      lines before (False) from those after, which are left out if no
      temperature is used.
    coverage: see `calibration.coverage`.
    calibration: the errors.
    gain: of a temperature, on images that it was not fitted on.
    taps: see `adapting.Adapted.taps`.
    learning_curve: `images` that were trained on, `correct` of `total` held-out
      images, `accuracy` and its interval, `low` to `high`.
    examples: answers that are explained, mistakes first.
    read: gives the images.
  """

  adapted: adapting.Adapted
  confusion: 'pd.DataFrame'
  classes: 'pd.DataFrame'
  pairs: 'pd.DataFrame'
  balanced_accuracy: tuple[float, tuple[float, float]]
  suspects: 'pd.DataFrame'
  duplicates: 'pd.DataFrame'
  duplicates_in_all: int
  threshold: float
  matched: int
  unmatched: held_out_lib.Accuracy | None
  unusual: 'pd.DataFrame'
  reliability: 'pd.DataFrame'
  coverage: 'pd.DataFrame'
  calibration: calibration_lib.Errors
  gain: calibration_lib.Gain
  taps: 'pd.DataFrame'
  learning_curve: 'pd.DataFrame'
  examples: tuple[Example, ...]
  read: Read

  def tables(self) -> dict[str, 'pd.DataFrame']:
    """What is written as CSVs, by name."""
    return {
      'confusion': self.confusion.reset_index(),
      'classes': self.classes,
      'confused_pairs': self.pairs,
      'suspects': self.suspects,
      'duplicates': self.duplicates.drop(columns=['first', 'second']),
      'unusual': self.unusual,
      'calibration': self.reliability,
      'min_confidence': self.coverage,
      'taps': self.taps,
      'learning_curve': self.learning_curve,
    }
