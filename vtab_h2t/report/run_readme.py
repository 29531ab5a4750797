"""The README of a run's folder: what was measured, how, and what it says."""

from collections.abc import Mapping, Sequence
import os
import pathlib
import re
from typing import Any

from vtab_h2t import files
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import again
from vtab_h2t.report import catalogue
from vtab_h2t.report import caveats
from vtab_h2t.report import companion_rows
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import seconds as seconds_lib
from vtab_h2t.report import summary

NAME = 'README.md'
# Claims are shown in short, as tables of all that is known of them are wide.
_IN_SHORT = 'claims', 'companion_claims', 'contradictions'
_MARK = '<!-- Made from the rows by runners.report; it writes over changes. -->'
_MOST_LINES = 60  # Of tables that are shown in full.
# Of tables, the frame that is the paper's and about other tasks.
_LINKED = {'table3': 'table3'}
_UNDECIDED = (
  'Do not take an undecided claim for one that is refuted: with few tasks of '
  'very different kinds the intervals are wide.'
)
_FOLDERS = {
  'rows': 'the rows of methods, a file for each task and method',
  'studies': 'the rows of studies, a file for each task and study',
  'manifests': 'which images each task has',
  'provenance': 'the facts of each measurement',
}


def write(results: results_lib.Results) -> list[pathlib.Path]:
  """Writes the README of a run and of each run derived from it.

  One that somebody wrote by hand is left as it is.

  Returns:
    The paths of those written.
  """
  written = []
  for path, text in texts(results).items():
    if not path.exists() or _MARK in path.read_text('utf-8'):
      with files.atomic_write(path) as f:
        f.write(text)
      written.append(path)
  return written


def texts(results: results_lib.Results) -> dict[pathlib.Path, str]:
  """The README of a run and of each run derived from it, by its path."""
  found = {results.folder.path / NAME: markdown(results)}
  for job, folders in results.derived.items():
    for folder in folders:
      found[folder.path / NAME] = _of_derived(results, job, folder)
  return found


def markdown(results: results_lib.Results) -> str:
  """What a run's folder has, with what tables and figures were made."""
  made = [
    output
    for output in catalogue.of(results.run).values()
    if output.is_in(results)
  ]
  warned = caveats.of(results)
  if results.run.suite == companion_rows.SUITE:
    warned = [_UNDECIDED]
  parts = [
    f'# {run_names.label(results.run)}',
    _MARK,
    f'In the run `{results.run.name}` were measured: '
    f'{summary.extent(results)}.',
    '\n>\n'.join(f'> **{do_not}**{why}' for do_not, why in map(_split, warned)),
    summary.listed(results, results.folder.path),
    summary.means(results).rstrip('\n'),
    *(_table(o, results) for o in made if not o.draw),
    *(_figure(o, results) for o in made if o.draw),
    _claims(results, made),
    _measured(results.folder),
    *(
      f'What was measured in a run derived from this one, '
      f'{run_names.job(job)}, is in '
      f'[{folder.path.name}]({_relative(folder.path, results)}/).'
      for job, folders in results.derived.items()
      for folder in folders
    ),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def _of_derived(
  results: results_lib.Results, job: str, folder: ledger_lib.Folder
) -> str:
  """The same of a derived run, whose tables are mostly those of its parent."""
  run = folder.run
  parent = pathlib.Path(
    os.path.relpath(results.folder.path, folder.path)
  ).as_posix()
  outputs = [
    output
    for output in catalogue.of(results.run).values()
    if output.is_in(results) and output.place(results) == folder.path
  ]
  parts = [
    f'# {run_names.label(run)}: {run_names.job(job)}',
    _MARK,
    f'The run `{run.name}` was derived from '
    f'[{results.run.name}]({parent}/), whose tables, figures and claims are '
    'made from its rows as well.',
    *(
      _figure(o, results, folder.path) if o.draw else _table(o, results)
      for o in outputs
    ),
    _measured(folder),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def _split(sentence: str) -> tuple[str, str]:
  """What not to do, and why."""
  first, colon, why = sentence.partition(':')
  return f'{first}{colon}', why


def _table(output: output_lib.Output, results: results_lib.Results) -> str:
  """A table, or the first of many; of claims nothing, as they come in short."""
  if output.name in _IN_SHORT:
    return ''
  folder = output.folder(output.place(results))
  name = _relative(folder / output.name, results)
  frames = output.of_results(results)
  linked = _LINKED.get(output.name)
  shown = {key: table for key, table in frames.items() if key != linked}
  text = output.text(shown, run_names.label(results.run)).strip()
  end = f'The same numbers are in [{output.name}.csv]({name}.csv).'
  if linked:
    end = (
      f'[All of it]({name}.md), with what the paper prints for its ResNet-50, '
      'has a page of its own.'
    )
  if text.count('\n') > _MOST_LINES:
    text = text[: text.index('|\n\n') + 1]
    if not linked:
      end = f'[Further tables]({name}.md) have a page of their own.'
  return f'## {output.title}\n\n{text}\n\n{end}'


def _figure(
  output: output_lib.Output,
  results: results_lib.Results,
  place: pathlib.Path | None = None,
) -> str:
  """A figure, with where it is from."""
  folder = output.folder(output.place(results))
  return figure(
    output.title,
    output.shows,
    _relative(folder / output.name, results, place),
    'It was drawn from the CSV files [beside it]'
    f'({_relative(folder, results, place)}/), where it is',
  )


def figure(title: str, shows: str, path: str, is_there: str) -> str:
  """A section with a figure, for those who do not see it as well.

  Args:
    title: its heading.
    shows: what is seen in it, in whole sentences.
    path: of its files, without an ending.
    is_there: the beginning of the sentence that names the PDF.
  """
  seen = re.sub(r'[\[\]]', '', shows)
  return (
    f'## {title}\n\n![{seen}]({path}.png)\n\n{shows} {is_there} '
    f'[as PDF]({path}.pdf), too.'
  )


def _claims(
  results: results_lib.Results, made: Sequence[output_lib.Output]
) -> str:
  """The verdicts of claims, with a link to all that is known of them."""
  text = f'## Claims\n\n{summary.judged_claims(results).rstrip()}'
  for output in made:
    if output.name in _IN_SHORT and not output.draw:
      path = _relative(output.folder(output.place(results)), results)
      name = f'{output.name}.md'
      text += f'\n\n[All claims]({os.path.normpath(f"{path}/{name}")}).'
  return text


def _measured(folder: ledger_lib.Folder) -> str:
  """Commands, when, on what and for how long; and where rows are."""
  facts = [m.facts for m in folder.measurements()]
  there = [name for name in _FOLDERS if (folder.path / name).is_dir()]
  parts = [
    '## How it was measured',
    _facts(facts),
    _commands(folder, facts),
    'What is in this folder: [run.json](run.json) says all that determines '
    'the numbers'
    + ''.join(f'; [{name}]({name}/) has {_FOLDERS[name]}' for name in there)
    + '.',
  ]
  return '\n\n'.join(part for part in parts if part)


def _facts(facts: Sequence[Mapping[str, Any]]) -> str:
  """When, on which processor, for how long, at which commit."""
  if not facts:
    return 'There is no provenance of these rows.'
  days = sorted({f['when'][:10] for f in facts if 'when' in f})
  lines = []
  if days:
    lines.append(
      f'- It was measured {_between(days)}'
      + (
        '.'
        if all('when' in f for f in facts)
        else ', as far as the day was recorded.'
      )
    )
  commits = sorted(
    {
      f['git']['commit'][:12] + (' with changes' if f['git']['dirty'] else '')
      for f in facts
      if f['git']
    }
  )
  memory = max(f['peak_memory_bytes'] for f in facts) / 2**30
  packages = [f['packages'] for f in facts]
  versions = ', '.join(
    f'{label} {_listed({p[name] for p in packages if p.get(name)})}'
    for name, label in (('tensorflow', 'TensorFlow'), ('keras', 'Keras'))
  )
  lines += [
    f'- It took {_hours(facts, "wall")}, or {_hours(facts, "cpu")} of '
    f'processor time, and at most {memory:.1f} GiB of memory.',
    f'- Processor: {_listed({f["processor"] for f in facts})}'
    f'{_accelerators(facts)}. System: '
    f'{_listed({f["machine"] for f in facts})}.',
    f'- Commit: {", ".join(f"`{c}`" for c in commits) or "not recorded"}. '
    f'Python {_listed({f["python"] for f in facts})}, {versions}.',
  ]
  return '\n'.join(lines)


def _between(days: Sequence[str]) -> str:
  if len(days) == 1:
    return f'on {days[0]}'
  return f'between {days[0]} and {days[-1]}'


def _listed(values: set[str]) -> str:
  return ', '.join(sorted(values))


def _accelerators(facts: Sequence[Mapping[str, Any]]) -> str:
  """How many cores were used, and what was used beside the processor."""
  devices = [d for f in facts for d in f.get('devices', ())]
  cores = sorted({d['cores'] for d in devices if d.get('cores')})
  others = _listed(
    {
      d['model']
      for d in devices
      if d.get('model') and d['model'] not in {f['processor'] for f in facts}
    }
  )
  said = [f'{" or ".join(map(str, cores))} cores'] if cores else []
  return ', '.join(['', *said, *([others] if others else [])])


def _hours(facts: Sequence[Mapping[str, Any]], clock: str) -> str:
  return _duration(seconds_lib.total(facts, clock))


def _duration(seconds: float) -> str:
  if seconds < 99.5:
    return f'{seconds:.0f} seconds'
  if seconds < 99.5 * 60:
    return f'{seconds / 60:.0f} minutes'
  return f'{seconds / 3600:.1f} hours'


def _commands(
  folder: ledger_lib.Folder, facts: Sequence[Mapping[str, Any]]
) -> str:
  """What measures it again, and how long each part took."""
  by_command: dict[str, list[Mapping[str, Any]]] = {}
  for one in facts:
    for command in again.commands(folder.run, [one]):
      by_command.setdefault(command, []).append(one)
  if not by_command:
    return ''
  if len(by_command) == 1:
    text = f'This command measures it again:\n\n    {next(iter(by_command))}'
  else:
    text = 'These commands measure it again:\n\n' + '\n\n'.join(
      f'- took {_hours(of, "wall")} when it was measured\n\n        {command}'
      for command, of in by_command.items()
    )
  note = (
    '\n\n`DIR` is the folder of the data set, in the form that '
    '`docs/data.md` describes.'
    if any('=DIR' in c for c in by_command)
    else ''
  )
  return f'{text}{note}'


def _relative(
  path: pathlib.Path,
  results: results_lib.Results,
  start: pathlib.Path | None = None,
) -> str:
  """A path from the folder of a run."""
  return pathlib.Path(
    os.path.relpath(path, start or results.folder.path)
  ).as_posix()
