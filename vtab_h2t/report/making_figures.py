"""The frames of the figures, from results or from the paper."""

from collections.abc import Sequence

import pandas as pd

from vtab_h2t import published
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import statistics
from vtab_h2t.report import study_frames
from vtab_h2t.report import tap_frames
from vtab_h2t.studies import base as study
from vtab_h2t.tasks import registry as tasks_lib

Results = results_lib.Results
Frames = output_lib.Frames

_ACCURACY = jobs.ACCURACY
BASELINES = 'linear', 'scratch', 'finetune'
# Whose accuracy by layer Figure 4 shows: the paper's far and near task.
_FAR_AND_NEAR = 'clevr_dist', 'pets'
# Whose selection Figure 6 shows; the first that was measured.
_SHOWN = 'svhn', 'digits'


def affinity_of_the_paper() -> Frames:
  """What `affinity` gives, by backbone, from Table 1."""
  return {
    b: frames_lib.by_affinity(frames_lib.published_accuracies(b))
    for b in papers.BACKBONES
  }


def affinity(results: Results) -> Frames:
  """By the backbone's name; where it is fair, published beside."""
  name = results.run.backbone
  found = {
    name: frames_lib.by_affinity(frames_lib.accuracies(results.of(_ACCURACY)))
  }
  if papers.comparable(results.run):
    theirs = affinity_of_the_paper()[name]
    found[name + frames_lib.PUBLISHED] = theirs[
      theirs.task.isin(set(found[name].task))
    ].reset_index(drop=True)
  return found


def gains(tables: Frames, over: str, compared: Sequence[str]) -> Frames:
  """What methods gain over another, in each of the tables of `affinity`."""
  return {b: frames_lib.gains(t, over, compared) for b, t in tables.items()}


def figure2(tables: Frames) -> Frames:
  """Head2Toe's gain over Linear, in each of the tables of `affinity`."""
  return gains(tables, 'linear', ('head2toe',))


def figure3(tables: Frames) -> Frames:
  """Tasks and groups, in each of the tables of `affinity`."""
  return {b: frames_lib.with_groups(t, BASELINES) for b, t in tables.items()}


def _affinity(results: Results) -> pd.Series:
  """Domain affinity of each task of a run."""
  table = affinity(results)[results.run.backbone]
  return table.set_index('task').affinity


def figure4(results: Results) -> Frames:
  """The taps of each task, the best one, and means beside the Control's.

  Tasks are those that have all of it. Linear is the study's own, searched as
  each tap is. In `gains`, `shown` says whether the task's accuracy by layer is
  drawn: of the paper's two where both are there, else of the lowest and of the
  highest affinity. `control` names the Control's network.
  """
  taps = tap_frames.one_tap(results.of('one_tap'))
  best = tap_frames.oracle(taps, tap_frames.chosen_taps(results.of('one_tap')))
  best.insert(2, 'affinity', best.task.map(_affinity(results)))
  control = tap_frames.one_tap(results.of(jobs.CONTROL))
  by_task = best.set_index('task')
  by_task['control'] = control.set_index('task').percent
  methods = ['linear', 'control', 'oracle']
  whole = by_task.dropna(subset=['affinity', *methods])
  gained = best[best.task.isin(whole.index)].sort_values(
    'affinity', kind='stable', ignore_index=True
  )
  shown = (
    _FAR_AND_NEAR
    if set(_FAR_AND_NEAR) <= set(gained.task)
    else tuple(gained.task.iloc[[0, -1]] if len(gained) else ())
  )
  found = {
    'taps': taps,
    'gains': gained.assign(shown=gained.task.isin(shown)),
    'averages': frames_lib.group_means(
      {method: whole[method] for method in methods}, whole.group
    ),
  }
  for folder in results.derived.get(jobs.CONTROL, ())[:1]:
    if (second := folder.run.second) is not None:
      found['control'] = pd.DataFrame(
        [{'backbone': second.backbone, 'weights': second.weights}]
      )
  return found


def figure6(results: Results) -> Frames:
  """Means over tasks; the layers of one task's selection; the Oracle.

  The Oracle is left out unless it was measured on all of the tasks.
  """
  rows = results.of('granularity')
  keys = ['kind', 'num_features']
  table = study_frames.granularity(rows)
  tasks = list(frames_lib.whole_tasks(table, keys).task.unique())
  shown = next((t for t in _SHOWN if t in tasks), (tasks or [None])[0])
  found = {'figure6': frames_lib.mean_over_tasks(table, keys)}
  if shown is not None:
    found['layers'] = tap_frames.layers(rows, shown, _kept(results, table))
  taps = results.of('one_tap')
  if tasks and set(tasks) <= {r['task'] for r in taps if r['split'] == 'test'}:
    best = tap_frames.oracle(
      tap_frames.one_tap(taps), tap_frames.chosen_taps(taps)
    )
    best = best[best.task.isin(tasks)]
    found['oracle'] = pd.DataFrame(
      [
        {
          'percent': best.oracle.mean(),
          'num_features': best.oracle_features.mean(),
          'tasks': len(best),
        }
      ]
    )
  return found


def _kept(results: Results, table: pd.DataFrame) -> int:
  """How many candidates studies keep.

  Args:
    results: of the run.
    table: what `study_frames.granularity` gives.
  """
  return study.num_kept(
    results.run.space.of('granularity').kept, int(table.num_features.max())
  )


def figure7(results: Results) -> Frames:
  """Other tasks' features; more candidates, by group of tasks."""
  return {
    'transfer': study_frames.transfer(results.of(jobs.TRANSFER)),
    **_scaling(results, 'scaling'),
  }


def figure14(results: Results) -> Frames:
  """More candidates, by group of tasks."""
  return _scaling(results, 'figure14')


def _scaling(results: Results, name: str) -> Frames:
  table = frames_lib.whole_tasks(
    study_frames.scaling(results.of('scaling')), ['target_size', 'tap_stride']
  )
  sets = study_frames.task_sets(table, results.run.suite == tasks_lib.VTAB)
  return {name: study_frames.scaling_by_set(table, sets), 'groups': sets}


def figure8(results: Results) -> Frames:
  """Affinity under two networks; its correlation with what each layer gains.

  The latter where there are rows of single layers.
  """
  second = results.derived[jobs.SECOND][0].run
  found = {
    'figure8': frames_lib.affinities(
      {
        run_names.with_weights(run.network): frames_lib.by_affinity(
          frames_lib.accuracies(results.of(job))
        )
        for job, run in ((_ACCURACY, results.run), (jobs.SECOND, second))
      }
    )
  }
  if results.of('one_tap'):
    layers = tap_frames.layer_correlations(
      tap_frames.one_tap(results.of('one_tap')), _affinity(results)
    )
    if len(layers):
      found['layers'] = layers
  return found


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
          'from': 'Table 1 as printed',
          'spearman': statistics.spearman(
            *(table[b] for b in papers.BACKBONES)
          ),
        },
        {'from': 'as printed', 'spearman': printed},
      ]
    ),
  }


def figure11(results: Results) -> Frames:
  """Gains over fine-tuning; overlap of selections; places in the ranking."""
  return gains(affinity(results), 'finetune', ('head2toe',)) | {
    'overlap': study_frames.overlap(results.of(jobs.RELEVANCE)),
    'offset': ranking(results),
  }


def ranking(results: Results) -> pd.DataFrame:
  """Mean accuracy by place in the ranking: offset, percent, tasks."""
  places = study_frames.offset(results.of('offset'))
  return frames_lib.mean_over_tasks(places, ['offset'])


def units(results: Results) -> pd.DataFrame:
  """Of which blocks the features are that Head2Toe uses (Figures 12, 15)."""
  return tap_frames.units(
    [
      r
      for r in results.of(_ACCURACY)
      if r['method'] == 'head2toe' and 'selected_by_tap' in r
    ]
  )


def figure13(results: Results) -> Frames:
  """Methods with all and with fewer images: means, and each task."""
  table = frames_lib.reduced(
    [*results.of(jobs.REDUCED), *results.of(_ACCURACY)]
  )
  keys = ['method', 'train_fraction']
  return {'figure13': frames_lib.mean_over_tasks(table, keys), 'tasks': table}


def coefficient(results: Results) -> Frames:
  """Means over tasks, and each task."""
  table = study_frames.coefficient(results.of('coefficient'))
  return {
    'coefficient': frames_lib.mean_over_tasks(table, ['coefficient']),
    'tasks': table,
  }


def scores(results: Results) -> Frames:
  """Other relevance scores: by task, and means over tasks."""
  rows = results.of('scores')
  return {
    'tasks': study_frames.scores(rows),
    'scores': study_frames.mean_scores(rows),
  }
