"""Frames of surgical fine-tuning, from the rows of the study `surgical_shift`.

A task is a target under a shift of some kind, or under none; a part of a
network that was trained on the task's source is tuned on some labelled images
of the target. Over seeds the median is taken. Accuracies are in percent,
differences in points.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from vtab_h2t import published
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import companion_rows
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import surgical_rows
from vtab_h2t.studies import surgical_shift

Frames = dict[str, pd.DataFrame]

# What stands in the paper's Table 4 in place of both definitions.
_PAPERS_NAME = {'auto_snr_code': 'auto_snr', 'auto_snr_paper': 'auto_snr'}
_KEYS = ['group', 'task', 'shots']


def accuracy(table: pd.DataFrame) -> pd.DataFrame:
  """A line for each target and number of labelled images.

  Args:
    table: what `surgical_rows.tests` gives.

  Returns:
    kind, target, shots, seeds; the median of each thing that is tuned;
    `chosen`, the block that validation chose, and of it less full fine-tuning
    on the same seeds `chosen_less_all`, the median, and `chosen_less_all_std`.
  """
  wide = table.pivot_table(
    index=_KEYS, columns='tuned', values='percent', aggfunc='median', sort=False
  )[surgical_rows.order(table)]
  wide.insert(0, 'seeds', companion_rows.seed_counts(table, _KEYS))
  choice = surgical_rows.chosen(table)
  lines = []
  for (_, task, shots), _ in wide.iterrows():
    block = choice.get((task, shots), '')
    paired = _paired(table, task, shots, block, surgical_rows.ALL)
    lines.append((block, paired.median(), paired.std()))
  columns = ['chosen', 'chosen_less_all', 'chosen_less_all_std']
  wide[columns] = pd.DataFrame(lines, index=wide.index, columns=columns)
  wide.columns.name = None
  places = {kind: i for i, kind in enumerate(companion_rows.KINDS)}
  return (
    wide.reset_index()
    .rename(columns={'group': 'kind', 'task': 'target'})
    .sort_values(
      ['shots', 'kind'],
      kind='stable',
      ignore_index=True,
      key=lambda c: c.map(places) if c.name == 'kind' else c,
    )
  )


def chosen(table: pd.DataFrame) -> dict[str, list[int]]:
  """Of each block, in which lines it is the chosen one.

  Args:
    table: what `accuracy` gives, of one network or several.
  """
  return {
    block: [i for i, name in enumerate(table.chosen) if name == block]
    for block in sorted(set(table.chosen) & set(table))
  }


def _paired(
  table: pd.DataFrame, task: str, shots: int, one: str, other: str
) -> 'pd.Series[float]':
  """Differences on the seeds that both have, in points."""
  own = table[(table.task == task) & (table.shots == shots)]
  by_seed = {
    t: own[own.tuned == t].set_index('seed').percent for t in (one, other)
  }
  return (by_seed[one] - by_seed[other]).dropna().astype(float)


def batch_norm(rows: companion_rows.Rows) -> pd.DataFrame:
  """Batch norms in training mode against inference mode, where both are.

  Returns:
    kind, target, shots, tuned, inference, training, `change` in points.
  """
  table = companion_rows.tests(rows)
  if table.empty:
    return table
  wide = table.pivot_table(
    index=[*_KEYS, 'tuned'],
    columns='batch_norm',
    values='percent',
    aggfunc='median',
    sort=False,
  ).reindex(columns=[surgical_rows.INFERENCE, surgical_rows.TRAINING])
  wide.columns.name = None
  wide = wide.dropna().reset_index()
  wide['change'] = wide[surgical_rows.TRAINING] - wide[surgical_rows.INFERENCE]
  return wide.rename(columns={'group': 'kind', 'task': 'target'})


def sources(table: pd.DataFrame) -> pd.DataFrame:
  """How well the network was trained on the source of each target.

  Returns:
    target, `source_percent` and `source_train_loss` (medians), `source_epochs`,
    and `plateaus`: how many of `seeds` ended at a plateau.
  """
  if 'source_total' not in table:
    return pd.DataFrame()
  known = table[
    (table.tuned == surgical_rows.NONE) & table.source_total.notna()
  ]
  known = known.drop_duplicates(['task', 'seed'])
  known = known.assign(
    source_percent=100 * known.source_correct / known.source_total,
    source_plateau=known.source_plateau.astype(bool),
  )
  return (
    known.groupby('task', sort=False)
    .agg(
      source_percent=('source_percent', 'median'),
      source_train_loss=('source_train_loss', 'median'),
      source_epochs=('source_epochs', 'median'),
      plateaus=('source_plateau', 'sum'),
      seeds=('seed', 'nunique'),
    )
    .reset_index()
    .rename(columns={'task': 'target'})
  )


def edges(table: pd.DataFrame, run: run_lib.Run) -> pd.DataFrame:
  """How often validation chose from the edge of what was tried.

  Args:
    table: what `surgical_rows.tests` gives.
    run: whose rows they are; it tells what was tried.

  Returns:
    tuned, shots, `trainings` (over targets and seeds); how many of them had the
    smallest or the largest rate and were kept after the last epoch,
    `smallest_rate`, `largest_rate` and `last_epoch`. Empty if it is not known
    what was tried.
  """
  if not {'learning_rate', 'epoch', 'epochs'} <= set(table):
    return pd.DataFrame()
  rates = {
    task: getattr(
      run.space.of_task(task).options.get(surgical_shift.SurgicalShift.name),
      'learning_rates',
      (),
    )
    for task in table.task.unique()
  }
  own = table[table.learning_rate.notna()]
  own = own[[len(rates[task]) > 1 for task in own.task]]
  ends = [(min(rates[task]), max(rates[task])) for task in own.task]
  own = own.assign(
    smallest_rate=own.learning_rate == [low for low, _ in ends],
    largest_rate=own.learning_rate == [high for _, high in ends],
    last_epoch=own.epoch == own.epochs,
  )
  by_tuned = own.groupby(['shots', 'tuned'])
  wide = by_tuned[['smallest_rate', 'largest_rate', 'last_epoch']].sum()
  wide.insert(0, 'trainings', by_tuned.size())
  places = {t: i for i, t in enumerate(surgical_rows.order(table))}
  return wide.reset_index().sort_values(
    ['shots', 'tuned'],
    ignore_index=True,
    key=lambda c: c.map(places) if c.name == 'tuned' else c,
  )[['tuned', 'shots', *wide]]


def ranks(table: pd.DataFrame) -> pd.DataFrame:
  """Average ranks over targets, beside the paper's.

  Returns:
    method, `average_rank` among the methods here, `targets`; `published_rank`,
    the paper's, among six methods on its seven tasks.
  """
  by_task = (
    surgical_rows.ranks_by_seed(table)
    .groupby('task')[list(surgical_rows.RANKED)]
    .median()
    if len(table)
    else pd.DataFrame(columns=list(surgical_rows.RANKED))
  )
  theirs = published.table('surgical_ranks').set_index('method').average_rank
  found = pd.DataFrame(
    [
      {
        'method': method,
        'average_rank': by_task[method].mean(),
        'targets': len(by_task),
        'published_rank': theirs.get(_PAPERS_NAME.get(method, method)),
      }
      for method in surgical_rows.RANKED
    ]
  )
  return found.sort_values('average_rank', kind='stable', ignore_index=True)


def networks(
  results: results_lib.Results,
) -> Iterator[tuple[run_lib.Run, companion_rows.Rows]]:
  """The runs of measured networks and their rows, the small one first."""
  small = results.derived.get(companion_rows.SURGICAL_SMALL)
  runs = {companion_rows.SURGICAL: results.run}
  if small:
    runs = {companion_rows.SURGICAL_SMALL: small[0].run} | runs
  for job, run in runs.items():
    if len(surgical_rows.tests(results.of(job))):
      yield run, results.of(job)


def frames(results: results_lib.Results) -> Frames:
  """All frames of the table, others' numbers last; of those with lines."""
  parts: dict[str, list[pd.DataFrame]] = {}
  for run, rows in networks(results):
    table = surgical_rows.tests(rows)
    for name, one in (
      ('surgical', accuracy(table) if len(table) else table),
      ('ranks', ranks(table)),
      ('batch_norm', batch_norm(rows)),
      ('edges', edges(table, run)),
      ('sources', sources(table)),
    ):
      if len(one.dropna(axis='columns', how='all')) and not (
        name == 'ranks' and one.average_rank.isna().all()
      ):
        one.insert(0, 'network', run.backbone)
        parts.setdefault(name, []).append(one)
  return {name: _joined(some) for name, some in parts.items()} | of_others(
    with_ranks='ranks' not in parts
  )


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
  """Frames below each other; networks differ in their blocks."""
  table = pd.concat(parts, ignore_index=True)
  if 'chosen' not in table:
    return table
  known = [
    c
    for c in table
    if c
    not in (surgical_rows.ALL, surgical_rows.LAST, *surgical_rows.AUTOMATIC)
  ]
  before = [c for c in known if not c.startswith('chosen')]
  return table[
    [
      *before,
      *(
        c
        for c in (
          surgical_rows.LAST,
          surgical_rows.ALL,
          *surgical_rows.AUTOMATIC,
        )
        if c in table
      ),
      *(c for c in known if c.startswith('chosen')),
    ]
  ]


def of_others(with_ranks: bool = True) -> Frames:
  """Independent replications' numbers, and the paper's ranks.

  Args:
    with_ranks: whether the paper's ranks stand in no other frame.
  """
  table = published.table('surgical_replications')
  keys = [c for c in table if c not in ('tuned', 'percent')]
  tuned = list(dict.fromkeys(sorted(table.tuned, key=_place)))
  wide = (
    table.fillna({'target_size': ''})
    .pivot_table(index=keys, columns='tuned', values='percent', sort=False)[
      tuned
    ]
    .reset_index()
    .rename(columns={'fc': surgical_rows.LAST})
  )
  wide.columns.name = None
  found = {'replications': wide}
  if with_ranks:
    found['published_ranks'] = published.table('surgical_ranks')
  return found


def _place(tuned: str) -> tuple[bool, bool, str]:
  return tuned == surgical_rows.ALL, tuned == 'fc', tuned


def by_kind(table: pd.DataFrame) -> pd.DataFrame:
  """Means over the targets of each kind of shift, for the figure.

  Args:
    table: what `surgical_rows.tests` gives.

  Returns:
    kind, shots, tuned (none, blocks, last, all, in this order), percent,
    `tasks`, and `error`: the standard error of the mean over targets, of the
    medians over seeds; of a single target the standard deviation over seeds.
    All means of a kind are over the same targets: those that have all of it
    or, if there is none, all targets, of what all of them have.
  """
  shown = [surgical_rows.NONE, *surgical_rows.blocks(table), surgical_rows.ALL]
  found = []
  for (kind, shots), own in table[table.tuned.isin(shown)].groupby(
    ['group', 'shots'], sort=False
  ):
    by_task = own.groupby(['task', 'tuned']).percent.median().unstack()
    whole = by_task.dropna()
    if whole.empty:
      whole = by_task.dropna(axis='columns')
    for tuned in filter(set(whole).__contains__, shown):
      values = whole[tuned]
      of_seeds = own.percent[own.tuned == tuned].std()
      found.append(
        {
          'kind': kind,
          'shots': shots,
          'tuned': tuned,
          'percent': values.mean(),
          'error': values.sem() if len(values) > 1 else of_seeds,
          'tasks': len(values),
        }
      )
  return pd.DataFrame(found)


def figure_frames(results: results_lib.Results) -> Frames:
  """The frame of the figure."""
  parts = []
  for run, rows in networks(results):
    table = by_kind(surgical_rows.tests(rows))
    table.insert(0, 'network', run.backbone)
    parts.append(table)
  return {'surgical_figure': pd.concat(parts, ignore_index=True)}
