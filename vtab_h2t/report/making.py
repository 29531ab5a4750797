"""The frames of every table and figure, from results or from the paper."""

from collections.abc import Mapping, Sequence

import pandas as pd

from vtab_h2t import published
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import retapping
from vtab_h2t.features import pooling
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import cost
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import measured_cost
from vtab_h2t.report import moved_taps
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics

Results = results_lib.Results
Frames = output_lib.Frames

_ACCURACY = jobs.ACCURACY
PAPER_BACKBONES = 'resnet50', 'vit_b16'
TABLE6 = {
  'original': _ACCURACY,
  'pre_normalization': retapping.PRE_NORMALIZATION,
  'pre_activation': retapping.PRE_ACTIVATION,
  'adding_pooled_input': retapping.WITH_INPUT,
}
TABLE7 = {
  'original': _ACCURACY,
  'only_cls': 'cls_only',
  'original_plus_cls': 'cls_both',
}


def summaries_of_the_paper() -> Frames:
  """Tables 1 and 4, by backbone, in the form of `statistics.summarise`."""
  table = published.table('table1_accuracy')
  table = table[table.task != 'mean'].merge(
    published.table('table4_std'), how='left'
  )
  return {
    b: table[table.backbone == b].reset_index(drop=True).assign(seeds=3)
    for b in PAPER_BACKBONES
  }


def comparable(run: run_lib.Run) -> bool:
  """Whether the paper has measured the same: its network on its tasks.

  The weights must be of a file; whether it is the paper's, only its user knows.
  """
  entry = backbones.BACKBONES.get(run.backbone)
  return (
    run.suite == 'vtab'
    and run.backbone in PAPER_BACKBONES
    and entry is not None
    and run.network.weights not in entry.weights
    and run.taps in (backbone_lib.ALL_TAPS, 'released')
    and run.cls_pooling == pooling.CLS_POOLED
    and run.train_fraction == 1
  )


def table1(results: Results) -> Frames:
  """Measured; where it is fair, published and the difference beside."""
  summary = statistics.summarise(results.of(_ACCURACY))
  found = {'table1': summary}
  if comparable(results.run):
    theirs = summaries_of_the_paper()[results.run.backbone]
    theirs = theirs[theirs.task.isin(set(summary.task))]
    found['published'] = theirs.reset_index(drop=True)
    both = summary.merge(
      theirs, on=['method', 'task', 'group'], suffixes=('', '_published')
    )
    both['accuracy_percent'] -= both.accuracy_percent_published
    found['difference'] = both.assign(std_percent=float('nan'))[
      ['method', 'task', 'group', 'accuracy_percent', 'std_percent', 'seeds']
    ]
  return found


def table2(results: Results) -> Frames:
  """The chosen settings of Head2Toe."""
  chosen = pd.DataFrame(
    [
      r
      for r in results.of(_ACCURACY)
      if r['method'] == 'head2toe' and r['split'] == 'test'
    ]
  ).drop_duplicates('task')
  return {
    'table2': chosen[
      [
        'backbone',
        'task',
        'target_size',
        'fraction',
        'learning_rate',
        'steps',
        'coefficient',
      ]
    ].rename(columns={'coefficient': 'l21_coefficient'})
  }


def table3(results: Results | None = None) -> Frames:
  """The model beside the published, and what was measured."""
  table = cost.published_table()
  frames = {'table3': cost.table3(cost.fit(table), table)}
  measured = (
    ()
    if results is None
    else measured_cost.measured(results.run, results.measurements)
  )
  return frames | ({'measured': measured} if len(measured) else {})


def table4(table: pd.DataFrame) -> pd.DataFrame:
  """Standard deviations as a table of methods by tasks."""
  wide = table.pivot(index='method', columns='task', values='std_percent')
  wide = wide.reindex(index=table.method.unique(), columns=table.task.unique())
  wide.columns.name = None
  return wide.reset_index()


def table4_measured(results: Results) -> Frames:
  """Standard deviations of a run."""
  return {'table4': table4(statistics.summarise(results.of(_ACCURACY)))}


def table4_published() -> Frames:
  """Standard deviations of the paper, by backbone."""
  return {b: table4(t) for b, t in summaries_of_the_paper().items()}


def table5(results: Results) -> Frames:
  """The tasks that were measured."""
  first = pd.DataFrame(results.of(_ACCURACY)).drop_duplicates('task')
  return {'table5': first[['task', 'group']].reset_index(drop=True)}


def variants(
  results: Results, wanted: Mapping[str, str], theirs: pd.DataFrame
) -> pd.DataFrame:
  """Mean accuracy of Head2Toe in the run and in those derived from it.

  Args:
    results: of the run.
    wanted: label to the job whose rows it has.
    theirs: the paper's table.
  """
  by_task = {
    label: frames_lib.accuracies(
      [r for r in results.of(job) if r['method'] == 'head2toe']
    ).set_index('task')
    for label, job in wanted.items()
  }
  tasks = [
    t
    for t in by_task['original'].index
    if all(t in table.index for table in by_task.values())
  ]
  ours = frames_lib.group_means(
    {label: table.percent[tasks] for label, table in by_task.items()},
    by_task['original'].group[tasks],
  ).rename(columns={'method': 'variant'})
  if comparable(results.run):
    ours = ours.merge(theirs, on='variant', suffixes=('', '_published'))
  return ours


def table6(results: Results) -> Frames:
  """Head2Toe on other taps, and which those are, if that is known."""
  run = results.run
  moved = moved_taps.table(run.network.backbone, run.image_size)
  return {
    'table6': variants(
      results, TABLE6, published.table('table6_ablation_resnet50')
    )
  } | ({} if moved.empty else {'moved_taps': moved})


def table7(results: Results) -> Frames:
  """Head2Toe and the class token."""
  return {
    'table7': variants(
      results, TABLE7, published.table('table7_cls_token_vit_b16')
    )
  }


def affinity_of_the_paper() -> Frames:
  """What `affinity` gives, by backbone, from Table 1."""
  return {
    b: frames_lib.by_affinity(frames_lib.published_accuracies(b))
    for b in PAPER_BACKBONES
  }


def affinity(results: Results) -> Frames:
  """By the backbone's name; where it is fair, published beside."""
  name = results.run.backbone
  found = {
    name: frames_lib.by_affinity(frames_lib.accuracies(results.of(_ACCURACY)))
  }
  if comparable(results.run):
    theirs = affinity_of_the_paper()[name]
    found[f'{name}_published'] = theirs[
      theirs.task.isin(set(found[name].task))
    ].reset_index(drop=True)
  return found


def gains(tables: Frames, over: str, compared: Sequence[str]) -> Frames:
  """What methods gain over another, in each of the tables of `affinity`."""
  return {b: frames_lib.gains(t, over, compared) for b, t in tables.items()}


def figure4(results: Results) -> Frames:
  """The taps of each task, the best one, and means beside the Control's."""
  table = frames_lib.accuracies(results.of(_ACCURACY)).pivot(
    index='task', columns='method', values='percent'
  )
  taps = frames_lib.one_tap(results.of('one_tap'))
  best = frames_lib.oracle(taps, frames_lib.chosen_taps(results.of('one_tap')))
  control = frames_lib.one_tap(results.of(jobs.CONTROL)).set_index('task')
  best['affinity'] = best.task.map(table.linear - table.scratch)
  best['oracle_gain'] = best.oracle - best.task.map(table.linear)
  best = best[
    best.oracle_gain.notna()
    & best.affinity.notna()
    & best.task.isin(control.index)
  ].reset_index(drop=True)
  by_task = best.set_index('task')
  return {
    'taps': taps,
    'gains': best,
    'averages': frames_lib.group_means(
      {
        'linear': table.linear[by_task.index],
        'control': control.percent[by_task.index],
        'oracle': by_task.oracle,
      },
      by_task.group,
    ),
  }


def figure8(results: Results) -> Frames:
  """The run's own network and the second one."""
  second = results.derived[jobs.SECOND][0].run
  return {
    'figure8': frames_lib.affinities(
      {
        f'{run.backbone} ({run.weights})': frames_lib.by_affinity(
          frames_lib.accuracies(results.of(job))
        )
        for job, run in ((_ACCURACY, results.run), (jobs.SECOND, second))
      }
    )
  }


def figure8_published() -> Frames:
  """The table, and its rank correlation as printed and as computed."""
  table = frames_lib.affinities(affinity_of_the_paper())
  printed = published.table('correlations')
  printed = printed[printed['where'].str.contains('Figure 8')].value.item()
  return {
    'figure8': table,
    'spearman': pd.DataFrame(
      [
        {
          'from': 'the rounded Table 1',
          'spearman': statistics.spearman(*(table[b] for b in PAPER_BACKBONES)),
        },
        {'from': 'as printed', 'spearman': printed},
      ]
    ),
  }


def granularity(results: Results) -> Frames:
  """Selecting features or whole taps: by task, and means over tasks."""
  table = frames_lib.granularity(results.of('granularity'))
  return {
    'figure10': table,
    'figure6': frames_lib.mean_over_tasks(table, ['kind', 'step']),
  }


def scaling(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
  """By task, and means over tasks."""
  table = frames_lib.scaling(results.of('scaling'))
  return table, frames_lib.mean_over_tasks(
    table, ['target_size', 'tap_stride', 'num_candidates']
  )


def figure7(results: Results) -> Frames:
  """Other tasks' features; more candidates."""
  return {
    'transfer': frames_lib.transfer(results.of(jobs.TRANSFER)),
    'scaling': scaling(results)[1],
  }


def figure11(results: Results) -> Frames:
  """Gains over fine-tuning; overlap of selections; places in the ranking."""
  places = frames_lib.offset(results.of('offset'))
  return gains(affinity(results), 'finetune', ('head2toe',)) | {
    'overlap': frames_lib.overlap(results.of(jobs.RELEVANCE)),
    'offset': frames_lib.mean_over_tasks(places, ['offset']),
  }


def figure13(results: Results) -> Frames:
  """On tasks that were measured with all and with fewer images."""
  table = frames_lib.reduced(
    [*results.of(jobs.REDUCED), *results.of(_ACCURACY)]
  )
  parts = table.groupby(['method', 'task']).train_fraction.transform('nunique')
  table = table[parts == table.train_fraction.nunique()]
  return {
    'tasks': table,
    'figure13': frames_lib.mean_over_tasks(table, ['method', 'train_fraction']),
  }


def scores(results: Results) -> Frames:
  """Other relevance scores: by task, and means over tasks."""
  table = frames_lib.scores(results.of('scores'))
  return {
    'tasks': table,
    'scores': frames_lib.mean_over_tasks(table, ['score']),
  }


def depth(results: Results) -> pd.DataFrame:
  """What is selected of each tap."""
  return frames_lib.depth(results.of(jobs.RELEVANCE))
