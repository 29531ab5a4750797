"""What the rows of the study `surgical_shift` say, before anything is tabled.

A task is a target under a shift of some kind, or under none; a part of a
network that was trained on the task's source is tuned on some labelled images
of the target. Accuracies are in percent.
"""

import numpy as np
import pandas as pd

from vtab_h2t.report import companion_rows
from vtab_h2t.studies import surgical_shift as study

NONE, LAST, ALL = study.NONE, study.LAST, study.ALL
AUTO_RGN = study.AUTO_RGN
# What is tuned by rule, beside a network's blocks, the last layer and all.
AUTOMATIC = study.AUTOMATIC
RANKED = ALL, LAST, *AUTOMATIC  # Whose ranks are compared.
CHOSEN = 'chosen'
UNIT = 'task', 'group', 'seed'
INFERENCE, TRAINING = study.MODES  # Of batch norms; training is the ablation.


def tests(rows: companion_rows.Rows) -> pd.DataFrame:
  """Test rows with `percent` and `val_percent`, batch norms not trained."""
  table = companion_rows.tests(rows)
  if table.empty:
    return table
  table = table[table.batch_norm == INFERENCE].copy()
  if 'val_correct' in table:
    table['val_percent'] = 100 * table.val_correct / table.val_total
  else:
    table['val_percent'] = np.nan
  return table


def fewest(table: pd.DataFrame) -> pd.DataFrame:
  """The rows with the least labelled images, which every target has."""
  return table[table.shots == table.shots.min()]


def blocks(table: pd.DataFrame) -> list[str]:
  """A network's blocks and the last layer, in its order.

  Args:
    table: what `tests` gives; rows of one seed are in the network's order. The
      order is that of a seed with most blocks, as a training may have failed.
  """
  if table.empty:
    return [LAST]
  own = table[~table.tuned.isin({NONE, LAST, ALL, *AUTOMATIC})]
  by_seed = own.groupby(['task', 'seed', 'shots'], sort=False).tuned.unique()
  longest = max(by_seed, key=len, default=())
  return [*dict.fromkeys([*longest, *own.tuned]), LAST]


def order(table: pd.DataFrame) -> list[str]:
  """Everything that is tuned, in the order of tables."""
  there = set(table.tuned)
  return [t for t in (NONE, *blocks(table), ALL, *AUTOMATIC) if t in there]


def chosen(table: pd.DataFrame) -> 'pd.Series[str]':
  """The block that validation chooses, by task and number of labelled images.

  It is that with the largest median over seeds of the accuracy on the target's
  validation images; ties go to the larger mean, then to the block nearer to the
  input. The last layer is one of the blocks here.

  Args:
    table: what `tests` gives.
  """
  candidates = blocks(table)
  of_blocks = table[table.tuned.isin(candidates)].dropna(subset='val_percent')
  found = {}
  for key, part in of_blocks.groupby(['task', 'shots'], sort=False):
    by_block = part.groupby('tuned').val_percent.agg(['median', 'mean'])
    by_block['place'] = [-candidates.index(t) for t in by_block.index]
    found[key] = max(by_block.index, key=lambda t: tuple(by_block.loc[t]))
  index = pd.MultiIndex.from_tuples(found, names=['task', 'shots'])
  return pd.Series(list(found.values()), index, dtype=object)


def ranks_by_seed(table: pd.DataFrame) -> pd.DataFrame:
  """Ranks of rules, 1 being best, under shifts; ties have their mean.

  Args:
    table: what `tests` gives.

  Returns:
    `UNIT`, and of each of `RANKED` its rank on the target with the fewest
    labelled images; of targets and seeds that have all.
  """
  few = fewest(table)
  wide = (
    few[(few.group != NONE) & few.tuned.isin(RANKED)]
    .pivot_table(
      index=list(UNIT), columns='tuned', values='percent', sort=False
    )
    .reindex(columns=list(RANKED))
    .dropna()
  )
  ranks = wide.rank(axis=1, ascending=False)
  ranks.columns.name = None
  return ranks.reset_index()


def by_unit(table: pd.DataFrame) -> pd.DataFrame:
  """Accuracies by target and seed with the fewest labelled images.

  Args:
    table: what `tests` gives.

  Returns:
    `UNIT`, and a column for each thing that is tuned and for `CHOSEN`, the
    block that validation chose.
  """
  few = fewest(table)
  choice = chosen(few)
  picked = [choice.get((r.task, r.shots)) == r.tuned for r in few.itertuples()]
  names = pd.concat([few, few[picked].assign(tuned=CHOSEN)])
  wide = names.pivot_table(
    index=list(UNIT), columns='tuned', values='percent', sort=False
  )
  wide.columns.name = None
  return wide.reset_index()
