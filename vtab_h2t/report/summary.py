"""What was measured and found as Markdown, which GitHub shows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
import os
import pathlib
from typing import Any

import pandas as pd

from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import caveats
from vtab_h2t.report import claim_numbers
from vtab_h2t.report import claims
from vtab_h2t.report import companion_rows
from vtab_h2t.report import headline
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import page_claims
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import run_names
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.tasks import task as task_lib

Results = results_lib.Results


def markdown(
  measured: Sequence[Results], place: pathlib.Path | None = None
) -> str:
  """What was measured, and what was found, run by run.

  Args:
    measured: the results of each run.
    place: the folder in which the text will be, from which its links lead; by
      default the work directory.
  """
  parts = [
    '# Head2Toe, measured\n',
    'Test accuracy in percent, differences in '
    'points. The HTML pages also have every figure, '
    'single tasks, cost and provenance.\n',
    index(measured, place),
  ]
  if len(measured) > 1:
    parts.append(all_verdicts(measured, place))
  for one in measured:
    parts += [
      f'## {one.run.name}\n',
      f'{run_names.label(one.run)}.\n',
      f'Measured: {extent(one)}.\n',
      *(f'{" ".join(some)}\n' for some in [caveats.of(one)] if some),
      f'{listed(one, one.folder.path.parent if place is None else place)}\n',
    ]
    parts += [
      text
      for text in (
        means(one),
        judged_claims(one, one.folder.path.parent if place is None else place),
        links(
          catalogue.of(one.run).values(),
          one,
          one.folder.path.parent if place is None else place,
        ),
      )
      if text
    ]
  return '\n'.join(parts)


def index(
  measured: Sequence[Results], place: pathlib.Path | None = None
) -> str:
  """A compact table of runs, a line each, with their key numbers.

  Args:
    measured: the results of each run.
    place: as of `markdown`.
  """
  lines = []
  for one in measured:
    found = _scored(one)
    both = statistics.compared(found, _KEY) if len(found) else found
    lines.append(
      {
        'run': f'[{one.run.name}]({_path(one, place)}/)',
        'what': run_names.label(one.run),
        'measured': counted(one),
        **{tables.LABELS[m]: _mean(both, m) for m in _KEY},
      }
    )
  return _table(pd.DataFrame(lines)) if lines else 'No runs.\n'


def key_numbers(results: Results, place: pathlib.Path | None = None) -> str:
  """What a run says in a few sentences, and its table of means.

  Args:
    results: of the run.
    place: as of `markdown`.
  """
  name = results.run.name
  parts = [
    f'{run_names.label(results.run)}, the run [{name}]'
    f'({_path(results, place)}/):',
    ' '.join(caveats.of(results)),
    listed(results, results.folder.path.parent if place is None else place),
    means(results).rstrip('\n'),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def listed(results: Results, place: pathlib.Path) -> str:
  """What a run says, a sentence a line of a list.

  Args:
    results: of the run.
    place: the folder of the page, from which links lead.
  """
  return '\n'.join(
    f'- {rounding.linked(sentence, place)}'
    for sentence in headline.sentences(results)
  )


_KEY = 'linear', 'head2toe'


def _scored(results: Results) -> pd.DataFrame:
  """What `statistics.summarise` gives; empty if there is nothing."""
  rows = [
    r
    for r in results.of(jobs.ACCURACY)
    if r['split'] == 'test' and r['correct'] is not None
  ]
  return statistics.summarise(rows) if rows else pd.DataFrame()


def _mean(summary: pd.DataFrame, method: str) -> str:
  """A method's mean over all tasks of a summary, as text."""
  if summary.empty:
    return ''
  return numerals.number(
    summary.accuracy_percent[summary.method == method].mean()
  )


def _counts(
  results: Results, of: Iterable[str] = (jobs.ACCURACY,)
) -> tuple[list[str], list[str], list[int]]:
  """Tasks, methods and seeds of the test rows of some jobs."""
  rows = [r for job in of for r in results.of(job) if r['split'] == 'test']
  return (
    list(dict.fromkeys(r['task'] for r in rows)),
    list(dict.fromkeys(r['method'] for r in rows)),
    sorted({r['seed'] for r in rows}),
  )


def counted(results: Results) -> str:
  """How many tasks, methods and seeds were measured, in words.

  Of a run without methods the studies are counted in their place.
  """
  of_methods = bool(results.of(jobs.ACCURACY))
  of = (jobs.ACCURACY,) if of_methods else tuple(results.rows)
  tasks, methods, seeds = _counts(results, of)
  fewest = min((len(_counts(results, [job])[2]) for job in of), default=0)
  return ', '.join(
    (
      _number(len(tasks), 'task'),
      _number(len(methods), 'method' if of_methods else 'study'),
      f'{fewest} to ' * (fewest < len(seeds)) + _number(len(seeds), 'seed'),
    )
  )


def extent(results: Results) -> str:
  """What was measured, in words."""
  if results.run.suite == companion_rows.SUITE:
    return '; '.join(
      f'{run_names.job(job)} on {_number(len(tasks), "task")} '
      f'({", ".join(tasks)}), {_number(len(seeds), "seed")}'
      for job in results.rows
      for tasks, _, seeds in [_counts(results, [job])]
    )
  tasks, methods, seeds = _counts(results)
  studies = [run_names.job(job) for job in results.rows if job != jobs.ACCURACY]
  parts = []
  if tasks:
    parts.append(
      f'{_number(len(tasks), "task")} ({", ".join(tasks)}), '
      f'{_number(len(methods), "method")} '
      f'({", ".join(tables.LABELS.get(m, m) for m in methods)}), '
      f'{_number(len(seeds), "seed")}'
    )
  if studies:
    parts.append(
      f'besides, for figures and other tables: {", ".join(studies)}'
      if tasks
      else ', '.join(studies)
    )
  return '; '.join(parts)


def _number(count: int, what: str) -> str:
  """So many of something."""
  if count == 1:
    return f'1 {what}'
  return f'{count} {what[:-1]}ies' if what[-1] == 'y' else f'{count} {what}s'


def means(results: Results, of: Collection[str] | None = None) -> str:
  """Methods by the means of groups; '' where no mean was measured.

  Methods that lack a task of every group have no mean: they are in Table 1.

  Args:
    results: of the run.
    of: which methods, if they were measured; None for all.
  """
  summary = _scored(results)
  if of is not None and len(summary):
    summary = summary[summary.method.isin(list(of))]
  if summary.empty:
    return ''
  wide = statistics.wide(summary, task_lib.GROUPS)
  means = wide[[c for c in wide.columns if c[1] == 'mean']].dropna(how='all')
  if means.empty:
    return ''
  lines = pd.DataFrame(
    {
      group: [
        numerals.number(v) if v == v else '' for v in means[group, 'mean']
      ]
      for group, _ in means.columns
    }
  )
  lines.insert(0, 'method', [tables.LABELS.get(m, m) for m in means.index])
  shown = summary[summary.method.isin(means.index)]
  heading = f'Means over tasks, {tables.seeds_text(shown, in_cells=False)}.'
  if means.isna().any(axis=None):
    heading += ' A mean is blank where one of its tasks was not measured.'
  budget = caveats.of_search(results, means.index)
  return f'{heading}\n\n{_table(lines)}' + (f'\n{budget}\n' if budget else '')


def beside_parent(results: Results, folder: ledger_lib.Folder) -> str:
  """Accuracies of a derived run by task, beside its parent's.

  Args:
    results: of the parent.
    folder: of the derived run.

  Returns:
    A heading and a table in Markdown, of the tasks that were measured in both;
    '' if methods are not what the run has.
  """
  rows = [
    r
    for r in folder.rows()
    if r['split'] == 'test' and r['correct'] is not None
  ]
  whole = _scored(results)
  if jobs.JOBS[folder.run.job].study or not rows or whole.empty:
    return ''
  derived = statistics.summarise(rows)
  alike = set(derived.task) & set(whole.task)
  ours, theirs = (
    statistics.wide(some[some.task.isin(alike)], task_lib.GROUPS)
    for some in (derived, whole)
  )
  columns = [c for c in ours.columns if c[1] != 'mean'] + [('all', 'mean')]
  lines = pd.DataFrame({'task': [task for _, task in columns]})
  for method, label in tables.LABELS.items():
    if method in ours.index and method in theirs.index:
      for wide, name in (
        (ours, 'this run'),
        (theirs, f'`{results.run.name}`'),
      ):
        lines[f'{label}, {name}'] = [
          '' if pd.isna(v) else numerals.number(v)
          for v in wide.loc[method, columns]
        ]
  seeds = tables.seeds_text(derived, in_cells=False)
  return (
    f'## Accuracies\n\nTest accuracy in percent, {seeds}.\n\n{_table(lines)}'
  )


def judged_claims(results: Results, place: pathlib.Path | None = None) -> str:
  """The claims that can be tested on a run's rows.

  Args:
    results: of the run.
    place: the folder of the page, from which links lead; None for no links.
  """
  found = headline.claims_in_lines(results)
  if not found['tested']:
    return 'No claim of the paper can be tested on these rows.\n'
  lines = pd.DataFrame(
    [
      {
        'claim': line['claim'],
        'verdict': ': '.join(filter(None, (line['verdict'], line['why']))),
        'measured (95 % interval)': f'{line["measured"]} ({line["interval"]})',
        'published': '; '.join(line['published']),
      }
      for line in found['tested']
    ]
  )
  text = f'{found["caveat"]}\n\n' if found['caveat'] else ''
  text += (
    'Each number is a statistic that is above 0 if the claim is right; the '
    'margin of a claim that has one is counted in. Most are points of '
    'accuracy, others are shares, rank correlations or percent: the table that '
    '`python -m runners.reproduce --only=claims` makes says which, and on how '
    f'many tasks.\n\n{_table(lines)}'
  )
  note = found['note']
  if note:
    text += f'\n{note if place is None else rounding.linked(note, place)}\n'
  rest = found['untested']
  return text + (
    f'\n{_number(rest, "further claim")} cannot be tested on these rows.\n'
    if rest
    else ''
  )


def all_verdicts(
  measured: Sequence[Results], place: pathlib.Path | None = None
) -> str:
  """The verdicts of all runs on the same claims, a line a claim.

  Args:
    measured: the results of each run, the main one first.
    place: as of `markdown`.
  """
  links = {one.run.name: f'{_path(one, place)}/' for one in measured}
  parts = [
    '## The verdicts of all claims\n',
    'Each claim has a number that is above 0 if the claim is right. The claim '
    'holds if the whole 95 % interval of the number, over tasks and seeds, is '
    'above 0, does not hold if that is below, and is undecided otherwise. It '
    'has no verdict if the budgets of what it compares differ or are not '
    'known.\n',
  ]
  for found in page_claims.of_all(measured, links):
    if not found['lines']:
      continue
    parts.append(f'### {found["title"]}\n')
    said = ['Behind each verdict stands its number, in brackets.']
    if found['is_published']:
      said.append(
        'It was measured, or in the columns that are called published was '
        'derived from what the paper prints.'
      )
    said.append('A cell is blank where the claim cannot be tested.')
    if found['untested']:
      said.append(
        f'{_number(found["untested"], "further claim")} can be tested nowhere.'
      )
    for what, names in (
      ('No claim can be tested on', found['others']),
      (
        'Runs with one given setting, on which few claims can be tested, are '
        'left out:',
        found['given'],
      ),
    ):
      if names:
        said.append(f'{what} {", ".join(_linked(n, links) for n in names)}.')
    lines = pd.DataFrame(
      [
        {'claim': line['claim']}
        | {
          _linked(column.name, links): _verdict(cell)
          for column, cell in zip(found['columns'], line['cells'], strict=True)
        }
        for line in found['lines']
      ]
    )
    parts.append(f'{" ".join(said)}\n\n{_table(lines)}')
    if found['note']:
      folder = measured[0].folder.path.parent if place is None else place
      parts.append(f'\\* {rounding.linked(found["note"], folder)}\n')
  return '\n'.join(parts)


def _linked(name: str, links: Mapping[str, str]) -> str:
  """A column's name, as a link where it is a run's."""
  return f'[{name}]({links[name]})' if name in links else name


def _verdict(cell: Mapping[str, Any]) -> str:
  """A verdict with its number; '' where there is none."""
  number = f' ({cell["measured"]})' if cell['measured'] else ''
  star = '\\*' if cell['is_rounded'] else ''
  return f'{cell["verdict"]}{star}{number}'


def paper_claims() -> str:
  """Every claim, and what the paper's own tables say of it (docs/paper.md).

  For each of its backbones: the statistic from its printed tables, which is
  above 0 if the claim is right, and the verdict where these have enough tasks.
  """
  judged = {
    backbone: judging.of_paper(backbone).set_index('id')
    for backbone in papers.BACKBONES
  }

  def cell(backbone: str, name: str) -> str:
    line = judged[backbone].loc[name]
    number = _rounded({**line, 'id': name})
    tested = line.verdict != judging.UNTESTABLE
    return f'{number} {line.verdict if tested else ""}'.strip()

  lines = pd.DataFrame(
    [
      {
        'where': claim.where,
        'what the paper says': claim.sentence,
        'of': ', '.join(papers.LABELS[b] for b in claim.of),
        'id': f'`{claim.id}`',
        'tested on the rows of': f'not tested: {claim.untested}'
        if claim.untested
        else ', '.join(claim.jobs),
      }
      | {f'tables, {papers.LABELS[b]}': cell(b, claim.id) for b in judged}
      for claim in claims.CLAIMS
    ]
  )
  return _table(lines)


def _rounded(line: Mapping[str, Any]) -> str:
  """The number of a claim; '' if it is missing."""
  if pd.isna(line['measured']):
    return ''
  return numerals.number(line['measured'], claim_numbers.digits(line))


def _path(results: Results, place: pathlib.Path | None) -> str:
  """A run's folder, from the folder of the text."""
  folder = results.folder.path
  return pathlib.Path(
    os.path.relpath(folder, folder.parent if place is None else place)
  ).as_posix()


def links(
  outputs: Iterable[output_lib.Output], results: Results, start: pathlib.Path
) -> str:
  """Links to tables and figures of a run; '' if there are none.

  Args:
    outputs: of which those are linked that were written.
    results: of the run.
    start: the folder of the page, from which links lead.
  """
  found = []
  for output in outputs:
    if output.is_in(results):
      path = output.folder(output.place(results)) / (
        f'{output.name}.{"png" if output.draw else "md"}'
      )
      label = output.title.partition(':')[0]
      link = pathlib.Path(os.path.relpath(path, start)).as_posix()
      found.append(f'[{label}]({link})')
  return f'Tables and figures: {", ".join(found)}.\n' if found else ''


def _table(lines: pd.DataFrame) -> str:
  """Texts as a Markdown table."""
  return _escaped(lines).to_markdown(index=False, disable_numparse=True) + '\n'


def _escaped(lines: pd.DataFrame) -> pd.DataFrame:
  """With bars that do not end a cell."""

  def escape(values: Iterable[str]) -> list[str]:
    return [value.replace('|', '\\|') for value in values]

  return lines.apply(escape)
