"""What a diagnosis means, in sentences, the most useful first."""

from collections.abc import Iterator
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import diagnosis_tables
from vtab_h2t.tasks import concerns

if TYPE_CHECKING:
  import pandas as pd

# Sections of the page.
CLASSES, LABELS, TWINS, UNUSUAL, SURE, MORE = (
  'classes',
  'labels',
  'twins',
  'unusual',
  'probabilities',
  'more',
)
_ENOUGH = 0.9  # The confidence that a sentence speaks of.
_LITTLE = 0.01  # A gain of accuracy that is not worth many photographs.
_MANY = 0.25  # A share of images with twins that is not for copies alone.


@dataclasses.dataclass(frozen=True)
class Finding:
  """A sentence or two.

  Attributes:
    section: of the page, that says more.
    text: what was found and what to do about it.
  """

  section: str
  text: str


def of(found: diagnosis_tables.Tables) -> Iterator[Finding]:
  """What a person should know of their images."""
  for name, maker in (
    (LABELS, _labels),
    (TWINS, _twins),
    (CLASSES, _classes),
    (SURE, _sure),
    (MORE, more),
    (UNUSUAL, _unusual),
  ):
    for text in maker(found):
      yield Finding(name, text)


def _labels(found: diagnosis_tables.Tables) -> Iterator[str]:
  count = int(found.suspects.likely_wrong.sum())
  if count:
    yield (
      f'{count:,} of {_count(len(found.suspects), "label")} may be wrong: the '
      'classifier is as sure of another class as it usually is of images with '
      "that class's label. Look at these first, and correct those that are "
      'wrong.' + _unknown(found)
    )


def _unknown(found: diagnosis_tables.Tables) -> str:
  """That nothing is known of labels of images that were never held out."""
  rest = len(found.adapted.ids) - len(found.suspects)
  if not rest:
    return ''
  return (
    f' Nothing is known of the labels of the other {_count(rest, "image")}, '
    'which were never held out.'
  )


def _twins(found: diagnosis_tables.Tables) -> Iterator[str]:
  twins = found.duplicates
  torn = twins[twins.across_classes]
  if len(torn):
    same = int(torn.identical.sum())
    yield (
      f'{_count(len(torn), "pair")} of images in two different classes '
      f'{"is" if len(torn) == 1 else "are"} so alike that both may be one '
      'photograph'
      + (f' ({same:,} of them in every pixel)' if same else '')
      + '. At least one of the two labels may be wrong, or the classes overlap.'
    )
  if found.matched:
    rest = (
      'no image is without one, so nothing is known of new photographs'
      if found.unmatched is None
      else f'without those, accuracy is {found.unmatched}'
    )
    yield (
      f'{_count(found.matched, "held-out image")} had a near-duplicate among '
      'the images that were trained on, which can make the accuracy look '
      f'better than it is for new photographs: {rest}. Keep one image of each '
      'such pair.'
    )
  if found.matched > _MANY * found.adapted.accuracy.total:
    yield (
      'That is so many that they may be frames of a film, or that the network '
      'finds your photographs alike: look at some pairs before you believe it.'
    )


def _classes(found: diagnosis_tables.Tables) -> Iterator[str]:
  adapted = found.adapted
  for line in concerns.of_sizes(adapted.labels, adapted.classes):
    yield f'{line[0].upper()}{line[1:]}.'
  worst = _worst(found)
  if worst is not None:
    taken = found.pairs[found.pairs.given == worst['class']].iloc[0]
    yield (
      f'Of the images of {worst["class"]} only {_percent(worst.recall)} are '
      f'recognised (95 % interval {100 * worst.recall_low:.1f} to '
      f'{_percent(worst.recall_high)}); most often they are taken for '
      f'{taken.predicted}. More photographs of these two classes would help '
      'most, if their labels are right.'
    )


def _worst(found: diagnosis_tables.Tables) -> 'pd.Series | None':
  """The class of lowest recall that is worse than all others beyond chance.

  By the binomial probability of so few right answers, if the class were
  recognised as often as images are on average. As the worst of many classes is
  bad by chance, it must be below 2.5 % over the number of classes (Bonferroni).
  """
  from scipy import stats

  table = found.classes.dropna(subset=['recall'])
  accuracy = found.adapted.accuracy.correct / found.adapted.accuracy.total
  chance = stats.binom.cdf(
    np.round(table.recall * table.held_out), table.held_out, accuracy
  )
  bad = table[chance < 0.025 / len(table)]
  if bad.empty:
    return None
  return bad.sort_values('recall', kind='stable').iloc[0]


def _sure(found: diagnosis_tables.Tables) -> Iterator[str]:
  table = found.coverage
  line = table[table.min_confidence == _ENOUGH].iloc[0]
  if line.answered and line.mistakes_in_all:
    yield (
      f'If a person looks at all answers below a probability of {_ENOUGH:g} '
      f'(predict with --min_confidence={_ENOUGH:g}), the classifier answers '
      f'{_percent(line.share)} of the images alone, and of these answers '
      f'{_percent(line.accuracy)} are right (95 % interval '
      f'{100 * line.low:.1f} to {_percent(line.high)}).'
    )


def more(found: diagnosis_tables.Tables) -> Iterator[str]:
  """Whether more photographs would help."""
  curve = found.learning_curve.sort_values('images')
  if len(curve) < 2:
    return
  few, many = curve.iloc[-2], curve.iloc[-1]
  gain, low, high = difference(few, many)
  said = (
    f'With {many.images:,.0f} images instead of {few.images:,.0f} the accuracy '
    f'changed by {100 * gain:+.1f} points (95 % interval {100 * low:+.1f} to '
    f'{100 * high:+.1f})'
  )
  if low > 0:
    yield f'{said}: more photographs would most likely help.'
  elif high < _LITTLE:
    yield f'{said}: more photographs of the same kind would hardly help.'
  else:
    yield (
      f'{said}: with so few held-out images it cannot be told whether more '
      'photographs would help.'
    )


def difference(
  few: 'pd.Series', many: 'pd.Series'
) -> tuple[float, float, float]:
  """How much higher one accuracy is, and its 95 % interval.

  From the ends of both intervals, as of two samples (Newcombe, Statistics in
  Medicine 1998, method 10). The images are the same ones, so it is a little
  wide.

  Args:
    few, many: lines of the learning curve.
  """
  gain = many.accuracy - few.accuracy
  low = gain - np.hypot(many.accuracy - many.low, few.high - few.accuracy)
  high = gain + np.hypot(many.high - many.accuracy, few.accuracy - few.low)
  return float(gain), float(low), float(high)


def _unusual(found: diagnosis_tables.Tables) -> Iterator[str]:
  count = int(found.unusual.unusual.sum())
  if count:
    yield (
      '1 image is unlike all others: either it is no photograph of these '
      'classes and should be removed, or it is the only one of its kind, and '
      'more like it would help.'
      if count == 1
      else f'{count:,} images are unlike all others: either they are no '
      'photographs of these classes and should be removed, or they are the '
      'only ones of their kind, and more like them would help.'
    )


def _count(number: int, what: str) -> str:
  return f'{number:,} {what}{"s" if number != 1 else ""}'


def _percent(share: float) -> str:
  return f'{100 * share:.1f} %'
