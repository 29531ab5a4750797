"""One self-contained HTML page: all that a work directory has, or the paper."""

from collections.abc import Mapping, Sequence
import importlib.resources
from typing import Any

import pandas as pd

from vtab_h2t.report import contradictions
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import sections
from vtab_h2t.report import toy_claims

# Of a section, where it has no such part.
_EMPTY = {
  'comparison': '',
  'published': False,
  'protocol': '',
  'claims': (),
  'cost': '',
  'failures': None,
  'provenance': '',
  'head': (),
  'lines': (),
  'tables': (),
  'figures': (),
}


def build(
  measured: Sequence[results_lib.Results],
  with_published: bool,
  toys: Mapping[str, pd.DataFrame],
) -> str:
  """The page.

  Args:
    measured: the results of each run.
    with_published: whether what the paper prints comes after them.
    toys: what `toys.tables.tables` gives.
  """
  found = [sections.of_run(results) for results in measured]
  if with_published:
    found += sections.of_the_paper()
  return _render(
    'Head2Toe, ' + ('measured' if measured else 'as published'), found, toys
  )


def _render(
  title: str,
  found: Sequence[Mapping[str, Any]],
  toys: Mapping[str, pd.DataFrame],
) -> str:
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
    title=title,
    runs=[{**_EMPTY, **section} for section in found],
    toys=sections.html(toy_claims.table(toys)),
    contradictions=[
      {
        'text': c.text,
        'tables': c.tables,
        'value': None if c.check is None else f'{c.check():.3g}',
      }
      for c in contradictions.CONTRADICTIONS
    ],
  )
