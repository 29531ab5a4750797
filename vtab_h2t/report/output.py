"""What a table or figure is: its numbers, and how they are shown."""

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t import published
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import normalization
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import jobs as jobs_lib
from vtab_h2t.report import plotting
from vtab_h2t.report import readable
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import terminal

if TYPE_CHECKING:
  from matplotlib import figure as figure_lib

Frames = dict[str, pd.DataFrame]


def plain(
  frames: Frames,
  source: str,
  headings: Mapping[str, str] | None = None,
  bold: Mapping[str, readable.Cells] | None = None,
) -> str:
  """Frames as Markdown, one below the other.

  Args:
    frames: the frames.
    source: from where their numbers come, as `published.SOURCE`.
    headings: what some of them show.
    bold: of some of them, which cells are in bold.
  """
  headings, bold = headings or {}, bold or {}
  return (
    '\n\n'.join(
      _above(headings.get(name, ''), readable.said_once(table))
      + readable.markdown(table, source == published.SOURCE, bold.get(name, {}))
      for name, table in frames.items()
    )
    + '\n'
  )


def _above(*said: str) -> str:
  """Sentences as a paragraph over a table; '' without any."""
  text = ' '.join(f'{sentence}.' for sentence in said if sentence)
  return f'{text}\n\n' if text else ''


def _counts(row: ledger_lib.Row) -> bool:
  """Whether tables and figures are made from a row: not if it failed."""
  return row['split'] == 'selection' or (
    row['split'] == 'test' and row['correct'] is not None
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
  """A table or figure.

  Attributes:
    name: by which it is asked for.
    title: what it shows.
    jobs: whose rows it is made from.
    also: jobs whose rows it shows besides, where they are there.
    some: jobs of which one at least must be there, if there are any.
    methods: that must be among the methods measured, in all jobs of methods.
    one_of: methods of which one at least must be, if there are any. They are
      measured for the output only where the user names it.
    fields: that their rows must have.
    measured: its frames, from a run's results; None if it has nothing measured.
    published: its frames, from the paper's numbers; None if those do not
      suffice.
    draw: a figure of the frames; None for tables.
    extracts: parts of the figure that are drawn beside it, for pages with
      little room: what follows the figure's name in their files' names.
    shows: what is seen in the figure, in whole sentences, for those who read
      it and for those who cannot see it; '' for tables.
    headings: what frames show, over those that need to say it.
    markdown: the frames as Markdown, from where their numbers come; a table of
      each by default.
    terminal: the same for a terminal, as wide as that is; by default what the
      Markdown says.
    vit: whether it is for ViTs only (True), or only for others (False).
    compares_taps: whether the run's own taps and class token are the original
      of a comparison, so that it is for runs with the usual ones.
    compares_normalization: the same of the run's normalization, so that it is
      for runs with the default one.
  """

  name: str
  title: str
  jobs: tuple[str, ...] = ()
  also: tuple[str, ...] = ()
  some: tuple[str, ...] = ()
  methods: tuple[str, ...] = ()
  one_of: tuple[str, ...] = ()
  fields: tuple[str, ...] = ()
  measured: Callable[[results_lib.Results], Frames] | None = None
  published: Callable[[], Frames] | None = None
  draw: Callable[[Frames], Any] | None = None
  extracts: Mapping[str, Callable[[Frames], Any]] = dataclasses.field(
    default_factory=dict
  )
  shows: str = ''
  headings: Mapping[str, str] = dataclasses.field(default_factory=dict)
  markdown: Callable[[Frames, str], str] | None = None
  terminal: Callable[[Frames, str], str] | None = None
  vit: bool | None = None
  compares_taps: bool = False
  compares_normalization: bool = False

  @property
  def all_jobs(self) -> tuple[str, ...]:
    """The jobs that are measured for it."""
    return self.jobs + self.some + self.also

  def possible(self, results: results_lib.Results) -> bool:
    """Whether some task of a run has all that it is made from."""
    if self.measured is None or self.vit not in (None, results.run.is_vit):
      return False
    if not self._is_original(results.run):
      return False
    if self.some and not any(
      _counts(r) for job in self.some for r in results.of(job)
    ):
      return False
    wanted = []
    for job in self.jobs:
      rows = [r for r in results.of(job) if _counts(r)]
      wanted.append({r['task'] for r in rows})
      if jobs_lib.JOBS[job].study is None:  # All methods are in all its runs.
        fields = {*self.fields} if job == jobs_lib.ACCURACY else set()
        wanted += [
          {r['task'] for r in rows if r['method'] == m and r.keys() >= fields}
          for m in self.methods
        ]
    if self.one_of:
      wanted.append(
        {
          r['task']
          for r in results.of(jobs_lib.ACCURACY)
          if r['method'] in self.one_of and _counts(r)
        }
      )
    return not wanted or bool(set.intersection(*wanted))

  def check(self, run: run_lib.Run, backbone: backbone_lib.Backbone) -> None:
    """Raises InputError if a run or its network does not allow it.

    Args:
      run: the run.
      backbone: the run's, with its usual taps.
    """
    if self.compares_normalization and not self._is_original(run):
      raise errors.InputError(
        f'{self.name}: the run itself is one of those compared; leave out '
        f'--normalization={run.normalization}'
      )
    try:
      jobs_lib.check(self.all_jobs, self.methods, backbone)
    except errors.InputError as e:
      raise errors.InputError(f'{self.name}: {e}') from e

  def _is_original(self, run: run_lib.Run) -> bool:
    """Whether a run is the one that it compares others with."""
    return (run.has_usual_taps or not self.compares_taps) and (
      run.normalization == normalization.SELECTED
      or not self.compares_normalization
    )

  def of_results(self, results: results_lib.Results) -> Frames:
    """Its measured frames."""
    if self.measured is None:
      raise ValueError(f'nothing of {self.name} is measured')
    return self.measured(results)

  def of_paper(self) -> Frames:
    """Its published frames."""
    if self.published is None:
      raise ValueError(f'the paper does not print enough for {self.name}')
    return self.published()

  def folder(self, folder: pathlib.Path) -> pathlib.Path:
    """Where it is kept in a run's folder: figures in one of their own."""
    return folder / 'figures' if self.draw else folder

  def place(self, results: results_lib.Results) -> pathlib.Path:
    """The folder that it is written to: a run's, or a second network's.

    What depends on a second network is in the folder of the run that is derived
    with it, so that another network's is not written over.
    """
    for job in self.jobs:
      if jobs_lib.JOBS[job].has_second and job in results.derived:
        return results.derived[job][0].path
    return results.folder.path

  def is_in(self, results: results_lib.Results) -> bool:
    """Whether it has been written there."""
    return self.is_at(self.place(results))

  def is_at(self, folder: pathlib.Path) -> bool:
    """Whether it has been written into a folder."""
    ending = 'png' if self.draw else 'md'
    return (self.folder(folder) / f'{self.name}.{ending}').is_file()

  def write_results(self, results: results_lib.Results) -> list[pathlib.Path]:
    """Writes what a run's results give; returns the paths."""
    run = results.run
    return self.write(
      self.of_results(results),
      self.place(results),
      f'measured: {run.name}' if self.draw else run_names.label(run),
    )

  def text(self, frames: Frames, source: str) -> str:
    """The frames as Markdown, from where their numbers come."""
    if self.markdown:
      return self.markdown(frames, source)
    return plain(frames, source, self.headings)

  def picture(self, frames: Frames, source: str) -> 'figure_lib.Figure':
    """The drawing, with a line that says where its numbers come from."""
    if self.draw is None:
      raise ValueError(f'{self.name} is no figure')
    drawn = self.draw(frames)
    plotting.note(drawn, source)
    return drawn

  def csv_name(self, frame: str) -> str:
    """Name of the file that has a frame."""
    return f'{self.name}{"" if frame == self.name else f"_{frame}"}.csv'

  def write(
    self, frames: Frames, folder: pathlib.Path, source: str
  ) -> list[pathlib.Path]:
    """Writes CSV and drawing or Markdown into a run's folder.

    Returns:
      The paths.
    """
    folder, paths = self.folder(folder), []
    for name, table in frames.items():
      paths.append(folder / self.csv_name(name))
      with files.atomic_write(paths[-1]) as f:
        table.to_csv(f, index=False, float_format='%.7g', lineterminator='\n')
    if self.draw:
      paths += plotting.save(self.picture(frames, source), folder, self.name)
      for name, draw in self.extracts.items():
        drawn = draw(frames)
        plotting.note(drawn, source)
        paths += plotting.save(drawn, folder, f'{self.name}_{name}')
      return paths
    paths.append(folder / f'{self.name}.md')
    with files.atomic_write(paths[-1]) as f:
      f.write(self.text(frames, source))
    return paths

  def show(self, frames: Frames, source: str) -> None:
    """Prints what a terminal can show."""
    print(terminal.prose(self.title))
    if self.terminal:
      print(f'\n{self.terminal(frames, source)}')
    elif not self.draw:
      print(f'\n{terminal.markdown(self.text(frames, source))}')
