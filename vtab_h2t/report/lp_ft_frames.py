"""Frames of LP-FT under shifts, from the rows of the study `lp_ft_shift`.

A task is a pair: it is trained on one set of images and judged on others of the
same kind (in distribution, ID), and on sets under a shift (out of distribution,
OOD), over which the mean is taken. Over seeds the median is taken. Accuracies
are in percent, differences in points.
"""

from collections.abc import Sequence
import re

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.report import companion_rows
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.studies import lp_ft_shift as study

LP, FT, FT_FROZEN, LP_FT = ADAPTATIONS = study.ADAPTATIONS
TUNED = FT, FT_FROZEN, LP_FT
LABELS = {
  LP: 'LP',
  FT: 'FT',
  FT_FROZEN: 'FT, frozen statistics',
  LP_FT: 'LP-FT',
}
ID, OOD = PLACES = 'id', 'ood'
_CORRUPTION = re.compile(r'([a-z]+)([1-5])')
# Whose accuracies are compared: the first less the second.
COMPARED = (
  (FT, LP),
  (FT_FROZEN, LP),
  (LP_FT, FT),
  (LP_FT, FT_FROZEN),
  (LP_FT, LP),
)


@companion_rows.remembered
def by_seed(rows: companion_rows.Rows) -> pd.DataFrame:
  """One line for each pair, adaptation and seed.

  Returns:
    task, group, adaptation, seed; `id` and `ood`, accuracies; `id_l2` and
    `ood_l2`, how far the embedding moved on average.
  """
  table = companion_rows.tests(rows)
  keys = ['task', 'group', 'adaptation', 'seed']
  if table.empty:
    return pd.DataFrame(columns=[*keys, ID, OOD, 'id_l2', 'ood_l2'])
  if 'adaptation_l2' not in table:
    table['adaptation_l2'] = np.nan
  table['place'] = np.where(table.images == interface.OWN_TEST, ID, OOD)
  means = (
    table.groupby([*keys, 'place'], sort=False)[['percent', 'adaptation_l2']]
    .mean()
    .unstack('place')
    .reindex(columns=pd.MultiIndex.from_product([_MEASURED, PLACES]))
  )
  means.columns = [
    place if measure == 'percent' else f'{place}_l2'
    for measure, place in means.columns
  ]
  return means.reset_index()


_MEASURED = 'percent', 'adaptation_l2'


def _wide(
  table: pd.DataFrame, columns: Sequence[str], how: str
) -> pd.DataFrame:
  """A line a pair, in the order of the rows: pair, kind, `<adaptation>_<...>`.

  Args:
    table: what `by_seed` gives.
    columns: of it.
    how: they are taken over seeds.
  """
  values = table.groupby(['task', 'group', 'adaptation'], sort=False)[
    list(columns)
  ].agg(how)
  wide = values.unstack('adaptation')
  wide.columns = [f'{a}_{c}' for c, a in wide.columns]
  order = pd.MultiIndex.from_frame(table[['task', 'group']].drop_duplicates())
  wide = wide.reindex(
    order, columns=[f'{a}_{c}' for c in columns for a in ADAPTATIONS]
  ).reset_index()
  return wide.rename(columns={'task': 'pair', 'group': 'kind'})


def accuracy(rows: companion_rows.Rows) -> pd.DataFrame:
  """Medians over seeds, and their means over pairs.

  Returns:
    pair, kind, `<adaptation>_id` and `<adaptation>_ood`. The last line has
    means over the pairs that have all; it is left out if none has.
  """
  return _with_mean(_wide(by_seed(rows), PLACES, 'median'))


def deviations(rows: companion_rows.Rows) -> pd.DataFrame:
  """Standard deviations over seeds, in the columns of `accuracy`."""
  return _wide(by_seed(rows), PLACES, 'std')


def _with_mean(table: pd.DataFrame) -> pd.DataFrame:
  """With a line of the means over the pairs that lack nothing."""
  whole = table.dropna()
  if whole.empty:
    return table
  means = whole.drop(columns=['pair', 'kind']).mean()
  count = f'{len(whole)} pair{"s" * (len(whole) != 1)}'
  line = {'pair': frames_lib.MEAN, 'kind': count, **means}
  return pd.concat([table, pd.DataFrame([line])], ignore_index=True)


def differences(rows: companion_rows.Rows) -> pd.DataFrame:
  """What adaptations gain over others on the same seeds, median over these.

  Returns:
    pair, kind, `<one>_less_<other>_id` and `..._ood`, points; the last line has
    the means, as of `accuracy`.
  """
  table = by_seed(rows)
  wide = table.pivot(
    index=['task', 'group', 'seed'], columns='adaptation', values=list(PLACES)
  ).astype(float)
  found = pd.DataFrame(index=wide.index)
  for one, other in COMPARED:
    for place in PLACES:
      found[f'{one}_less_{other}_{place}'] = (
        wide[place, one] - wide[place, other]
        if {(place, one), (place, other)} <= set(wide)
        else np.nan
      )
  order = pd.MultiIndex.from_frame(table[['task', 'group']].drop_duplicates())
  medians = found.groupby(['task', 'group']).median().reindex(order)
  return _with_mean(
    medians.reset_index().rename(columns={'task': 'pair', 'group': 'kind'})
  )


def chosen(rows: companion_rows.Rows) -> pd.DataFrame:
  """The settings that validation chose.

  Returns:
    pair, adaptation, learning_rate, of the probe its `coefficient` in place of
    a rate; `at_edge` (whether that is the smallest or the largest that was
    tried, '' if neither or if it was the only one), `tried` (how many were),
    `seeds` that chose it, epoch (the median of theirs), epochs, batch.
  """
  columns = ['learning_rate', 'epoch', 'epochs', 'batch']
  table = companion_rows.tests(rows)
  if table.empty or not {*columns} <= set(table):
    return pd.DataFrame()
  tried: dict[tuple[str, str], set[float]] = {}
  for row in rows:
    if row['split'] == 'val' and 'learning_rate' in row:
      key = row['task'], row['adaptation']
      tried.setdefault(key, set()).add(row['learning_rate'])
  own = table[table.images == interface.OWN_TEST].copy()
  own['choice'] = own.learning_rate
  if 'coefficient' in own:
    own['choice'] = own.choice.fillna(own.coefficient)
  found = []
  for (task, adaptation, choice), part in own.groupby(
    ['task', 'adaptation', 'choice'], sort=False
  ):
    is_probe = adaptation == LP
    among = (
      set(lp_ft.C_PATH) if is_probe else tried.get((task, adaptation), set())
    )
    found.append(
      {
        'pair': task,
        'adaptation': adaptation,
        'learning_rate': np.nan if is_probe else choice,
        'coefficient': choice if is_probe else np.nan,
        'at_edge': _edge(choice, among),
        'tried': len(among),
        'seeds': part.seed.nunique(),
        'epoch': part.epoch.median(),
        'epochs': part.epochs.iloc[0],
        'batch': part.batch.iloc[0],
      }
    )
  return pd.DataFrame(found)


def _edge(choice: float, among: set[float]) -> str:
  if len(among) < 2:
    return ''
  return {min(among): 'smallest', max(among): 'largest'}.get(choice, '')


def movement(rows: companion_rows.Rows) -> pd.DataFrame:
  """How far embeddings moved: mean l2 distance, the median over seeds.

  Returns:
    pair, kind, `<adaptation>_id` and `<adaptation>_ood`, their quotient
    `<adaptation>_id_over_ood`, and how many times less LP-FT moved them:
    `<adaptation>_over_lp_ft_id` and `..._ood`.
  """
  table = _wide(by_seed(rows), ['id_l2', 'ood_l2'], 'median')
  table.columns = [c.removesuffix('_l2') for c in table.columns]
  table = table.drop(columns=[f'{LP}_{place}' for place in PLACES])
  for one in TUNED:
    table[f'{one}_id_over_ood'] = _quotient(
      table[f'{one}_id'], table[f'{one}_ood']
    )
  for one in (FT, FT_FROZEN):
    for place in PLACES:
      table[f'{one}_over_lp_ft_{place}'] = _quotient(
        table[f'{one}_{place}'], table[f'{LP_FT}_{place}']
      )
  return table


def _quotient(one: pd.Series, other: pd.Series) -> pd.Series:
  return one / other.where(other > 0)


def severities(rows: companion_rows.Rows) -> pd.DataFrame:
  """Accuracy under corruptions, where a pair has such test sets.

  Returns:
    pair, adaptation, corruption, severity (1 to 5), percent.
  """
  table = companion_rows.tests(rows)
  columns = ['pair', 'adaptation', 'corruption', 'severity', 'percent']
  if table.empty:
    return pd.DataFrame(columns=columns)
  parts = table.images.str.extract(f'^{_CORRUPTION.pattern}$')
  table = table.assign(corruption=parts[0], severity=parts[1], pair=table.task)
  table = table.dropna(subset=['corruption'])
  table['severity'] = table.severity.astype(int)
  return table.groupby(columns[:-1], sort=False).percent.median().reset_index()


def frames(rows: companion_rows.Rows) -> dict[str, pd.DataFrame]:
  """All frames of the table, the paper's last; of those that have lines."""
  found = {
    'lp_ft': accuracy(rows),
    'deviations': deviations(rows),
    'differences': differences(rows),
    'chosen': chosen(rows),
    'movement': movement(rows),
  }
  return {name: t for name, t in found.items() if len(t)} | of_the_paper()


def of_the_paper() -> dict[str, pd.DataFrame]:
  """The paper's own numbers, of its networks and data sets."""
  table = published.table('lp_ft_accuracy')
  keys = ['paper', 'kind', 'dataset', 'test', 'source']
  wide = table.pivot(index=keys, columns='method', values='percent')
  order = pd.MultiIndex.from_frame(table[keys].drop_duplicates())
  wide = wide.reindex(order, columns=[LP, FT, LP_FT]).reset_index()
  wide.columns.name = None
  return {'published': wide}


def figure_frames(rows: companion_rows.Rows) -> dict[str, pd.DataFrame]:
  """The frames of the figure."""
  table = accuracy(rows)
  found = {
    'lp_ft_figure': table[table.pair != frames_lib.MEAN],
    'movement': movement(rows),
    'severities': severities(rows),
  }
  return {name: t for name, t in found.items() if len(t)}
