import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.methods import base
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import head2toe_ft

_METHOD = head2toe_ft.Head2ToeFt()


def test_selection_is_head2toes_choice(tunable, tuning_grid, folds):
  chosen = base.choose(head2toe.Head2Toe().cross_validate(
      tunable, folds, tuning_grid, 0))
  complete = _METHOD.complete(tunable, folds, tuning_grid, 0)
  assert [h.learning_rate for h in complete] == [0.1, 0.01]
  for h in complete:
    assert (h.target_size, h.fraction, h.coefficient) == (
        chosen.target_size, chosen.fraction, chosen.coefficient)
    assert (h.selection_learning_rate, h.selection_steps) == (
        chosen.learning_rate, chosen.steps)
    assert h.steps == 12


@pytest.mark.parametrize('init', ['fresh', 'head2toe'])
def test_head_starts_afresh_or_from_head2toes(
    tunable, tuning_grid, rows, init):
  grid = dataclasses.replace(tuning_grid, tuning=dataclasses.replace(
      tuning_grid.tuning, head_init=init))
  hparams = base.Hparams(  # No step at all.
      1e-30, 1, 30, 1e-5, 0.1, 0.1, 20, batch=32)
  train, = _METHOD.fit(tunable, rows, hparams, [0], grid)
  trainer = train().trainer
  frozen, = head2toe.Head2Toe().fit(
      tunable, rows, base.Hparams(0.1, 20, 30, 1e-5, 0.1), [0])
  (kernel, _), = trainer.head
  assert kernel.shape == frozen.head.kernel.shape
  assert (kernel == frozen.head.kernel.numpy()).all() == (init == 'head2toe')
  # Before training, the network's features are the frozen ones (a step moves
  # the batch norms' statistics).
  tunable.images.network().reset()
  np.testing.assert_allclose(
      trainer.embed(tunable.images.inputs()),
      tunable.matrix(30, np.arange(300), frozen.columns), atol=1e-5)


def test_backbone_and_head_are_trained_together(tunable, tuning_grid, folds):
  results = _METHOD.cross_validate(tunable, folds, tuning_grid, 0)
  assert all(isinstance(c, int) for counts in results.values() for c in counts)
  network = tunable.images.network()
  pretrained = network.backbone.model.get_weights()
  # The first convolution is below every tap.
  assert (network.state()[0] != pretrained[0]).any()


def _row(method, split, correct, lr=0.1, **more):
  return {'method': method, 'split': split, 'correct': correct,
          'learning_rate': lr, 'steps': 5} | more


@pytest.mark.parametrize('frozen, tuned, chosen', [
    ([5, 7], [6, 6], 'head2toe'), ([5, 5], [6, 5], 'head2toe_ft'),
    ([5, 5], [4, 6], 'head2toe'), ([5, 5], [None, 20], 'head2toe')])
def test_plus_goes_by_validation_only(frozen, tuned, chosen):
  """Two folds of one setting each; ties go to the frozen method."""
  rows = {m: [_row(m, 'val', c) for c in counts] + [
      _row(m, 'test', test, seed=0)]
          for m, counts, test in (('head2toe', frozen, 1),
                                  ('head2toe_ft', tuned, 99))}
  found = head2toe_ft.Head2ToeFtPlus().derive(rows)
  assert {r['chosen'] for r in found} == {chosen}
  assert {r['method'] for r in found} == {'head2toe_ft_plus'}
  assert [r['correct'] for r in found if r['split'] == 'test'] == [
      1 if chosen == 'head2toe' else 99]


def test_plus_compares_best_settings():
  rows = {'head2toe': [_row('head2toe', 'val', 6), _row(
      'head2toe', 'val', 2, lr=0.01)],
          'head2toe_ft': [_row('head2toe_ft', 'val', 5), _row(
              'head2toe_ft', 'val', 5, lr=0.01)]}
  found = head2toe_ft.Head2ToeFtPlus().derive(rows)
  assert {r['chosen'] for r in found} == {'head2toe'}


def test_plus_needs_folds(tuning_grid):
  with pytest.raises(errors.InputError, match='chooses by validation, and the'):
    head2toe_ft.Head2ToeFtPlus().candidates(
        dataclasses.replace(tuning_grid, folds=()))
