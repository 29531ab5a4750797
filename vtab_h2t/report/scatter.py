"""Tasks as points of their group's colour and marker."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import plotting
from vtab_h2t.report import statistics
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib

AFFINITY = 'domain affinity: Linear − Scratch (points)'


def groups(table: pd.DataFrame) -> list[tuple[int, str]]:
  """The groups of a table's tasks, in their usual order.

  Returns:
    Number and name. A group has the same number, and by it the same colour, in
    every figure, whichever others are there.
  """
  found = set(table.group)
  every = [*task_lib.GROUPS, *sorted(found - set(task_lib.GROUPS))]
  return [(i, group) for i, group in enumerate(every) if group in found]


def draw(
  ax: 'axes_lib.Axes',
  table: pd.DataFrame,
  x: str,
  y: str,
  name: str = '',
  more: str = '',
) -> None:
  """Tasks as points, groups by marker, with Spearman's rho; not yet named.

  Args:
    ax: axes.
    table: has the columns group, x and y.
    x, y: names of columns.
    name: whose numbers they are.
    more: what is said after the correlation.
  """
  for i, group in groups(table):
    part = table[table.group == group]
    ax.scatter(
      part[x],
      part[y],
      marker=plotting.MARKERS[i % len(plotting.MARKERS)],
      color=f'C{i}',
      label=group,
    )
  rho = statistics.spearman(table[x], table[y])
  known = 'undefined' if np.isnan(rho) else f'{rho:+.3f}'
  count = len(table[[x, y]].dropna())
  tasks = f'({count} task{"s" * (count != 1)})'
  plotting.legend_above(
    ax, f'{name}: ' * bool(name) + f'Spearman {known} {tasks}{more}'
  )
