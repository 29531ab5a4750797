import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.methods import base
from vtab_h2t.methods import surgical


def test_relative_gradient_norms():
  values = [np.array([3.0, 4.0]), np.ones((2, 2)), np.zeros(3)]
  one = [np.array([0.0, 10.0]), np.full((2, 2), 0.5), np.ones(3)]
  two = [np.array([6.0, 8.0]), np.full((2, 2), 1.5), np.ones(3)]
  # |g| / |v|: 10 / 5 twice; 1 / 2 and 3 / 2; a zero tensor has none.
  np.testing.assert_allclose(
      surgical.relative_gradient_norms([one, two], values), [1, 0.5, 0])
  assert not surgical.relative_gradient_norms(
      [[np.zeros(2)]], [np.ones(2)]).any()


def test_signal_to_noise_of_the_paper():
  batches = [[np.array([1.0, 1.0]), np.array([1.0, -1.0])],
             [np.array([3.0, 3.0]), np.array([-1.0, 1.0])]]
  # Mean 2 and variance 2: 4 / 2. Mean 0: none. Divided by the largest.
  np.testing.assert_allclose(
      surgical.signal_to_noise(batches, 'paper'), [1, 0], atol=1e-6)


def test_signal_to_noise_of_the_code():
  g = np.array([[1.0, 3.0], [2.0, 2.0]])  # Outputs last.
  head, bias = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([1.0, 2.0])
  first = np.mean(g ** 2 / (np.array([[2.0], [0.0]]) + 1e-8))
  # The head's kernel is [out, in]: variances 2 and 0 over its first axis.
  second = np.mean(head ** 2 / (np.array([[2.0, 0.0]]) + 1e-8))
  third = np.mean(bias ** 2 / (0.5 + 1e-8))
  np.testing.assert_allclose(
      surgical.signal_to_noise([[g, head, bias]] * 3, 'code'),
      [first, second, third])


def _train(method, tunable, grid, rows, **changes):
  c = {'coefficient': 1.0} | changes
  hparams = base.Hparams(1e-2, 12, batch=32, **c)
  train, = method.fit(tunable, rows, hparams, [0], grid)
  return train().trainer


def _moved(tunable):
  network = tunable.images.network()
  pretrained = network.backbone.model.get_weights()
  return {w.path for w, old, new in zip(
      network.backbone.model.weights, pretrained, network.state())
          if (old != new).any()}


def test_one_block_moves(tunable, tuning_grid, rows):
  _train(surgical.Surgical(), tunable, tuning_grid, rows, block='second')
  assert _moved(tunable) == {'b_conv/kernel', 'b_norm/gamma', 'b_norm/beta'}
  _train(surgical.Surgical(), tunable, tuning_grid, rows, block='first')
  assert _moved(tunable) == {'a_conv/kernel', 'a_norm/gamma', 'a_norm/beta'}


def test_block_is_chosen_among_all_by_validation(tunable, tuning_grid, folds):
  results = surgical.Surgical().cross_validate(
      tunable, folds, tuning_grid, 0)
  assert [h.block for h in results] == ['first', 'second']
  grid = dataclasses.replace(tuning_grid, tuning=dataclasses.replace(
      tuning_grid.tuning, blocks=('second',)))
  results = surgical.Surgical().cross_validate(tunable, folds, grid, 0)
  assert [h.block for h in results] == ['second']
  grid = dataclasses.replace(tuning_grid, tuning=dataclasses.replace(
      tuning_grid.tuning, blocks=('third',)))
  with pytest.raises(errors.InputError, match='no block third; it has first,'):
    surgical.Surgical().cross_validate(tunable, folds, grid, 0)


@pytest.mark.parametrize('method', [surgical.AutoRgn(), surgical.AutoSnr()])
def test_automatic_ones_leave_batch_norms_alone(
    tunable, tuning_grid, rows, method):
  _train(method, tunable, tuning_grid, rows)
  assert _moved(tunable) <= {'a_conv/kernel', 'b_conv/kernel'}


def test_rgn_factors_are_computed_anew_each_epoch(
    tunable, tuning_grid, rows, monkeypatch):
  seen = []
  good = surgical.relative_gradient_norms
  def record(gradients, values):
    seen.append((len(gradients), good(gradients, values)))
    return seen[-1][1]
  monkeypatch.setattr(surgical, 'relative_gradient_norms', record)
  _train(surgical.AutoRgn(), tunable, tuning_grid, rows)
  # 12 steps of 300 images in batches of 32: nine to the epoch, so two epochs.
  assert [count for count, _ in seen] == [5, 5]
  for _, factors in seen:
    assert len(factors) == 4  # Two kernels, the head's kernel and bias.
    assert factors.max() == 1 and factors.min() >= 0
  assert (seen[0][1] != seen[1][1]).any()


def test_snr_freezes_below_the_threshold(tunable, tuning_grid, rows):
  grid = dataclasses.replace(tuning_grid, tuning=dataclasses.replace(
      tuning_grid.tuning, snr_threshold=1e30))
  _train(surgical.AutoSnr(), tunable, grid, rows)
  assert not _moved(tunable)


@pytest.mark.parametrize('definition, ratios, wanted', [
    ('code', [0.94, 0.96], [0, 1]), ('paper', [0.19, 1.0], [0, 1])])
def test_each_definition_has_its_threshold(
    tuning_grid, monkeypatch, definition, ratios, wanted):
  tuning = dataclasses.replace(tuning_grid.tuning, snr=definition,
                               snr_threshold=None)
  monkeypatch.setattr(surgical, 'signal_to_noise',
                      lambda gradients, d: np.array(ratios))
  assert surgical.AutoSnr()._scales(tuning, [], []).tolist() == wanted
