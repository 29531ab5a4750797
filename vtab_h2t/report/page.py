"""HTML pages of all that a work directory has, or of the paper.

The first page has what was found: the main run's table and the verdicts of all
runs. Each run has a page of its own, so that every page opens at once. Pages
need no other file but those that they link to.
"""

from collections.abc import Mapping, Sequence
import importlib.resources
from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import contradictions
from vtab_h2t.report import headline
from vtab_h2t.report import html_tables
from vtab_h2t.report import page_claims
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import sections
from vtab_h2t.report import summary
from vtab_h2t.report import toy_claims

if TYPE_CHECKING:
  import markupsafe

# First in what is written by `build`, by which old pages are known.
MARK = '<!doctype html>\n<!-- made by vtab_h2t.report -->'
_PUBLISHED = 'published'
# Of a section, where it has no such part.
_EMPTY = {
  'comparison': '',
  'published': False,
  'protocol': '',
  'moves': '',
  'claims': None,
  'caveats': (),
  'holding': (),
  'failing': (),
  'standing': (),
  'costs': (),
  'failures': None,
  'provenance': '',
  'head': (),
  'lines': (),
  'has_deviations': False,
  'tables': (),
  'figures': (),
}


def build(
  measured: Sequence[results_lib.Results],
  with_published: bool,
  toys: Mapping[str, pd.DataFrame],
  name: str = 'report',
) -> dict[str, str]:
  """The pages.

  Args:
    measured: the results of each run, the main one first.
    with_published: whether what the paper prints comes after them.
    toys: what `toys.tables.tables` gives.
    name: of the first page, without its ending; the others are in a folder
      that is called so.

  Returns:
    Each page by its path, relative to the first, which is first: NAME.html.
    A single run, or the paper alone, is all on that.
  """
  first = f'{name}.html'
  if not measured:
    found = sections.of_the_paper()
    return {first: _render('Head2Toe, as published', found, toys)}
  title = 'Head2Toe, measured'
  if len(measured) == 1 and not with_published:
    return {first: _render(title, [sections.of_run(measured[0])], toys)}
  links = {one.run.name: f'{name}/{one.run.name}.html' for one in measured}
  pages = {
    first: _render(
      title,
      [],
      toys,
      main=_EMPTY | sections.summary_of_run(measured[0]),
      runs=[_line(one, links[one.run.name]) for one in measured],
      published=f'{name}/{_PUBLISHED}.html' if with_published else '',
      verdicts=page_claims.of_all(measured, links),
    )
  }
  up = f'../{first}'
  for one in measured:
    section = sections.of_run(one)
    pages[links[one.run.name]] = _render(section['label'], [section], up=up)
  if with_published:
    pages[f'{name}/{_PUBLISHED}.html'] = _render(
      'Head2Toe, as published', sections.of_the_paper(), up=up
    )
  return pages


def _line(results: results_lib.Results, link: str) -> dict[str, Any]:
  """A run in the first page's list."""
  return {
    'name': results.run.name,
    'label': run_names.label(results.run),
    'link': link,
    'measured': summary.counted(results),
    'answer': headline.answer(results),
  }


def _render(
  title: str,
  found: Sequence[Mapping[str, Any]],
  toys: Mapping[str, pd.DataFrame] | None = None,
  **front: Any,
) -> str:
  """A page.

  Args:
    title: its heading.
    found: its sections.
    toys: of the first page, which has what is of no run; else None.
    **front: what else it shows: `main`, `runs`, `published`, `verdicts` of a
      first page with a list of runs, `up` of the others.
  """
  import jinja2

  environment = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
  )
  template = environment.from_string(
    importlib.resources.files(__package__)
    .joinpath('page.html')
    .read_text(encoding='utf-8')
  )
  return template.render(
    mark=MARK,
    title=title,
    sections=[{**_EMPTY, **section} for section in found],
    toys='' if toys is None else _toys(toys),
    contradictions=[] if toys is None else _contradictions(),
    **{'main': None, 'runs': (), 'published': '', 'verdicts': (), 'up': ''}
    | front,
  )


def _toys(toys: Mapping[str, pd.DataFrame]) -> 'markupsafe.Markup':
  """The toy problems' claims, a line each."""
  found = toy_claims.table(toys)
  agree = [f'{n} of {of}' for n, of in zip(found.seeds, found.of)]
  return html_tables.html(
    found[['claim', 'verdict']].assign(
      **{'seeds that agree': agree, 'setting': found.setting},
      paper=found['where'],
    )
  )


def _contradictions() -> list[tuple[str, str]]:
  """What the paper says, and what stands against it."""
  table = contradictions.table()
  return list(zip(table.text, contradictions.answers(table)))
