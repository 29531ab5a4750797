"""The sections of the report's page, as values for its template."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.report import bootstrap
from vtab_h2t.report import catalogue
from vtab_h2t.report import companion_answer
from vtab_h2t.report import companion_rows
from vtab_h2t.report import frames
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import making
from vtab_h2t.report import measured_cost
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import papers
from vtab_h2t.report import plotting
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import markupsafe

Section = dict[str, Any]
# Outputs whose content has a place of its own on the page.
_SHOWN_BY_ITSELF = 'table1', 'claims', 'contradictions', 'companion_claims'


def html(table: pd.DataFrame) -> 'markupsafe.Markup':
  """A table as safe HTML; missing numbers are blank, others have 4 digits."""
  import markupsafe

  text = table.to_html(
    index=False,
    border=0,
    na_rep='',  # Whole numbers may be long.
    float_format=lambda v: f'{v:.4g}' if abs(v) < 1e4 else f'{v:.0f}',
  )
  return markupsafe.Markup(text)


def of_run(results: results_lib.Results) -> Section:
  """All that was measured with a run."""
  import markupsafe

  run, rows = results.run, results.of(jobs.ACCURACY)
  costs = [
    measured_cost.measured(run, results.measurements),
    measured_cost.by_method(run, results.folder.measurements()),
  ]
  section = {
    'name': run.name,
    'answer': answer(results),
    'published': papers.comparable(run),
    'protocol': f'{run.title}.',
    'claims': _claims(judging.of_run(results)),
    'cost': markupsafe.Markup('').join(
      html(table.drop(columns=[c for c in table if c.endswith('wall_seconds')]))
      for table in costs
      if len(table)
    ),
    'failures': [
      f'{r["method"]} on {r["task"]}, {r["split"]}, seed {r["seed"]}: '
      f'{r["failed"]}'
      for job in results.rows.values()
      for r in job
      if 'failed' in r
    ],
    'provenance': _provenance(results),
  }
  if any(r['split'] == 'test' and r['correct'] is not None for r in rows):
    summary = statistics.summarise(rows)
    section |= {
      'comparison': _comparison(
        summary, run.backbone if papers.comparable(run) else None
      ),
      'protocol': tables.title(summary, run.title) + '.',
    } | _table1(summary, papers.comparable(run))
  return section | _shown(
    [
      (output, output.of_results(results))
      for output in catalogue.of(run).values()
      if output.name not in _SHOWN_BY_ITSELF and output.possible(results)
    ],
    f'measured: {run.name}',
  )


def of_the_paper() -> list[Section]:
  """What the paper prints."""
  found: list[Section] = []
  for backbone, summary in making.summaries_of_the_paper().items():
    found.append(
      {
        'name': f'VTAB-1k, {backbone}',
        'answer': _answer(summary),
        'protocol': 'Published (Tables 1 and 4): test accuracy in percent, '
        'median of 3 seeds.',
        'claims': _claims(judging.of_paper(backbone)),
      }
      | _table1(summary, False)
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
      'name': 'Other tables and figures',
      'answer': 'From what the paper prints; nothing of it was measured.',
    }
    | _shown(made, published.SOURCE)
  )
  return found


def answer(results: results_lib.Results) -> str:
  """Of a run: does Head2Toe beat Linear, where, and by how much.

  Of a run under shifts: what it says of the companion papers' claims.
  """
  if results.run.suite == companion_rows.SUITE:
    return companion_answer.answer(results)
  rows = results.of(jobs.ACCURACY)
  if not any(r['split'] == 'test' and r['correct'] is not None for r in rows):
    return _NO_ANSWER
  interval = next(
    v.interval
    for v in judging.verdicts(results)
    if v.claim.id == 'head2toe_above_linear'
  )
  return _answer(statistics.summarise(rows), interval)


_COMPARED = 'linear', 'head2toe'
_NO_ANSWER = 'Head2Toe and Linear were not both measured.'


def _answer(
  summary: pd.DataFrame, interval: bootstrap.Interval | None = None
) -> str:
  """The same, of tasks that have both; None for no interval."""
  both = statistics.compared(summary, _COMPARED)
  if both.empty:
    return _NO_ANSWER
  wide = statistics.wide(both[both.method.isin(_COMPARED)], task_lib.GROUPS)
  gain = wide.loc['head2toe'] - wide.loc['linear']
  by_task = gain[[c for c in gain.index if c[1] != 'mean']]
  groups = ', '.join(
    f'{group} {gain[group, "mean"]:+.1f}'
    for group in dict.fromkeys(g for g, _ in gain.index)
    if group != 'all'
  )
  best, worst = by_task.idxmax(), by_task.idxmin()
  spread = (
    f' (95 % interval {interval.low:+.1f} to {interval.high:+.1f})'
    if interval and not pd.isna(interval.low)
    else ''
  )
  return (
    f'Head2Toe against Linear: {gain["all", "mean"]:+.1f} points on average'
    f'{spread}, better on {int((by_task > 0).sum())} of {len(by_task)} '
    f'tasks. By group: {groups}. Most on {best[1]} ({by_task[best]:+.1f}), '
    f'least on {worst[1]} ({by_task[worst]:+.1f}).'
  )


def _comparison(summary: pd.DataFrame, own: str | None) -> str:
  """Whether that is the paper's story.

  Args:
    summary: of a run.
    own: the only backbone whose numbers may stand beside it, None for both.
  """
  both = statistics.compared(summary, _COMPARED)
  if both.empty:
    return ''
  gains = _gains_by_group(
    both.rename(columns={'accuracy_percent': 'percent'})
  ).drop('average')
  stories = {
    papers.LABELS[b]: _gains_by_group(frames.published_accuracies(b))
    for b in ((own,) if own else papers.BACKBONES)
  }
  text = 'The paper, on VTAB-1k: ' + '; '.join(
    f'{label} {story.average:+.1f} on average ('
    + ', '.join(f'{g} {v:+.1f}' for g, v in story.drop('average').items())
    + ')'
    for label, story in stories.items()
  )
  common = [g for g in gains.index if g in next(iter(stories.values()))]
  if len(common) < 2:
    return f'{text}.'
  theirs = ', '.join(
    f'{story[common].idxmax()} with the {label}'
    for label, story in stories.items()
  )
  return (
    f'{text}. The group that gains most is {gains[common].idxmax()} with these '
    f'rows; in the paper it is {theirs}.'
  )


def _gains_by_group(table: pd.DataFrame) -> pd.Series:
  """Points of Head2Toe over Linear: 'average', and by group.

  Args:
    table: method, task, group, percent.
  """
  means = frames.group_means(
    {
      m: t.set_index('task').percent
      for m, t in table.groupby('method')
      if m in _COMPARED
    },
    table.drop_duplicates('task').set_index('task').group,
  ).set_index('method')
  return (means.loc['head2toe'] - means.loc['linear']).astype(float)


def _table1(summary: pd.DataFrame, comparable: bool) -> Section:
  """Head and lines of Table 1: a line a task, a column a method."""
  wide = statistics.wide(summary, task_lib.GROUPS)
  spread, seeds = (
    statistics.wide(summary, task_lib.GROUPS, column)
    for column in ('std_percent', 'seeds')
  )
  differ = summary.seeds.nunique() > 1
  affinity = statistics.domain_affinity(wide)
  head = [
    'task',
    'group',
    *(['affinity'] if len(affinity) else []),
    *(tables.LABELS.get(m, m) for m in wide.index),
  ]
  printed = {}
  if comparable:
    table = frames.published_accuracies(summary.backbone.iloc[0])
    printed = table.set_index(['method', 'task']).percent
  lines = []
  for group, task in wide.columns:
    mean = task == 'mean'
    cells = [_cell(f'mean of {group}' if mean else task), _cell(group)]
    if len(affinity):
      cells.append(_number(affinity[group, task]))
    for method in wide.index:
      cell = _number(wide.loc[method, (group, task)])
      if cell['sort'] != '':
        cell['best'] = (
          wide.loc[method, (group, task)] == wide[group, task].max()
        )
        deviation = spread.loc[method, (group, task)]
        if not mean and not pd.isna(deviation):
          cell['below'] = f'± {deviation:.1f}'
        if not mean and differ:
          count = seeds.loc[method, (group, task)]
          cell['below'] = f'{cell["below"]} ({count:.0f})'.strip()
        if (method, task) in printed:
          theirs = printed[method, task]
          cell['below'] = (
            f'{theirs:.1f} {wide.loc[method, (group, task)] - theirs:+.1f}'
          )
      cells.append(cell)
    lines.append({'mean': mean, 'cells': cells})
  return {'head': head, 'lines': lines}


def _cell(text: str) -> dict[str, Any]:
  """A cell that is sorted by its text."""
  return {'text': text, 'sort': text, 'below': '', 'best': False}


def _number(value: float) -> dict[str, Any]:
  """A cell that is sorted by its number; empty if it is missing."""
  if pd.isna(value):
    return _cell('')
  return _cell(f'{value:.1f}') | {'sort': f'{value:.4f}'}


def seen(value: float) -> str:
  """The smallest effect that could be seen; 'none' if none could."""
  return '' if pd.isna(value) else 'none' if np.isinf(value) else f'{value:.2f}'


def _claims(table: pd.DataFrame) -> list[dict[str, Any]]:
  """The table of claims, from what `judging.table` gives."""
  return [_claim(line) for line in table.to_dict('records')]


def _claim(line: Mapping[str, Any]) -> dict[str, Any]:
  """A line of the table of claims."""

  def number(value: float) -> str:
    return '' if pd.isna(value) else f'{value:.2f}'

  interval = (
    '' if pd.isna(line['low']) else (f'{line["low"]:.2f} to {line["high"]:.2f}')
  )
  return {
    'claim': line['claim'],
    'where': judging.place(line['where'], line['of']),
    'statistic': line['statistic'],
    'published': line['published'],
    'measured': number(line['measured']),
    'interval': interval,
    'detectable': seen(line['detectable']),
    'verdict': line['verdict'],
    'tasks': line['tasks'],
    'rows': line['rows'],
    'mark': {judging.HOLDS: 'holds', judging.FAILS: 'fails'}.get(
      line['verdict'], 'open'
    ),
  }


def _shown(
  outputs: Iterable[tuple[output_lib.Output, output_lib.Frames]], source: str
) -> Section:
  """Tables and figures for the template, from where their numbers come."""
  found: dict[str, Any] = {'tables': [], 'figures': []}
  for output, made in outputs:
    if output.draw:
      picture = plotting.png(output.picture(made, source), 110)
      found['figures'].append(
        {
          'name': output.name,
          'title': output.title,
          'png': base64.b64encode(picture).decode('ascii'),
          'tables': [html(t) for t in made.values()],
        }
      )
    else:
      found['tables'] += [
        {
          'title': '' if i and output.headings else output.title,
          'note': output.headings.get(name, ''),
          'html': html(t),
        }
        for i, (name, t) in enumerate(made.items())
      ]
  return found


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
    seconds = {
      clock: sum(stage[clock] for f in facts for stage in f['seconds'].values())
      for clock in ('wall', 'cpu')
    }
    lines += [
      {'what': 'commit', 'value': ', '.join(commits)},
      {
        'what': 'seconds, wall / cpu',
        'value': f'{seconds["wall"]:,.0f} / {seconds["cpu"]:,.0f}',
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
      {'what': 'command', 'value': command}
      for command in sorted({f['command'] for f in facts})
    ]
  return html(pd.DataFrame(lines))
