import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.heads import initial
from vtab_h2t.methods import head_probe
from vtab_h2t.training import readout as readout_lib

_METHOD = head_probe.HeadProbe()


@pytest.mark.parametrize('classes', [2, 10])
def test_energy_of_a_zero_head(classes):
  """T-HP-4: sqrt(1 - 1 / K)."""
  labels = np.arange(40) % classes
  assert head_probe.average_initial_energy(
    np.zeros((40, classes)), labels
  ) == pytest.approx(np.sqrt(1 - 1 / classes))


def test_energy_ranges_from_zero_to_root_two():
  sure = 1000 * np.eye(3)
  assert head_probe.average_initial_energy(sure, np.arange(3)) == pytest.approx(
    0
  )
  assert head_probe.average_initial_energy(
    sure, (np.arange(3) + 1) % 3
  ) == pytest.approx(np.sqrt(2))


def test_smoothing_leaves_a_floor():
  """A converged head's energy is smoothing * sqrt(1 - 1 / K)."""
  labels = np.arange(12) % 4
  features = np.eye(4, dtype=np.float32)[labels]
  heads = head_probe.probe_heads(features, labels, (4, 4), [1500], 0.1, 12, 0)
  logits = np.asarray(readout_lib.apply_head(features, heads[1500]))
  assert head_probe.average_initial_energy(logits, labels) == pytest.approx(
    0.1 * np.sqrt(3 / 4), rel=0.01
  )


def test_adaptation_by_hand():
  before = np.array([[1.0, 0.0], [0.0, 2.0]])
  after = np.array([[0.0, 1.0], [0.0, 4.0]])
  found = head_probe.adaptation(before, after)
  assert found == pytest.approx(
    {
      'adaptation_l2': (np.sqrt(2) + 2) / 2,
      'adaptation_cos': 0.5,
      'adaptation_dot': 4.0,
      'adaptation_norm': 2.5,
    }
  )
  assert head_probe.adaptation(before, before)['adaptation_cos'] == 0


def test_heads_of_several_taus_are_those_of_one_run():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(50, 6)).astype(np.float32)
  labels = np.arange(50) % 3
  args = features, labels, (6, 5, 3)
  together = head_probe.probe_heads(*args, [0, 2, 5], 0.1, 16, 1)
  assert list(together) == [0, 2, 5]
  for (k, b), (start, zero) in zip(
    together[0], initial.layers((6, 5, 3), (1, 3))
  ):
    np.testing.assert_array_equal(k, start)
    assert not b.any() and not zero.any()
  alone = head_probe.probe_heads(*args, [5], 0.1, 16, 1)
  for (k, _), (other, _) in zip(together[5], alone[5]):
    np.testing.assert_array_equal(k, other)


def _setting(rate, tau):
  return head_probe.Setting(learning_rate=rate, steps=12, batch=32, tau=tau)


def test_probing_lowers_the_energy(train):
  found = {tau: train(_METHOD, _setting(0.01, tau)).measures for tau in (0, 30)}
  assert set(found[0]) == {
    'aie',
    'adaptation_l2',
    'adaptation_cos',
    'adaptation_dot',
    'adaptation_norm',
    'head_norm',
  }
  assert found[30]['aie'] < found[0]['aie'] < np.sqrt(2)


def test_measures_are_of_the_embedding_before_and_after(
  tunable, examples, train
):
  found = train(_METHOD, _setting(0.1, 3))
  before = tunable.embedding(examples)
  after = found.trainer.embed(tunable.networks.inputs()[examples])
  assert found.measures['adaptation_l2'] == pytest.approx(
    np.linalg.norm(after - before, axis=1).mean(), rel=1e-5
  )
  assert found.measures['adaptation_l2'] > 0


def test_the_head_may_have_a_hidden_layer(train):
  found = train(_METHOD, _setting(0.1, 1), hidden=5)
  (kernel, _), (out, _) = found.trainer.head
  assert kernel.shape == (5, 8) and out.shape == (3, 5)


def test_candidates_cross_taus_and_rates(space):
  assert _METHOD.candidates(space) == [
    _setting(lr, tau) for tau in (0, 3) for lr in (0.1, 0.01)
  ]


def test_the_cheaper_come_first(space):
  """By steps, then by epochs of probing."""
  found = _METHOD.candidates(
    space.changed({'head_probe': {'steps': (5, 50), 'taus': (8, 0)}})
  )
  assert [(s.steps, s.tau) for s in found] == [
    (steps, tau) for steps in (5, 50) for tau in (0, 8) for _ in range(2)
  ]


def test_a_grid_without_taus_is_one_line(space):
  with pytest.raises(errors.InputError, match='no tau for head_probe;'):
    _METHOD.check(space.changed({'head_probe': {'taus': ()}}))
