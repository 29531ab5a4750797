"""The frames of the tables, from results or from the paper."""

from collections.abc import Mapping

import pandas as pd

from vtab_h2t import published
from vtab_h2t.backbones import retapping
from vtab_h2t.features import normalization
from vtab_h2t.report import contradictions as contradictions_lib
from vtab_h2t.report import cost
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import measured_cost
from vtab_h2t.report import moved_taps
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import statistics
from vtab_h2t.report import successors as successors_lib

Results = results_lib.Results
Frames = output_lib.Frames

_ACCURACY = jobs.ACCURACY
ARITHMETICS = 'arithmetics'  # What of Table 4 is of additions in another order.
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
# Section 3.3: each layer's features at unit norm, after or before selection;
# each feature by its own mean and deviation; as they are.
NORMALIZATION = {normalization.SELECTED: _ACCURACY} | jobs.NORMALIZATIONS
TAYLOR = 'linear', 'linearized', 'finetune'


def summaries_of_the_paper() -> Frames:
  """Tables 1 and 4, by backbone, in the form of `statistics.summarise`."""
  table = published.table('table1_accuracy')
  table = table[table.task != 'mean'].merge(
    published.table('table4_std'), how='left'
  )
  return {
    b: table[table.backbone == b].reset_index(drop=True).assign(seeds=3)
    for b in papers.BACKBONES
  }


def table1(results: Results) -> Frames:
  """Measured; where it is fair, published and the difference beside."""
  summary = statistics.summarise(results.of(_ACCURACY))
  found = {'table1': summary}
  if papers.comparable(results.run):
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
  """The model beside the published, what was measured, and the search's cost.

  Args:
    results: of a run; None for the paper's numbers alone.
  """
  table = cost.published_table()
  found = {
    'table3': cost.table3(cost.fit(table), table),
    'overhead': overhead(results),
  }
  if results is not None:
    own = results.own_measurements
    measured = measured_cost.measured(results.run, own)
    if len(measured):
      found['measured'] = measured
    by_method = measured_cost.by_method(results.run, own)
    if len(by_method):
      found['by_method'] = by_method
  return found


def successors(results: Results) -> Frames:
  """Head2Toe among the methods that came after it."""
  return {
    'successors': successors_lib.table(
      results.of(_ACCURACY), results.own_measurements
    )
  }


def overhead(results: Results | None) -> pd.DataFrame:
  """What the search for the fraction costs (Appendix B).

  Args:
    results: of a run; None for the paper's numbers alone.

  Returns:
    `fractions` (whose), `number` (how many), `overhead`: operations of the
    heads that are trained to choose among them, relative to those of the heads
    that all features are trained for.
  """
  tried = {
    "Appendix A's": list(papers.LISTED_FRACTIONS),
    "Appendix A's and Table 2's": papers.fractions(),
  }
  if results is not None:
    space = results.run.space
    own = list(space.of('head2toe').fractions)
    if space.folds and own:
      tried[f"this run's ({space.name} grid)"] = own
  return pd.DataFrame(
    [
      {
        'fractions': whose,
        'number': len(fractions),
        'overhead': cost.selection_overhead(fractions),
      }
      for whose, fractions in tried.items()
    ]
  )


def table4(table: pd.DataFrame) -> pd.DataFrame:
  """Standard deviations as a table of methods by tasks.

  Args:
    table: what `statistics.summarise` gives.

  Returns:
    method, a column for each task, and their mean; that is missing where one of
    the tasks is.
  """
  wide = table.pivot(index='method', columns='task', values='std_percent')
  wide = wide.reindex(index=table.method.unique(), columns=table.task.unique())
  wide.columns.name = None
  wide[frames_lib.MEAN] = wide.mean(axis=1, skipna=False)
  return wide.reset_index()


def table4_measured(results: Results) -> Frames:
  """Standard deviations of a run; what the order of additions did, if known."""
  summary = statistics.summarise(results.of(_ACCURACY))
  found = {'table4': table4(summary)}
  if rounding.is_known(results.run):
    rounded = rounding.by_task(summary)
    if not rounded.empty:
      found[ARITHMETICS] = rounded
  return found


def table4_published() -> Frames:
  """Standard deviations of the paper, by backbone."""
  return {b: table4(t) for b, t in summaries_of_the_paper().items()}


def table5(results: Results) -> Frames:
  """The tasks that were measured, and how many classes they have.

  Classes are in the manifests; without one their number is missing.
  """
  first = pd.DataFrame(results.of(_ACCURACY)).drop_duplicates('task')
  classes = {
    m.manifest['task']: m.manifest['classes'] for m in results.measurements
  }
  table = first[['task', 'group']].reset_index(drop=True)
  table['num_classes'] = table.task.map(classes).astype('Int64')
  return {'table5': table}


def variants(
  results: Results,
  wanted: Mapping[str, str],
  theirs: pd.DataFrame | None = None,
) -> pd.DataFrame:
  """Mean accuracy of Head2Toe in the run and in those derived from it.

  Args:
    results: of the run.
    wanted: label to the job whose rows it has; the first is the run's own.
    theirs: the paper's table, if it prints one.

  Returns:
    `variant` (the label), average, and a column for each group: means over the
    tasks that all have; beside the paper's where that is fair.
  """
  by_task = {
    label: frames_lib.accuracies(
      [r for r in results.of(job) if r['method'] == 'head2toe']
    ).set_index('task')
    for label, job in wanted.items()
  }
  own = next(iter(by_task.values()))
  tasks = [
    t for t in own.index if all(t in table.index for table in by_task.values())
  ]
  ours = frames_lib.group_means(
    {label: table.percent[tasks] for label, table in by_task.items()},
    own.group[tasks],
  ).rename(columns={'method': 'variant'})
  is_whole = len(tasks) == len(published.table('table5_tasks'))
  if theirs is not None and is_whole and papers.comparable(results.run):
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


def normalizations(results: Results) -> Frames:
  """Head2Toe under each rule of normalisation (section 3.3)."""
  return {
    'normalization': variants(results, NORMALIZATION).rename(
      columns={'variant': 'normalization'}
    )
  }


def taylor(results: Results) -> Frames:
  """Linear, the linearised network, fine-tuning (section 3.1).

  Tasks are those that have all three. `<method>_displacement`: how far training
  moved the network, the l2 norm of the change of its weights over that of the
  weights; missing where rows do not tell it.
  """
  rows = results.of(_ACCURACY)
  by_task, means = frames_lib.comparison(rows, TAYLOR)
  for method in TAYLOR[1:]:
    moved = pd.DataFrame(
      [
        {'task': r['task'], 'moved': r.get('displacement')}
        for r in rows
        if r['method'] == method and r['split'] == 'test'
      ],
      columns=['task', 'moved'],
    )
    median = moved.groupby('task').moved.median()
    by_task[f'{method}_displacement'] = by_task.task.map(median).astype(float)
  return {'taylor': by_task, 'means': means}


def claims(results: Results) -> Frames:
  """The paper's claims, judged on a run's rows."""
  return {'claims': judging.of_run(results)}


def claims_of_the_paper() -> Frames:
  """The same, judged on its Table 1, by backbone: `derived`, not measured."""
  return {
    b: judging.of_paper(b).rename(columns={'measured': 'derived'})
    for b in papers.BACKBONES
  }


def contradictions() -> Frames:
  """What is said, what the paper's tables give, and the number if any."""
  return {'contradictions': contradictions_lib.table()}
