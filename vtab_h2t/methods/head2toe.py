"""Head2Toe: select features by group lasso, then a fresh linear head.

Stage 1 trains a group-lasso head on the features of all taps; a feature's
relevance is the norm of its row (equation 3). Where the head is not trained by
Adam but the group lasso solved (`heads.convex`), few features have a weight at
all, and relevance is the order in which they enter as the coefficient falls to
the setting's. Stage 2 keeps the best fraction
F and trains a new, unregularised head on it, with the same learning rate and
steps. Relevance is computed once and serves every F.
"""

from collections.abc import Sequence
import itertools

import numpy as np

from vtab_h2t.heads import sweep
from vtab_h2t.methods import base
from vtab_h2t.methods import linear
from vtab_h2t.selection import fraction as fraction_lib

_PENALTY = 'l21'


class Head2Toe:
  """The paper's method."""

  name = 'head2toe'

  def candidates(self, grid: base.SearchSpace) -> list[base.Hparams]:
    need = lambda what, values: linear.require(self.name, what, values)
    solver = None if grid.score_solver == base.ADAM else grid.score_solver
    return [base.Hparams(lr, steps, size, coefficient, fraction,
                         score_solver=solver)
            for size, steps, fraction, coefficient, lr in itertools.product(
                need('target_size', grid.target_sizes),
                need('steps', grid.steps), need('fraction', grid.fractions),
                need(_PENALTY, grid.selection_coefficients),
                need('lr', grid.learning_rates))]

  def cross_validate(self, data: base.TrainingData, folds: Sequence[base.Fold],
                     grid: base.SearchSpace, seed: int
                     ) -> dict[base.Hparams, list[int]]:
    candidates = self.candidates(grid)
    found: dict[base.Hparams, list[int]] = {c: [] for c in candidates}
    stack = linear.stack_of(
        grid.learning_rates, tuple(grid.selection_coefficients), seed)
    for size, steps in itertools.product(grid.target_sizes, grid.steps):
      scores = self._fold_scores(data, size, folds, stack, steps, grid)
      work = list(itertools.product(
          range(len(folds)), range(len(stack)), grid.fractions))
      problems, columns = [], []
      for f, h, fraction in work:
        columns.append(fraction_lib.select(scores[f][h], fraction))
        problems.append(self._problem(
            data, size, folds[f].train_rows, columns[-1],
            stack[h].learning_rate, seed))
      for i, (head,) in data.train(problems, steps):
        f, h, fraction = work[i]
        rows = folds[f].val_rows
        matrix = data.matrix(size, rows, columns[i])
        setting = base.Hparams(
            stack[h].learning_rate, steps, size, stack[h].coefficient,
            fraction, score_solver=candidates[0].score_solver)
        found[setting].append(data.count_correct(matrix, rows, head))
    return found

  def fit(self, data: base.TrainingData, rows: np.ndarray,
          hparams: base.Hparams, seeds: Sequence[int]
          ) -> list[base.FeatureHead]:
    columns = [fraction_lib.select(s, hparams.fraction)
               for s in relevance(data, rows, hparams, seeds)]
    problems = [self._problem(data, hparams.target_size, rows, c,
                              hparams.learning_rate, seed)
                for c, seed in zip(columns, seeds)]
    return [base.FeatureHead(hparams.target_size, columns[i], head, data.rule)
            for i, (head,) in data.train(problems, hparams.steps)]

  def _fold_scores(self, data, size, folds, stack, steps, grid):
    """Relevance scores for each fold and each of the stack's heads."""
    if grid.score_solver == base.ADAM:
      return [[head.scores for head in fold] for fold in data.validate(
          size, folds, stack, steps, _PENALTY)]
    coefficients = [head.coefficient for head in stack]
    return [[s.entered for s in data.group_lasso(
        size, fold.train_rows, coefficients)] for fold in folds]

  def _problem(self, data, size, rows, columns, learning_rate, seed):
    """The second stage: one unregularised head on the selected features."""
    head = sweep.HeadSpec(learning_rate, (seed, base.SECOND))
    return data.problem(size, rows, [head], columns)


def relevance(data: base.TrainingData, rows: np.ndarray, hparams: base.Hparams,
              seeds: Sequence[int]) -> list[np.ndarray]:
  """Relevance scores `[D]` of a setting on rows, for each seed."""
  if hparams.score_solver is None:
    return [fraction_lib.relevance_scores(head.kernel)
            for head in linear.fit_first(data, rows, hparams, seeds, _PENALTY)]
  solution, = data.group_lasso(
      hparams.target_size, rows, [hparams.coefficient])
  return [solution.entered] * len(seeds)
