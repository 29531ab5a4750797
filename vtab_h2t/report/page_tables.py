"""Table 1 on a page, methods beside Head2Toe, and the paper's story."""

from typing import Any

import pandas as pd

from vtab_h2t.report import frames
from vtab_h2t.report import headline
from vtab_h2t.report import numerals
from vtab_h2t.report import papers
from vtab_h2t.report import rounding
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.tasks import task as task_lib


def standing_lines(
  summary: pd.DataFrame, found: pd.DataFrame, is_rounded: bool = False
) -> list[dict[str, Any]]:
  """Methods by the means of groups, each beside Head2Toe; none without it.

  Args:
    summary: what `statistics.summarise` gives.
    found: what `standing.table` gives.
    is_rounded: whether `rounding` tells of the run.
  """
  if found.empty:
    return []
  wide = statistics.wide(summary, task_lib.GROUPS)
  groups = [group for group, task in wide.columns if task == 'mean']
  found = found.assign(fewer=standing.fewer_tasks(found))
  beside = {line['method']: line for line in found.to_dict('records')}
  lines = []
  for method in wide.index:
    line = beside.get(method, {})
    interval, reading = '', line.get('reading', '')
    if is_rounded and method in rounding.TIES and reading == standing.WORSE:
      reading = f'{reading}, but a tie {rounding.OTHERWISE}'
    if not pd.isna(line.get('low', float('nan'))):
      interval = (
        f'{numerals.signed(line["low"])} to {numerals.signed(line["high"])}'
      )
    lines.append(
      {
        'method': tables.LABELS.get(method, method),
        'means': {
          group: _number(wide.loc[method, (group, 'mean')]) for group in groups
        },
        'points': numerals.signed(line['points']) if line else '',
        'interval': interval,
        'reading': ', '.join(filter(None, [reading, line.get('fewer', '')])),
      }
    )
  return lines


def comparison(summary: pd.DataFrame, own: str | None) -> str:
  """Whether that is the paper's story.

  Args:
    summary: of a run.
    own: the only backbone whose numbers may stand beside it, None for both.
  """
  both = statistics.compared(summary, headline.COMPARED)
  if both.empty:
    return ''
  gains = _gains_by_group(
    both.rename(columns={'accuracy_percent': 'percent'})
  ).drop('average')
  stories = {
    papers.LABELS[b]: _gains_by_group(frames.published_accuracies(b))
    for b in ((own,) if own else papers.BACKBONES)
  }
  text = (
    'The paper, on VTAB-1k: '
    if own
    else 'Do not compare sizes, as networks or tasks are others. The paper '
    'says of its own, on VTAB-1k: '
  ) + '; '.join(
    f'{label} {numerals.signed(story.average)} on average ('
    + ', '.join(
      f'{g} {numerals.signed(v)}' for g, v in story.drop('average').items()
    )
    + ')'
    for label, story in stories.items()
  )
  common = [g for g in gains.index if g in next(iter(stories.values()))]
  if len(common) < 2:
    return f'{text}.'
  most = {label: story[common].idxmax() for label, story in stories.items()}
  if len(most) > 1 and len(set(most.values())) == 1:
    theirs = f'{next(iter(most.values()))} with both networks'
  else:
    theirs = ', '.join(
      f'{group} with the {label}' for label, group in most.items()
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
      if m in headline.COMPARED
    },
    table.drop_duplicates('task').set_index('task').group,
  ).set_index('method')
  gains = means.loc['head2toe'] - means.loc['linear']
  return gains.astype(float).round(statistics.DIGITS)


def table1(summary: pd.DataFrame, comparable: bool) -> dict[str, Any]:
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
    cells = [
      _cell(f'mean of {group}') if mean else _cell(task) | {'below': group}
    ]
    if len(affinity):
      cells.append(_number(affinity[group, task]))
    for method in wide.index:
      cell = _number(wide.loc[method, (group, task)])
      if cell['sort'] != '':
        # As it is printed, so that equal numbers are not told apart.
        cell['best'] = cell['text'] == numerals.number(wide[group, task].max())
        deviation = spread.loc[method, (group, task)]
        if not mean and not pd.isna(deviation):
          cell['below'] = f'± {numerals.number(deviation)}'
        if not mean and differ:
          count = seeds.loc[method, (group, task)]
          cell['below'] = f'{cell["below"]} ({count:.0f})'.strip()
        if (method, task) in printed:
          theirs = printed[method, task]
          cell['below'] = f'{numerals.number(theirs)} ' + numerals.signed(
            wide.loc[method, (group, task)] - theirs
          )
      cells.append(cell)
    lines.append({'mean': mean, 'cells': cells})
  return {
    'head': head,
    'lines': lines,
    'has_deviations': bool(summary.std_percent.notna().any())
    and not comparable,
  }


def _cell(text: str) -> dict[str, Any]:
  """A cell that is sorted by its text."""
  return {'text': text, 'sort': text, 'below': '', 'best': False}


def _number(value: float) -> dict[str, Any]:
  """A cell that is sorted by its number; empty if it is missing."""
  if pd.isna(value):
    return _cell('')
  return _cell(numerals.number(value)) | {'sort': f'{value:.4f}'}
