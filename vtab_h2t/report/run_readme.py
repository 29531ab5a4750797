"""The README of a run's folder: what was measured, how, and what it says."""

from collections.abc import Sequence
import os
import pathlib
import re

from vtab_h2t import files
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import caveats
from vtab_h2t.report import headline
from vtab_h2t.report import how_measured
from vtab_h2t.report import jobs
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import plotting
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import summary

NAME = 'README.md'
# Claims are shown in short, as tables of all that is known of them are wide.
_IN_SHORT = 'claims', 'companion_claims', 'contradictions'
_MARK = '<!-- Made from the rows by runners.report; it writes over changes. -->'
_MOST_LINES = 60  # Of tables that are shown in full.
# Of tables, the frame that is the paper's and about other tasks.
_LINKED = {'table3': 'table3'}
# Of figures in folders without a table, the frame that is shown as one.
_IN_NUMBERS = {'figure4': 'averages'}


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
  parts = [
    f'# {run_names.label(results.run)}',
    _MARK,
    f'In the run `{results.run.name}` were measured: '
    f'{summary.extent(results)}.',
    _warnings(results),
    summary.listed(results, results.folder.path),
    summary.means(results).rstrip('\n'),
    *(_table(o, results) for o in made if not o.draw),
    *(_figure(o, results) for o in made if o.draw),
    _claims(results, made),
    how_measured.markdown(results.folder, results.run),
    _derived(results),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def _warnings(results: results_lib.Results) -> str:
  """What not to read into the numbers of a run and of those derived from it."""
  return '\n>\n'.join(
    f'> **{do_not}**{why}' for do_not, why in map(_split, caveats.of(results))
  )


def _derived(results: results_lib.Results) -> str:
  """Where the rows are that were measured with something changed."""
  if not results.derived:
    return ''
  lines = [
    f'- {run_names.job(job)}: '
    f'[{folder.path.name}]({_relative(folder.path, results)}/)'
    for job, folders in results.derived.items()
    for folder in folders
  ]
  return (
    'These folders have what was measured with something changed, for the '
    'tables, figures and claims of this run:\n\n' + '\n'.join(lines)
  )


def _of_derived(
  results: results_lib.Results, job: str, folder: ledger_lib.Folder
) -> str:
  """The same of a derived run, whose tables are mostly those of its parent."""
  run = folder.run
  parent = pathlib.Path(
    os.path.relpath(results.folder.path, folder.path)
  ).as_posix()
  made = [
    output
    for output in catalogue.of(results.run).values()
    if output.is_in(results)
  ]
  own = [o for o in made if o.place(results) == folder.path]
  shared = [o for o in made if o not in own and job in o.all_jobs]
  parts = [
    f'# {_title(run, job)}',
    _MARK,
    f'The run `{run.name}` was derived from '
    f'[{results.run.name}]({parent}/), whose tables, figures and claims are '
    'made from its rows as well. '
    + summary.links(shared, results, folder.path).strip(),
    _warnings(results),
    summary.beside_parent(results, folder).rstrip('\n'),
    # A study's numbers are in its parent's table alone.
    *(
      _table(o, results, folder.path)
      for o in shared
      if jobs.JOBS[job].study is not None and not (own or o.draw)
    ),
    *(
      _figure_with_numbers(o, results, folder.path)
      if o.draw
      else _table(o, results)
      for o in own
    ),
    *(_figure(o, results, folder.path) for o in shared if o.draw),
    how_measured.markdown(folder, results.run),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def _title(run: run_lib.Run, job: str) -> str:
  """Of a derived run; the job where the run's settings do not say it."""
  label = run_names.label(run)
  says_all = job in run_names.TAPS or job in jobs.NORMALIZATIONS.values()
  return label if says_all else f'{label}: {run_names.job(job)}'


def _split(sentence: str) -> tuple[str, str]:
  """What not to do, and why."""
  first, colon, why = sentence.partition(':')
  return f'{first}{colon}', why


def _table(
  output: output_lib.Output,
  results: results_lib.Results,
  place: pathlib.Path | None = None,
) -> str:
  """A table, or the first of many; of claims nothing, as they come in short."""
  if output.name in _IN_SHORT:
    return ''
  folder = output.folder(output.place(results))
  page = _relative(folder / f'{output.name}.md', results, place)
  frames = output.of_results(results)
  linked = _LINKED.get(output.name)
  shown = {key: table for key, table in frames.items() if key != linked}
  text = output.text(shown, run_names.label(results.run)).strip()
  numbers = [output.csv_name(frame) for frame in shown]
  links = headline.enumerated(
    [f'[{n}]({_relative(folder / n, results, place)})' for n in numbers]
  )
  end = f'The same numbers are in {links}.'
  if linked:
    end = (
      f'[All of it]({page}), with what the paper prints for its ResNet-50, '
      'has a page of its own.'
    )
  if text.count('\n') > _MOST_LINES:
    text = text[: text.index('|\n\n') + 1]
    if not linked:
      end = f'[Further tables]({page}) have a page of their own.'
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


def _figure_with_numbers(
  output: output_lib.Output, results: results_lib.Results, place: pathlib.Path
) -> str:
  """A figure, and below it the frame that a reader looks for first."""
  text = _figure(output, results, place)
  frame = _IN_NUMBERS.get(output.name)
  if frame is None:
    return text
  numbers = output.of_results(results)[frame].replace(
    {'method': plotting.LABELS}
  )
  table = output_lib.plain(
    {frame: numbers}, run_names.label(results.run)
  ).strip()
  folder = output.folder(output.place(results))
  name = output.csv_name(frame)
  path = _relative(folder / name, results, place)
  return (
    f'{text}\n\nTest accuracy in percent, means over tasks:\n\n{table}\n\n'
    f'The same numbers are in [{name}]({path}).'
  )


def figure(title: str, shows: str, path: str, is_there: str) -> str:
  """A section with a figure, for those who do not see it as well.

  Its title stands in the picture's place; what it shows is said once, below.

  Args:
    title: its heading.
    shows: what is seen in it, in whole sentences.
    path: of its files, without an ending.
    is_there: the beginning of the sentence that names the PDF.
  """
  seen = re.sub(r'[\[\]]', '', title)
  return (
    f'## {title}\n\n![{seen}]({path}.png)\n\n{shows} {is_there} '
    f'[as PDF]({path}.pdf), too.'
  )


def _claims(
  results: results_lib.Results, made: Sequence[output_lib.Output]
) -> str:
  """The verdicts of claims, with a link to all that is known of them."""
  judged = summary.judged_claims(results, results.folder.path)
  text = f'## Claims\n\n{judged.rstrip()}'
  for output in made:
    if output.name in _IN_SHORT and not output.draw:
      path = _relative(output.folder(output.place(results)), results)
      name = f'{output.name}.md'
      text += f'\n\n[All claims]({os.path.normpath(f"{path}/{name}")}).'
  return text


def _relative(
  path: pathlib.Path,
  results: results_lib.Results,
  start: pathlib.Path | None = None,
) -> str:
  """A path from the folder of a run."""
  return pathlib.Path(
    os.path.relpath(path, start or results.folder.path)
  ).as_posix()
