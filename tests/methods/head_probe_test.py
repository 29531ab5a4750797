import numpy as np
import pytest

from vtab_h2t.methods import base
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import lp_ft
from vtab_h2t.training import readout as readout_lib


@pytest.mark.parametrize('classes', [2, 10])
def test_energy_of_a_zero_head(classes):
  """T-HP-4: sqrt(1 - 1 / K)."""
  labels = np.arange(40) % classes
  assert head_probe.average_initial_energy(
      np.zeros((40, classes)), labels) == pytest.approx(
          np.sqrt(1 - 1 / classes))


def test_energy_ranges_from_zero_to_root_two():
  sure = 1000 * np.eye(3)
  assert head_probe.average_initial_energy(
      sure, np.arange(3)) == pytest.approx(0)
  assert head_probe.average_initial_energy(
      sure, (np.arange(3) + 1) % 3) == pytest.approx(np.sqrt(2))


def test_smoothing_leaves_a_floor():
  """A converged head's energy is smoothing * sqrt(1 - 1 / K)."""
  labels = np.arange(12) % 4
  features = np.eye(4, dtype=np.float32)[labels]
  heads = head_probe.probe_heads(
      features, labels, (4, 4), [4000], 0.1, 12, 0)
  logits = np.asarray(readout_lib.apply_head(features, heads[4000]))
  assert head_probe.average_initial_energy(logits, labels) == pytest.approx(
      0.1 * np.sqrt(3 / 4), rel=0.01)


def test_adaptation_by_hand():
  before = np.array([[1.0, 0.0], [0.0, 2.0]])
  after = np.array([[0.0, 1.0], [0.0, 4.0]])
  found = head_probe.adaptation(before, after)
  assert found == pytest.approx({
      'adaptation_l2': (np.sqrt(2) + 2) / 2, 'adaptation_cos': 0.5,
      'adaptation_dot': 4.0, 'adaptation_norm': 2.5})
  assert head_probe.adaptation(before, before)['adaptation_cos'] == 0


def test_heads_of_several_taus_are_those_of_one_run():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(50, 6)).astype(np.float32)
  labels = np.arange(50) % 3
  args = features, labels, (6, 5, 3)
  together = head_probe.probe_heads(*args, [0, 2, 5], 0.1, 16, 1)
  assert list(together) == [0, 2, 5]
  for (k, b), (start, zero) in zip(together[0],
                                   readout_lib.glorot((6, 5, 3), (1, 3))):
    np.testing.assert_array_equal(k, start)
    assert not b.any() and not zero.any()
  alone = head_probe.probe_heads(*args, [5], 0.1, 16, 1)
  for (k, _), (other, _) in zip(together[5], alone[5]):
    np.testing.assert_array_equal(k, other)


def test_probing_lowers_the_energy(tunable, tuning_grid, rows):
  found = {}
  for tau in (0, 30):
    train, = head_probe.HeadProbe().fit(
        tunable, rows, base.Hparams(0.01, 12, tau=tau, batch=32), [0],
        tuning_grid)
    found[tau] = train().measures
  assert set(found[0]) == {'aie', 'adaptation_l2', 'adaptation_cos',
                           'adaptation_dot', 'adaptation_norm', 'head_norm'}
  assert found[30]['aie'] < found[0]['aie'] < np.sqrt(2)


def test_measures_are_of_the_embedding_before_and_after(
    tunable, tuning_grid, rows):
  train, = head_probe.HeadProbe().fit(
      tunable, rows, base.Hparams(0.1, 12, tau=3, batch=32), [0], tuning_grid)
  found = train()
  before = lp_ft.embedding(tunable, rows)
  after = found.trainer.embed(tunable.images.inputs()[rows])
  assert found.measures['adaptation_l2'] == pytest.approx(
      np.linalg.norm(after - before, axis=1).mean(), rel=1e-5)
  assert found.measures['adaptation_l2'] > 0


def test_candidates_cross_taus_and_rates(tuning_grid):
  assert head_probe.HeadProbe().candidates(tuning_grid) == [
      base.Hparams(lr, 12, tau=tau, batch=32)
      for tau in (0, 3) for lr in (0.1, 0.01)]
