"""From a cell of Table 1 to what it is made of, in words and small tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.methods import interface
from vtab_h2t.protocol import accuracy as accuracy_lib
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import frames
from vtab_h2t.report import jobs
from vtab_h2t.report import numerals
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import run_names
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.report import terminal

_SHOWN = 5  # Settings, besides the chosen one.


def has(results: results_lib.Results, task: str, method: str) -> bool:
  """Whether Table 1 of a run has a cell."""
  return any(
    (r['task'], r['method'], r['split']) == (task, method, 'test')
    for r in results.of(jobs.ACCURACY)
  )


def check(results: results_lib.Results, task: str, method: str) -> None:
  """Raises InputError, which names what there is, if a run lacks a cell."""
  rows = [r for r in results.of(jobs.ACCURACY) if r['split'] == 'test']
  where = f'the run {results.run.name}'
  _check_known('task', task, [r['task'] for r in rows], f'in {where}')
  having = [r['method'] for r in rows if r['task'] == task]
  _check_known('method', method, having, f'for {task} in {where}')


def _check_known(
  kind: str, name: str, known: Sequence[str], where: str
) -> None:
  if name not in known:
    raise errors.InputError(
      f'there is no {kind} {name!r} {where}; choose from '
      f'{", ".join(dict.fromkeys(known)) or "none"}'
    )


def measured(
  results: results_lib.Results,
  task: str,
  method: str,
  again: Sequence[str],
  width: int | None = None,
) -> str:
  """What a cell of a run's Table 1 is made of.

  Args:
    results: of the run.
    task: of the cell.
    method: of the cell.
    again: the command that measures it once more, as its words.
    width: columns of the terminal; found out where None.

  Raises:
    errors.InputError: there is no such cell, or its rows are damaged.
  """
  check(results, task, method)
  run, folder = results.run, results.folder
  path = folder.rows_path(task, 'rows', method)
  rows = folder.read(path)
  tested = [r for r in rows if r['split'] == 'test']
  told = [
    m.facts
    for m in folder.measurements()
    if m.facts['task'] == task and method in m.rows
  ]
  columns = width or terminal.width()
  facts = [
    ('run', f'{run.name}, id {run.id}: {run_names.label(run)}'),
    ('folder', str(folder.path)),
    ('rows', str(path)),
  ]
  parts = [
    terminal.prose(_headline(tested, task, method), columns),
    '\n'.join(terminal.entries(facts, columns)),
    _seeds(rows, columns),
    terminal.prose(_median(tested), columns),
    terminal.prose(_rounded(run, task, method), columns),
    _settings(rows, columns),
    *(_measurement(f, method, columns) for f in told),
    terminal.prose('Measured again, where no rows are yet, by', columns)
    + '\n\n'
    + terminal.command(again, columns),
  ]
  return '\n\n'.join(part.rstrip('\n') for part in parts if part) + '\n'


def _percents(tested: Sequence[ledger_lib.Row]) -> list[float]:
  return [statistics.percent(r) for r in tested if r['correct'] is not None]


def _headline(tested: Sequence[ledger_lib.Row], task: str, method: str) -> str:
  found = _percents(tested)
  name = f'{tables.LABELS.get(method, method)} on {task}'
  if not found:
    return f'{name}: no number, as every training failed'
  seeds = f'{len(found)} seed{"s" if len(found) > 1 else ""}'
  value = pd.Series(found).median()
  return (
    f'{name}: {numerals.number(value)} % of the test images, the median of '
    f'{seeds}'
  )


def _seeds(rows: Sequence[ledger_lib.Row], columns: int) -> str:
  """The line of each seed in the file of rows."""
  lines = [
    {
      'line': i + 2,  # The first says whose rows these are.
      'seed': r['seed'],
      'correct': 'failed' if r['correct'] is None else str(r['correct']),
      'of': r['total'],
      'percent': '' if r['correct'] is None else f'{statistics.percent(r):.3f}',
    }
    for i, r in enumerate(rows)
    if r['split'] == 'test'
  ]
  cells = {name: [str(line[name]) for line in lines] for name in lines[0]}
  made = [terminal.Column(head=n, cells=c) for n, c in cells.items()]
  return 'Seeds, on the test images:\n\n' + terminal.table(made, 1, columns)


def _median(tested: Sequence[ledger_lib.Row]) -> str:
  """How the number of the cell follows."""
  found = sorted(_percents(tested))
  if not found:
    return f'Why: {tested[0].get("failed", "unknown")}.'
  values = ', '.join(numerals.number(value) for value in found)
  how = 'the one in the middle'
  if len(found) == 1:
    how = 'the only one'
  elif len(found) % 2 == 0:
    how = 'the mean of the two in the middle'
  middle = numerals.number(pd.Series(found).median())
  text = f'Of {values} the median is {how}, {middle}'
  if len(found) > 1:
    deviation = numerals.number(pd.Series(found).std())
    text += f'; the standard deviation is {deviation}'
  if tested[0]['protocol'] == accuracy_lib.OFFICIAL:
    text += (
      '. Accuracy is as the released evaluator computes it: a last batch that '
      'is not full counts as if it were'
    )
  return (
    f'{text}. All {tested[0]["total"]} test images are counted, and no '
    'setting was chosen on them.'
  )


def _rounded(run: run_lib.Run, task: str, method: str) -> str:
  """What the cell is with other orders of additions; '' if not known."""
  if not rounding.is_known(run):
    return ''
  known = rounding.ranges()
  return ' '.join(
    f'For this cell {rounding.OVER}, gave '
    f'{rounding.told(line.lowest, line.highest)} % ({rounding.WHERE}, "What '
    'rounding alone does").'
    for line in known[
      (known.task == task) & (known.method == method)
    ].itertuples()
  )


def _settings(rows: Sequence[ledger_lib.Row], columns: int) -> str:
  """How the chosen setting and the nearest ones did on validation images."""
  tried = _tried(rows)
  chosen = interface.setting_of(next(r for r in rows if r['split'] == 'test'))
  if not tried:
    return 'Setting, of which none was chosen by validation here:\n\n' + (
      '\n'.join(
        terminal.entries([(k, _text(v)) for k, v in _short(chosen)], columns)
      )
    )
  own = [_is_chosen(setting, chosen) for setting, _, _ in tried]
  shown = [i for i, is_own in enumerate(own) if i < _SHOWN or is_own]
  names = [name for name, _ in _short(tried[0][0])]
  made = [
    terminal.Column(
      head='place',
      cells=[f'{i + 1}{" (chosen)" if own[i] else ""}' for i in shown],
      is_text=True,
    ),
    *(
      terminal.Column(
        head=name, cells=[_text(tried[i][0].get(name, '')) for i in shown]
      )
      for name in names
    ),
    terminal.Column(
      head='correct',
      cells=[
        'failed' if tried[i][1] is None else str(tried[i][1]) for i in shown
      ],
    ),
    terminal.Column(head='of', cells=[str(tried[i][2]) for i in shown]),
  ]
  equal = sum(count == tried[0][1] for _, count, _ in tried) - 1
  text = (
    f'Of {len(tried)} settings the best on validation images'
    + (', of equals the first that was tried' if equal else '')
    + ', which are part of the training images:'
  )
  return f'{terminal.prose(text, columns)}\n\n' + terminal.table(
    made, 1, columns
  )


def _tried(
  rows: Sequence[ledger_lib.Row],
) -> list[tuple[dict[str, Any], int | None, int]]:
  """Settings with their counts over all folds, the best first.

  Returns:
    Setting, correct answers or None if one of its trainings failed, images.
  """
  found: dict[str, tuple[dict[str, Any], int | None, int]] = {}
  for row in rows:
    if row['split'] == 'val':
      setting = interface.setting_of(row)
      _, correct, total = found.get(str(setting), (setting, 0, 0))
      both = None if None in (correct, row['correct']) else 0
      if both is not None:
        both = (correct or 0) + row['correct']
      found[str(setting)] = setting, both, total + row['total']
  return sorted(
    found.values(), key=lambda one: 1 if one[1] is None else -one[1]
  )


def _is_chosen(setting: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
  return all(chosen.get(name) == value for name, value in setting.items())


def _short(setting: Mapping[str, Any]) -> list[tuple[str, Any]]:
  """What of a setting is a number or a word."""
  return [(k, v) for k, v in setting.items() if not isinstance(v, dict | list)]


def _text(value: Any) -> str:
  return f'{value:g}' if isinstance(value, float) else str(value)


def _measurement(facts: Mapping[str, Any], method: str, columns: int) -> str:
  """When, where and how long."""
  git = facts['git']
  others = {name for name in facts['methods'] if name != method}
  stages = {
    stage: spent
    for stage, spent in facts['seconds'].items()
    if stage.split()[-1] not in others
  }
  lines = [
    (
      'when',
      facts.get('when', 'the version that measured it did not write it'),
    ),
    (
      'commit',
      git['commit'] + (' with changes' if git['dirty'] else '')
      if git
      else 'unknown, as it was not measured in a checkout',
    ),
    ('processor', f'{facts["processor"]}, {facts["machine"]}'),
    (
      'seconds',
      ', '.join(
        f'{stage} {spent["wall"]:.1f}' for stage, spent in stages.items()
      ),
    ),
    (
      'shared',
      f'its images were seen for {", ".join(sorted(others))}, too'
      if others
      else 'with no other method',
    ),
    ('command', facts['command']),
  ]
  return 'Measured:\n' + '\n'.join(
    terminal.entries([('', *line) for line in lines], columns)
  )


def of_paper(task: str, method: str, width: int | None = None) -> str:
  """Where the paper prints a cell of Table 1.

  Args:
    task: of the cell.
    method: of the cell.
    width: columns of the terminal; found out where None.

  Raises:
    errors.InputError: there is no such cell.
  """
  columns = width or terminal.width()
  table = published.table('table1_accuracy')
  _check_known('task', task, list(table.task), "in the paper's Table 1")
  _check_known('method', method, list(table.method), "in the paper's Table 1")
  label = tables.LABELS.get(method, method)
  parts = [f'{label} on {task}, as {published.SOURCE} have it']
  deviations = published.table('table4_std')
  for backbone, name in papers.LABELS.items():
    is_cell = (
      (table.backbone == backbone)
      & (table.task == task)
      & (table.method == method)
    )
    for i in table.index[is_cell]:
      deviation = deviations[
        (deviations.backbone == backbone)
        & (deviations.task == task)
        & (deviations.method == method)
      ].std_percent
      spread = [f'{v:g}, Table 4' for v in deviation if not pd.isna(v)]
      lines = [
        ('percent', numerals.number(table.accuracy_percent[i])),
        ('printed in', f'Table 1, part {name}, row {label}, column {task}'),
        ('what', _what(backbone, task, method)),
        ('deviation', ', '.join(spread) or 'none is printed'),
        (
          'file',
          f'{published.DIRECTORY / "table1_accuracy.csv"}, line {i + 2}',
        ),
      ]
      parts.append(
        f'{name}:\n'
        + '\n'.join(terminal.entries([('', *line) for line in lines], columns))
      )
  return '\n\n'.join(parts) + '\n'


def _what(backbone: str, task: str, method: str) -> str:
  """What a printed number is."""
  if papers.is_quoted(backbone, [method]):
    return 'accuracy that the paper quotes from Zhai et al. (2019)'
  if task == frames.MEAN:
    return 'mean over the 19 tasks, as it is printed'
  return 'median over 3 seeds of the accuracy on the test images'
