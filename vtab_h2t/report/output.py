"""What a table or figure is: its numbers, and how they are shown."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import pathlib
from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t import files
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import figure as figure_lib

Rows = Mapping[str, Sequence[dict[str, Any]]]  # By job.
Frames = dict[str, pd.DataFrame]


@dataclasses.dataclass(frozen=True)
class Output:
  """A table or figure.

  Attributes:
    name: as the runner's.
    title: what it shows.
    jobs: whose rows it is made from.
    methods: that must be among the methods measured.
    measured: its frames, from rows; None if it has nothing measured.
    published: its frames, from the paper's numbers; None if those do not
      suffice.
    draw: a figure of the frames; None for tables.
    markdown: the frames as Markdown; a table of each by default.
    terminal: prints the frames; their Markdown by default.
    from_ledger: its frames, from a work directory as it is.
    vit: whether it is for ViTs only (True), or only for others (False).
  """

  name: str
  title: str
  jobs: tuple[str, ...] = ()
  methods: tuple[str, ...] = ()
  measured: Callable[[Rows], Frames] | None = None
  published: Callable[[], Frames] | None = None
  draw: Callable[[Frames], Any] | None = None
  markdown: Callable[[Frames], str] | None = None
  terminal: Callable[[Frames], None] | None = None
  from_ledger: Callable[[ledger_lib.Ledger], Frames] | None = None
  vit: bool | None = None

  @property
  def kind(self) -> str:
    """'figures' or 'tables'."""
    return 'figures' if self.draw else 'tables'

  def text(self, frames: Frames) -> str:
    """The frames as Markdown."""
    if self.markdown:
      return self.markdown(frames)
    return '\n\n'.join(
        table.to_markdown(index=False, floatfmt='.1f') for table in
        frames.values()) + '\n'

  def picture(self, frames: Frames, source: str) -> 'figure_lib.Figure':
    """The drawing, with a line that says where its numbers come from."""
    drawn = self.draw(frames)
    plotting.note(drawn, source)
    return drawn

  def write(self, frames: Frames, folder: pathlib.Path, source: str
            ) -> list[pathlib.Path]:
    """Writes CSV and drawing or Markdown; returns the paths."""
    paths = []
    for name, table in frames.items():
      suffix = '' if name == self.name else f'_{name}'
      paths.append(folder / f'{self.name}{suffix}.csv')
      with files.atomic_write(paths[-1]) as f:
        table.to_csv(f, index=False, float_format='%.7g', lineterminator='\n')
    if self.draw:
      return paths + plotting.save(
          self.picture(frames, source), folder, self.name)
    paths.append(folder / f'{self.name}.md')
    with files.atomic_write(paths[-1]) as f:
      f.write(self.text(frames))
    return paths

  def show(self, frames: Frames) -> None:
    """Prints what a terminal can show."""
    print(self.title)
    if self.terminal:
      self.terminal(frames)
    elif not self.draw:
      print(self.text(frames))
