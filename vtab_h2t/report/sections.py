"""The sections of the report's page, as values for its template."""

import base64
from collections.abc import Iterable
from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t import published
from vtab_h2t.report import again
from vtab_h2t.report import catalogue
from vtab_h2t.report import caveats
from vtab_h2t.report import companion_rows
from vtab_h2t.report import headline
from vtab_h2t.report import html_tables
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import making
from vtab_h2t.report import measured_cost
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import page_claims
from vtab_h2t.report import page_tables
from vtab_h2t.report import papers
from vtab_h2t.report import plotting
from vtab_h2t.report import readable
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import run_names
from vtab_h2t.report import seconds as seconds_lib
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import tables

if TYPE_CHECKING:
  import markupsafe

Section = dict[str, Any]
# Outputs whose content has a place of its own on the page.
_SHOWN_BY_ITSELF = 'table1', 'claims', 'contradictions', 'companion_claims'
_DPI = 110


def of_run(results: results_lib.Results) -> Section:
  """All that was measured with a run."""
  run = results.run
  section = summary_of_run(results) | {
    'claims': headline.claims_in_lines(results),
    'costs': _costs(results),
    'failures': [
      f'{r["method"]} on {r["task"]}, {r["split"]}, seed {r["seed"]}: '
      f'{r["failed"]}'
      for job in results.rows.values()
      for r in job
      if 'failed' in r
    ],
    'provenance': _provenance(results),
  }
  return section | _shown(
    [
      (output, output.of_results(results))
      for output in catalogue.of(run).values()
      if output.name not in (*_SHOWN_BY_ITSELF, 'table3')
      and output.possible(results)
    ],
    f'measured: {run.name}',
    is_printed=False,
  )


def summary_of_run(results: results_lib.Results) -> Section:
  """What a run says: in sentences, and Table 1 with what it is not good for."""
  run, rows = results.run, results.of(jobs.ACCURACY)
  is_comparable = papers.comparable(run)
  section: Section = {
    'name': run.name,
    'label': run_names.label(run),
    'sentences': headline.sentences(results),
    'holding': headline.claims_that(results, judging.HOLDS),
    'failing': headline.claims_that(results, judging.FAILS),
    'caveats': caveats.of(results),
    'published': is_comparable,
    'protocol': f'{run_names.label(run)}.',
  }
  if any(r['split'] == 'test' and r['correct'] is not None for r in rows):
    summary = statistics.summarise(rows)
    section |= {
      'comparison': page_tables.comparison(
        summary, run.backbone if is_comparable else None
      ),
      'protocol': tables.title(summary, run_names.label(run)) + '.',
      'moves': tables.note(summary),
      'budget': caveats.of_search(results),
      'standing': page_tables.standing_lines(
        summary, standing.of_run(results), rounding.is_known(run)
      ),
    } | page_tables.table1(summary, is_comparable)
  return section


def of_the_paper() -> list[Section]:
  """What the paper prints."""
  found: list[Section] = []
  for backbone, summary in making.summaries_of_the_paper().items():
    found.append(
      {
        'name': f'published, {backbone}',
        'label': f'The paper, {papers.LABELS[backbone]}, VTAB-1k',
        'sentences': headline.apart(headline.of_summary(summary)),
        'protocol': 'Published (Tables 1 and 4): test accuracy in percent, '
        'median of 3 seeds.',
        'claims': page_claims.of(judging.of_paper(backbone), 'derived'),
      }
      | page_tables.table1(summary, False)
    )
  made = [
    (output, output.of_paper())
    for output in (
      *catalogue.OUTPUTS.values(),
      *catalogue.COMPANIONS.values(),
    )
    if output.published and output.name not in _SHOWN_BY_ITSELF
  ]
  found.append(
    {
      'name': 'published',
      'label': 'Other tables and figures',
      'sentences': ('From what the paper prints; nothing of it was measured.',),
    }
    | _shown(made, published.SOURCE, is_printed=True)
  )
  return found


def _shown(
  outputs: Iterable[tuple[output_lib.Output, output_lib.Frames]],
  source: str,
  is_printed: bool,
) -> Section:
  """Tables and figures for the template.

  Args:
    outputs: each with its frames.
    source: from where their numbers come.
    is_printed: whether that is the paper, with as many digits as it prints.
  """
  found: dict[str, Any] = {'tables': [], 'figures': []}
  for output, made in outputs:
    if output.draw:
      picture = plotting.png(output.picture(made, source), _DPI)
      found['figures'].append(
        {
          'name': output.name,
          'title': output.title,
          'shows': output.shows,
          'png': base64.b64encode(picture).decode('ascii'),
          'tables': [html_tables.html(t, is_printed) for t in made.values()],
        }
      )
    else:
      found['tables'] += [
        {
          'title': '' if i else output.title,
          'note': '. '.join(
            filter(None, (_note(output, name), readable.said_once(t)))
          ),
          'label': output.title.partition(':')[0],
          'html': html_tables.html(t, is_printed),
          'lines': len(t),
        }
        for i, (name, t) in enumerate(made.items())
      ]
  return found


def _note(output: output_lib.Output, name: str) -> str:
  """What one of an output's frames shows; '' if the title says it."""
  if name in output.headings or name == output.name:
    return output.headings.get(name, '')
  network = run_names.network(name)
  return network if network != name else readable.heading(name).capitalize()


def _costs(results: results_lib.Results) -> list[dict[str, Any]]:
  """Measured, and what the search for the fraction adds; not what is printed.

  Empty where nothing was measured.
  """
  own = results.own_measurements
  made = {
    'measured': measured_cost.measured(results.run, own),
    'by_method': measured_cost.by_method(results.run, own),
  }
  made = {name: table for name, table in made.items() if len(table)}
  if 'measured' in made:
    made['measured'] = measured_cost.in_short(made['measured'])
  if made and results.run.suite != companion_rows.SUITE:
    made['overhead'] = making.overhead(results)
  shown = {
    'measured': 'Head2Toe, fine-tuning and Linear on the tasks that have all; '
    "operations are those of the model of the paper's Table 3",
    'by_method': 'Method by method',
    'overhead': 'What the search for the fraction adds to the operations of '
    'the heads on all features: 0.2 is a fifth',
  }
  return [
    {
      'note': note,
      'label': 'Cost',
      'html': html_tables.html(
        made[name].drop(columns=[c for c in made[name] if 'wall_' in c])
      ),
      'lines': len(made[name]),
    }
    for name, note in shown.items()
    if name in made
  ]


def _provenance(results: results_lib.Results) -> 'markupsafe.Markup':
  """What was run."""
  run = results.run
  lines = [
    {'what': 'run', 'value': f'{run.id} (run.json has all of it)'},
    {'what': 'weights sha256', 'value': run.network.sha256},
  ]
  facts = [m.facts for m in results.measurements]
  if facts:
    commits = sorted(
      {
        f['git']['commit'][:12] + ('+changes' if f['git']['dirty'] else '')
        if f['git']
        else 'unknown'
        for f in facts
      }
    )
    lines += [
      {'what': 'commit', 'value': ', '.join(commits)},
      {
        'what': 'seconds by the clock / of processors, derived runs included',
        'value': ' / '.join(
          f'{seconds_lib.total(facts, clock):,.0f}' for clock in ('wall', 'cpu')
        ),
      },
      {
        'what': 'peak memory, GiB',
        'value': '{:.1f}'.format(
          max(f['peak_memory_bytes'] for f in facts) / 2**30
        ),
      },
      {
        'what': 'machine',
        'value': ', '.join(
          sorted({f'{f["processor"]}, {f["machine"]}' for f in facts})
        ),
      },
      {
        'what': 'versions',
        'value': ', '.join(f'{p} {v}' for p, v in facts[0]['packages'].items()),
      },
    ]
    lines += [
      {'what': 'command', 'value': part.command}
      for part in again.parts(run, facts)
    ]
  return html_tables.html(pd.DataFrame(lines))
