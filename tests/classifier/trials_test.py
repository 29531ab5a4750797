import numpy as np

from tests.classifier import learned
from vtab_h2t.classifier import candidates
from vtab_h2t.classifier import trials
from vtab_h2t.features import normalization


def test_trials_read_what_their_heads_are_for(tmp_path):
  data = learned.data(tmp_path)
  rows = data.order[:200]
  with candidates.of_method(
    data, 'head2toe', learned.SPACE.of('head2toe'), 30, rows, 0, lambda *_: None
  ) as found:
    assert len(found.every) == 4
    whole = trials.Run(data, found, rows)
    whole.train_to(1, lambda *_: None)
    assert whole.steps == 2 * data.epochs(200) == 30
    matrices = list(
      found.of([[[m] for m in s] for s in found.read(rows, 3, 9)])
    )
  for trial, matrix in matrices:
    wanted = normalization.design_matrix(
      data.features.rows(30, rows[3:9]),
      data.features.layouts[30],
      None,
      trial.columns,
    )
    np.testing.assert_allclose(matrix, wanted, rtol=1e-5)
  assert [len(t.columns) for t, _ in matrices] == [6, 6, 34, 34]


def test_heads_are_trained_in_groups_where_they_are_large(
  tmp_path,
):
  data = learned.data(tmp_path)
  with candidates.of_method(
    data,
    'all_l2',
    learned.SPACE.of('all_l2'),
    30,
    data.order,
    0,
    lambda *_: None,
  ) as found:
    one = found.heads_bytes(3) // len(found.every)
    for most, sizes in ((1, [1] * 4), (2 * one, [2, 2]), (2**40, [4])):
      groups = list(found.groups(3, most))
      assert [len(g.every) for g in groups] == sizes
      assert [t for g in groups for t in g.every] == list(found.every)
