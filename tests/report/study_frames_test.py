import numpy as np
import pytest

from tests.report import rows as rows_lib
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import study_frames as frames
from vtab_h2t.studies import relevance


def test_granularity_is_compared_at_equal_numbers():
  rows = rows_lib.of_study(
    'granularity',
    [
      {'kind': 'features', 'num_features': 10},
      {'kind': 'taps_mean', 'num_features': 10},
    ],
    {'t': [(20, 40, 30), (2, 4, 3)], 'u': [(40, 40, 40), (0, 0, 0)]},
  )
  table = frames.granularity(rows)
  assert table.percent.tolist() == [15, 1.5, 20, 0]
  mean = frames_lib.mean_over_tasks(table, ['kind', 'num_features'])
  assert mean.percent.tolist() == [17.5, 0.75]
  assert mean.num_features.tolist() == [10, 10]


def test_transfer_is_the_mean_less_the_tasks_own():
  rows = rows_lib.of_study(
    'transfer',
    [{'source': 't'}, {'source': 'u'}],
    {'t': [(90, 90, 120), (60, 80, 40)], 'u': [(40, 50, 60), (40, 40, 40)]},
  )
  table = frames.transfer(rows).set_index(['source', 'task'])
  # Means of 50 and 30 % for t (medians would be 45 and 30), 25 and 20 for u.
  assert table.percent['t', 't'] == 50
  assert table.change['u', 't'] == -20  # Another task's features are worse.
  assert table.change['t', 'u'] == 5
  assert table.change['t', 't'] == table.change['u', 'u'] == 0


def test_overlap_counts_shared_features_between_seeds_and_tasks():
  columns = {
    ('t', 0): [0, 1, 2, 3],
    ('t', 1): [0, 1, 2, 9],
    ('u', 0): [8, 9, 4, 5],
    ('u', 1): [0, 1, 8, 9],
  }
  rows = [
    {
      'method': 'relevance',
      'split': 'selection',
      'task': t,
      'seed': s,
      'num_features': 10,
      'selected': relevance.pack(np.array(c), 10),
    }
    for (t, s), c in columns.items()
  ]
  table = frames.overlap(rows).set_index(['task', 'other'])
  assert table.shared['t', 't'] == 3 / 4
  assert table.shared['u', 'u'] == 2 / 4
  # t0-u0: 0, t0-u1: 2, t1-u0: 1, t1-u1: 3, of 4 each.
  assert table.shared['t', 'u'] == table.shared['u', 't'] == 6 / 16
  assert (table.chance == 0.4).all()


@pytest.mark.parametrize(
  'make, study, key, values',
  [
    (frames.offset, 'offset', 'offset', (0, 10)),
    (frames.scores, 'scores', 'score', ('l2', 'chi2')),
    (frames.coefficient, 'coefficient', 'coefficient', (0.0, 1e-5)),
  ],
)
def test_medians_over_seeds(make, study, key, values):
  table = make(
    rows_lib.of_study(
      study, [{key: v} for v in values], {'t': [(1, 2, 30), (4, 4, 9)]}
    )
  )
  assert table[key].tolist() == list(values)
  assert table.percent.tolist() == [1, 2]


def test_scores_stand_beside_head2toes():
  """Points above the l2 norm, with an interval where there are tasks."""
  scores = [{'score': s} for s in ('l2', 'chi2')]
  counts = {'t': [(1, 2, 30), (4, 4, 9)]}
  few = rows_lib.of_study('scores', scores, counts, total=100)
  table = frames.mean_scores(few)
  assert table.above_l2.dropna().tolist() == [2]
  assert table.low.isna().all()
  several = {
    task: [(n, n, n), (n + 10, n + 10, n + 11)]
    for task, n in (('t', 50), ('u', 60), ('v', 80))
  }
  rows = [
    *rows_lib.of_study('scores', scores, several, total=100),
    # A task that lacks a score is in no mean and in no difference.
    *rows_lib.of_study('scores', scores[:1], {'w': [(0,)]}, total=100),
  ]
  table = frames.mean_scores(rows).set_index('score')
  assert table.tasks.tolist() == [3, 3]
  assert table.percent['l2'] == pytest.approx(190 / 3)
  assert table.above_l2['chi2'] == pytest.approx(10)
  assert 8 < table.low['chi2'] <= 10 <= table.high['chi2'] < 12
  assert table.loc['l2', ['above_l2', 'low', 'high']].isna().all()


def _scaling(by_task):
  """Rows of target sizes 30 and 60 with every fourth layer and with all."""
  return rows_lib.of_study(
    'scaling',
    [
      {'target_size': t, 'tap_stride': s, 'num_candidates': t * 4 // s}
      for t in (30, 60)
      for s in (4, 1)
    ],
    {task: [(c,) for c in counts] for task, counts in by_task.items()},
  )


def test_scaling_and_its_groups():
  table = frames.scaling(
    _scaling({'t': (10, 20, 10, 40), 'u': (10, 40, 10, 20), 'v': (2, 4, 2, 4)})
  )
  assert table.target_size.tolist()[:4] == [30, 30, 60, 60]
  assert table.num_candidates.tolist()[:4] == [30, 120, 60, 240]
  assert table.percent.tolist()[:4] == [5, 10, 5, 20]
  sets = frames.task_sets(table, of_vtab=False)
  # Only t gains by larger target sizes with all layers.
  assert sets.set.tolist() == ['group 1', 'group 2', 'group 2']
  assert set(sets.source) == {'measured'}
  means = frames.scaling_by_set(table, sets).set_index(
    ['set', 'target_size', 'tap_stride']
  )
  assert means.percent['group 1', 60, 1] == 20
  assert means.percent['group 2', 60, 1] == 6  # Of 10 and 2.
  assert means.tasks['group 2', 60, 1] == 2


def test_groups_of_vtabs_tasks_are_the_papers():
  """Read from the table in Figure 7; SUN397 is in neither."""
  table = frames.scaling(
    _scaling(
      dict.fromkeys(
        ('dmlab', 'cifar100', 'flowers102', 'kitti_dist', 'sun397', 'mine'),
        (1, 9, 1, 2),
      )
    )
  )
  sets = frames.task_sets(table, of_vtab=True).set_index('task')
  assert sets.set.to_dict() == {
    'dmlab': 'group 1',
    'cifar100': 'group 2',
    'flowers102': 'group 2',
    'kitti_dist': 'group 1',
    'mine': 'group 2',
  }
  assert sets.source['mine'] == 'measured' and sets.source['dmlab'] == 'paper'
  elsewhere = frames.task_sets(table, of_vtab=False)
  assert len(elsewhere) == 6 and set(elsewhere.source) == {'measured'}


def test_a_task_without_all_sizes_is_not_in_the_means():
  rows = _scaling({'t': (1, 2, 3, 4), 'u': (1, 2, 3, 4)})
  table = frames.scaling(rows[:-1])
  means = frames.scaling_by_set(table, frames.task_sets(table, of_vtab=False))
  assert means.tasks.eq(1).all() and len(means) == 4
