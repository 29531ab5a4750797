"""Tables of a page."""

from typing import TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import readable

if TYPE_CHECKING:
  import markupsafe

_BREAK = '_<wbr>'
_MOST_LINES = 200  # Of a table; the CSV file beside the rows has all.


def html(frame: pd.DataFrame, is_printed: bool = False) -> 'markupsafe.Markup':
  """A frame for readers as safe HTML: texts to the left, numbers to the right.

  Args:
    frame: as of `readable.table`.
    is_printed: as of `readable.table`.
  """
  import markupsafe

  escape, wbr = markupsafe.escape, markupsafe.Markup(_BREAK)
  shown = readable.table(frame.head(_MOST_LINES), is_printed)
  marks = [
    ' class="text"' if is_text else '' for is_text in shown.is_text.values()
  ]
  # Names of tasks are long, and may be broken where they are made of words.
  head = ''.join(
    f'<th scope="col"{mark}>{escape(name).replace("_", wbr)}</th>'
    for mark, name in zip(marks, shown.columns)
  )
  lines = [
    '<tr>'
    + ''.join(
      f'<td{mark}>{escape(text)}</td>' for mark, text in zip(marks, texts)
    )
    + '</tr>'
    for texts in zip(*shown.columns.values())
  ]
  text = (
    f'<table><thead><tr>{head}</tr></thead><tbody>'
    + '\n'.join(lines)
    + '</tbody></table>'
  )
  if len(frame) > len(lines):
    text += (
      f'<p>These are the first {len(lines)} of {len(frame)} lines; the CSV '
      "file in the run's folder has all.</p>"
    )
  return markupsafe.Markup(text)
