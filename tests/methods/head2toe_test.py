import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.heads import sweep
from vtab_h2t.methods import base
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import linear
from vtab_h2t.protocol import grids
from vtab_h2t.heads import fraction

_METHOD = head2toe.Head2Toe()


def test_candidates(grid):
  assert len(_METHOD.candidates(grid)) == 2 * 2 * 2
  # Appendix A's 24 values, for each of nine fractions.
  paper = _METHOD.candidates(grids.paper('resnet50'))
  assert len(paper) == 24 * 9 == len(set(paper))
  assert paper[0].target_size == 512 and paper[0].fraction == 0.0005


def test_selected_head_is_fresh_and_reads_the_best_columns(data, rows):
  hparams = base.Hparams(0.01, 25, 30, 1e-3, 0.25)
  heads = _METHOD.fit(data, rows, hparams, (0, 1))
  kept = int(data.num_features(30) * 0.25)
  for seed, head in zip((0, 1), heads):
    first, = data.fit(30, rows, [sweep.HeadSpec(0.01, (seed, base.FIRST),
                                                1e-3)], 25, 'l21')
    np.testing.assert_array_equal(
        head.columns,
        fraction.select(fraction.relevance_scores(first.kernel), 0.25))
    assert head.head.kernel.shape == (3, kept)
    (_, (alone,)), = data.train([data.problem(
        30, rows, [sweep.HeadSpec(0.01, (seed, base.SECOND))],
        head.columns)], 25)
    np.testing.assert_allclose(head.head.kernel, alone.kernel, atol=1e-3)


def test_cross_validate_equals_doing_it_by_hand(data, folds, grid):
  results = _METHOD.cross_validate(data, folds, grid, 0)
  assert list(results) == _METHOD.candidates(grid)
  hparams = base.Hparams(0.01, 20, 30, 1e-3, 0.5)
  for fold, counted in zip(folds, results[hparams]):
    head, = _METHOD.fit(data, fold.train_rows, hparams, (0,))
    x = data.matrix(30, fold.val_rows, head.columns)
    by_hand = data.count_correct(x, fold.val_rows, head.head)
    assert abs(counted - by_hand) <= 1  # Rounding of near ties.


def test_scores_are_shared_with_all_l21_and_serve_every_fraction(
    data, folds, grid, monkeypatch):
  trained = []
  original = sweep.train
  def count(problems, **kwargs):
    trained.append((kwargs['penalty'], sum(len(p.heads) for p in problems)))
    return original(problems, **kwargs)
  monkeypatch.setattr(sweep, 'train', count)
  linear.Probe('all_l21', 'l21').cross_validate(data, folds, grid, 0)
  _METHOD.cross_validate(data, folds, grid, 0)
  # 2 folds x 2 learning rates x (2 shared, 1 other) coefficients, then the
  # second stage: 2 folds x 4 rankings x 2 fractions in one loop.
  assert trained == [('l21', 8), ('l21', 4), (None, 16)]


def test_convex_solver_ranks_by_the_order_of_entry(data, folds, rows, grid):
  convex = dataclasses.replace(grid, score_solver=base.CONVEX)
  candidates = _METHOD.candidates(convex)
  assert [dataclasses.replace(c, score_solver=None)
          for c in candidates] == _METHOD.candidates(grid)
  assert {c.as_row()['score_solver'] for c in candidates} == {'convex'}
  assert not any('score_solver' in c.as_row()
                 for c in _METHOD.candidates(grid))

  results = _METHOD.cross_validate(data, folds, convex, 0)
  assert list(results) == candidates
  hparams = next(c for c in candidates if c.fraction == 0.5
                 and c.coefficient == 1e-3 and c.learning_rate == 0.01)
  for fold, counted in zip(folds, results[hparams]):
    head, = _METHOD.fit(data, fold.train_rows, hparams, (0,))
    x = data.matrix(30, fold.val_rows, head.columns)
    assert abs(counted - data.count_correct(
        x, fold.val_rows, head.head)) <= 1

  one, two = _METHOD.fit(data, rows, hparams, (0, 1))
  np.testing.assert_array_equal(one.columns, two.columns)
  solution, = data.group_lasso(30, rows, [1e-3])
  np.testing.assert_array_equal(
      one.columns, fraction.select(solution.entered, 0.5))
  if len(solution.columns) <= len(one.columns):
    assert set(solution.columns) <= set(one.columns)


def test_convex_solver_keeps_to_the_memory(data, rows):
  small = base.TrainingData(data.features, data.labels, data.classes, data.rule,
                            1000)
  with pytest.raises(errors.InputError, match='--memory_gib'):
    small.group_lasso(30, rows, [1e-3])
