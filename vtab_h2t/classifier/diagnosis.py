"""What an adapted classifier tells of the images that it learned from.

All of it is from answers of heads that were trained without the image that they
judge, and from how alike images are to the network.
"""

import dataclasses
import functools
import os
import pathlib
from typing import ClassVar, TYPE_CHECKING

import numpy as np

from vtab_h2t import files
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import calibration
from vtab_h2t.classifier import confusion
from vtab_h2t.classifier import copies
from vtab_h2t.classifier import diagnosis_findings
from vtab_h2t.classifier import diagnosis_page
from vtab_h2t.classifier import diagnosis_tables
from vtab_h2t.classifier import explaining
from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.classifier import suspects

if TYPE_CHECKING:
  import pandas as pd

_EXAMPLES = 4  # Right and wrong answers that are explained.
_MOST_PAIRS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Diagnosis(diagnosis_tables.Tables):
  """What was found, as tables, sentences and a page.

  Attributes:
    PAGE: the name of the page.
    TABLES: of the folder of tables.
  """

  PAGE: ClassVar[str] = 'report.html'
  TABLES: ClassVar[str] = 'diagnosis'

  def findings(self) -> list[str]:
    """What it means and what to do, in sentences, the most useful first."""
    return [found.text for found in diagnosis_findings.of(self)]

  def save(self, folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Writes `report.html` and the tables, in `diagnosis/`, into a folder.

    What is there already under these names is written over.

    Returns:
      The paths, the page's first.

    Raises:
      errors.InputError: an image is no longer there.
      OSError: the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    paths = [folder / self.PAGE]
    page = diagnosis_page.build(self)
    for name, table in self.tables().items():
      paths.append(folder / self.TABLES / f'{name}.csv')
      with files.atomic_write(paths[-1]) as f:
        table.to_csv(f, index=False, float_format='%.6g', lineterminator='\n')
    with files.atomic_write(paths[0]) as f:
      f.write(page)
    return paths


def diagnose(
  adapted: adapting.Adapted, read: diagnosis_tables.Read
) -> Diagnosis:
  """Looks at what an adapted classifier tells of its images.

  Args:
    adapted: the classifier.
    read: gives an image by its place among `adapted.ids`.

  Raises:
    errors.InputError: an image cannot be read.
  """
  held, said = adapted.held_out, adapted.said
  labels = adapted.labels[held.examples]
  answers = held.logits.argmax(axis=1)
  matrix = confusion.matrix(labels, answers, adapted.classes)
  sizes = np.bincount(adapted.labels, minlength=len(adapted.classes))
  # Temperature is chosen on the same images; one number of so many does not
  # make a label of theirs more or less suspect.
  wrong = suspects.wrong_labels(
    [adapted.ids[i] for i in said.examples],
    adapted.labels[said.examples],
    calibration.probabilities(said.logits, adapted.temperature),
    adapted.classes,
  )
  wrong.index = said.examples[wrong.index]
  threshold = _threshold(adapted, read)
  pairs, _ = adapted.neighbours.pairs(threshold)
  matched = _matched(adapted, pairs)
  scaled = calibration.Scaled.of(held.logits, labels, adapted.temperature)
  return Diagnosis(
    adapted=adapted,
    confusion=matrix,
    classes=confusion.by_class(matrix, sizes),
    pairs=confusion.pairs(matrix),
    balanced_accuracy=confusion.balanced_accuracy(matrix),
    suspects=wrong,
    duplicates=_twins(adapted, threshold, read),
    duplicates_in_all=len(pairs),
    threshold=threshold,
    matched=int(matched.sum()),
    unmatched=_unmatched(adapted, matched),
    unusual=suspects.unusual(
      adapted.ids, adapted.labels, adapted.classes, adapted.neighbours
    ),
    reliability=_reliability(scaled, adapted.temperature),
    coverage=calibration.coverage(scaled.after, scaled.correct),
    calibration=scaled.errors(),
    gain=calibration.gain(held.logits, labels),
    taps=adapted.taps(),
    learning_curve=_curve(adapted),
    examples=_examples(adapted, read),
    read=read,
  )


def _threshold(adapted: adapting.Adapted, read: diagnosis_tables.Read) -> float:
  """The cosine that near-duplicates have, measured on some of the images."""
  count = len(adapted.ids)
  chosen = np.random.default_rng(0).permutation(count)[: copies.SAMPLE]
  return copies.threshold(
    adapted.backbone, (read(int(i)) for i in np.sort(chosen))
  )


def _folds(adapted: adapting.Adapted) -> np.ndarray:
  """In which fold each image is held out, int64 `[n]`; -1 if in none."""
  fold = np.full(len(adapted.ids), -1)
  fold[adapted.held_out.examples] = adapted.held_out.folds
  return fold


def _twins(
  adapted: adapting.Adapted, threshold: float, read: diagnosis_tables.Read
) -> 'pd.DataFrame':
  """Near-duplicates; see `suspects.twins`."""

  @functools.cache
  def digest(index: int) -> str:
    image = read(index)
    return f'{image.shape} {files.sha256(np.ascontiguousarray(image).data)}'

  return suspects.twins(
    adapted.ids,
    adapted.labels,
    adapted.classes,
    _folds(adapted),
    adapted.neighbours,
    threshold,
    lambda one, other: digest(one) == digest(other),
    _MOST_PAIRS,
  )


def _matched(adapted: adapting.Adapted, pairs: np.ndarray) -> np.ndarray:
  """Which held-out images have a twin that was trained on, bool `[m]`.

  Args:
    adapted: the classifier.
    pairs: images that are twins, int64 `[p, 2]`.
  """
  fold = _folds(adapted)
  apart = pairs[fold[pairs[:, 0]] != fold[pairs[:, 1]]]
  return np.isin(adapted.held_out.examples, apart)


def _unmatched(
  adapted: adapting.Adapted, matched: np.ndarray
) -> held_out_lib.Accuracy | None:
  """Accuracy on the other held-out images."""
  if matched.all():
    return None
  held = adapted.held_out
  return held_out_lib.HeldOut(
    examples=held.examples[~matched],
    logits=held.logits[~matched],
    folds=held.folds[~matched],
  ).accuracy(adapted.labels)


def _reliability(
  scaled: calibration.Scaled, temperature: float
) -> 'pd.DataFrame':
  """Lines without a temperature, and lines with one, if one is used."""
  import pandas as pd

  found = [(False, scaled.before)]
  if temperature != 1:
    found.append((True, scaled.after))
  return pd.concat(
    [
      calibration.reliability(sure, scaled.correct).assign(
        temperature_scaled=is_scaled
      )
      for is_scaled, sure in found
    ],
    ignore_index=True,
  )


def _curve(adapted: adapting.Adapted) -> 'pd.DataFrame':
  """The learning curve as a table."""
  import pandas as pd

  return pd.DataFrame(
    [
      {
        'images': point.images,
        'correct': point.accuracy.correct,
        'total': point.accuracy.total,
        'accuracy': point.accuracy.correct / point.accuracy.total,
        'low': point.accuracy.low,
        'high': point.accuracy.high,
      }
      for point in adapted.learning_curve
    ]
  )


def _examples(
  adapted: adapting.Adapted, read: diagnosis_tables.Read
) -> tuple[diagnosis_tables.Example, ...]:
  """The mistakes that were made with most confidence, and typical answers.

  Of right answers, the one of middle confidence of each of the classes that
  have most.
  """
  held = adapted.held_out
  labels = adapted.labels[held.examples]
  answers = held.logits.argmax(axis=1)
  sure = calibration.probabilities(held.logits, adapted.temperature).max(axis=1)
  order = np.argsort(-sure, kind='stable')
  correct = answers == labels
  places = list(order[~correct[order]][:_EXAMPLES])
  counts = np.bincount(labels[correct], minlength=len(adapted.classes))
  for label in np.argsort(-counts, kind='stable')[:_EXAMPLES]:
    right = order[correct[order] & (labels[order] == label)]
    places += list(right[len(right) // 2 :][:1])
  explain = explaining.explainer(artefact.model_of(adapted))
  return tuple(
    diagnosis_tables.Example(
      index=int(held.examples[i]),
      given=adapted.classes[labels[i]],
      held_out=adapted.classes[answers[i]],
      explanation=explain(read(int(held.examples[i]))),
    )
    for i in places
  )
