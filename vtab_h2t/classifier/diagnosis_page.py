"""The page of a diagnosis: one file that needs no other."""

from collections.abc import Iterable, Iterator
import functools
import importlib.resources
import pathlib
import re
from typing import Any, TYPE_CHECKING

from vtab_h2t.classifier import diagnosis_figures as figures
from vtab_h2t.classifier import diagnosis_findings
from vtab_h2t.classifier import diagnosis_tables
from vtab_h2t.classifier import neighbours

if TYPE_CHECKING:
  import markupsafe

# How many of each the page shows; all are in the tables.
_SUSPECTS, _TWINS, _UNUSUAL = 24, 12, 12
_PAIRS, _OF_A_PAIR = 6, 4
_CLASSES = 40


def build(found: diagnosis_tables.Tables) -> str:
  """The page, which is the same for the same diagnosis.

  Raises:
    errors.InputError: an image is no longer there.
  """
  import jinja2

  environment = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
  )
  template = environment.from_string(
    importlib.resources.files(__package__)
    .joinpath('diagnosis.html')
    .read_text(encoding='utf-8')
  )
  small = _Small(found)
  curve = len(found.learning_curve) > 1
  return template.render(
    d=found,
    a=found.adapted,
    findings=[
      {'section': f.section, 'html': _html(f.text)}
      for f in diagnosis_findings.of(found)
    ],
    classes=found.classes.sort_values('recall', kind='stable').head(_CLASSES),
    most_classes=figures.MOST_CLASSES,
    nearest=neighbours.NEAREST,
    pairs=list(_pairs(found, small)),
    suspects=[
      {**row, **small.of(index)}
      for index, row in _first(found.suspects, _SUSPECTS)
    ],
    twins=[
      {
        **row,
        'one': small.of(row['first']),
        'other': small.of(row['second']),
      }
      for _, row in _first(found.duplicates, _TWINS)
    ],
    unusual=[
      {**row, **small.of(index)}
      for index, row in _first(found.unusual, _UNUSUAL)
    ],
    examples=list(_examples(found, small)),
    confusion=figures.png(figures.confused(found)),
    reliability=[
      (is_scaled, figures.png(figures.reliability(found, is_scaled)))
      for is_scaled in (False, True)[: 1 + (found.adapted.temperature != 1)]
    ],
    curve=figures.png(figures.curve(found)) if curve else '',
    more=' '.join(diagnosis_findings.more(found)),
    taps=figures.png(figures.taps(found)),
  )


def _html(text: str) -> 'markupsafe.Markup':
  """A sentence whose flags and percentages stay whole at ends of lines."""
  import markupsafe

  safe = str(markupsafe.escape(text)).replace(' %', '&nbsp;%')
  return markupsafe.Markup(re.sub(r'(--\w[\w=.]*\w)', r'<code>\1</code>', safe))


class _Small:
  """Small pictures of images, each made once."""

  def __init__(self, found: diagnosis_tables.Tables) -> None:
    self._found = found
    self.of = functools.cache(self._of)

  def _of(self, index: int) -> dict[str, str]:
    """A picture, and the end of the name and the name of an image."""
    name = self._found.adapted.ids[index]
    return {
      'picture': figures.jpeg(self._found.read(int(index))),
      'name': '/'.join(pathlib.PurePath(name).parts[-2:]),
      'whole_name': name,
    }


def _first(table: Any, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
  """The first lines of a table, with their index."""
  part = table.head(count)
  yield from zip(part.index.tolist(), part.to_dict('records'), strict=True)


def _pairs(
  found: diagnosis_tables.Tables, small: _Small
) -> Iterable[dict[str, Any]]:
  """The most confused pairs, each with some of its images."""
  for _, row in _first(found.pairs, _PAIRS):
    table = found.suspects
    its = table[
      (table.given == row['given']) & (table.predicted == row['predicted'])
    ]
    yield {
      **row,
      'images_shown': [small.of(i) for i in its.index[:_OF_A_PAIR].tolist()],
    }


def _examples(
  found: diagnosis_tables.Tables, small: _Small
) -> Iterator[dict[str, Any]]:
  """Answers and where they come from."""
  for example in found.examples:
    explanation = example.explanation
    if explanation.places:
      yield {
        'given': example.given,
        'held_out': example.held_out,
        'predicted': found.adapted.classes[explanation.predicted],
        'logit': explanation.logit,
        'parts': explanation.parts(),
        'seen': figures.jpeg(explanation.seen, 192),
        'map': figures.jpeg(figures.overlaid(explanation), 192),
        'name': small.of(example.index)['name'],
      }
