import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import precision
from vtab_h2t.heads import initial
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head_probe
from vtab_h2t.training import network as network_lib
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


def test_what_does_not_move_has_a_movement_of_exactly_0():
  """Whatever it rounds to."""
  features = np.random.default_rng(0).normal(size=(50, 70)).astype(np.float32)
  found = head_probe.adaptation(features, features.copy())
  assert found['adaptation_l2'] == found['adaptation_cos'] == 0


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


def test_an_epoch_of_probing_takes_every_example():
  """18 in batches of 16 are two steps, of 16 examples and of two."""
  features = np.ones((18, 3), np.float32)
  labels = np.zeros(18, np.int64)
  args = features, labels, (3, 2), [0, 1], 0.0
  numbers = []
  good = head_probe.adam.apply

  def count(*args):
    numbers.append(args[-1])
    return good(*args)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(head_probe.adam, 'apply', count)
    one = head_probe.probe_heads(*args, 16, 0)[1]
  assert len(numbers) == 2  # A kernel and a bias, in one trace.
  ((_, bias),) = one
  np.testing.assert_allclose(np.abs(bias), 0.02, rtol=1e-2)  # 0.01 each.


def _setting(rate, tau, epoch=2):
  return head_probe.Setting(
    learning_rate=rate, epochs=2, epoch=epoch, batch=32, tau=tau
  )


def test_probing_lowers_the_energy(train):
  found = {tau: train(_METHOD, _setting(0.01, tau)).measures for tau in (0, 30)}
  assert set(found[0]) == {
    'steps',
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


def test_without_training_nothing_moves_in_any_precision(
  tunable, examples, space, inputs, tmp_path
):
  """Features of the store are in float32, those of the tuned network are not:
  between the two was an L2 of 0.5."""
  network = network_lib.Network(
    precision.compute_in(testing.normed_backbone(), 'mixed_bfloat16')
  )
  tunable.networks = data_lib.Networks(
    lambda: inputs, lambda: network, tmp_path / 'bfloat16', {}
  )
  (later,) = _METHOD.fit(
    tunable, examples, _setting(0.1, 1, epoch=0), space, [0]
  )
  found = later()
  assert found.measures['adaptation_l2'] == 0
  assert found.measures['adaptation_cos'] == 0
  assert found.measures['steps'] == 0
  # Which it would not be against the store's.
  after = found.trainer.embed(inputs[examples])
  assert (after != tunable.embedding(examples)).any()


def test_the_head_may_have_a_hidden_layer(train):
  found = train(_METHOD, _setting(0.1, 1), hidden=5)
  (kernel, _), (out, _) = found.trainer.head
  assert kernel.shape == (5, 8) and out.shape == (3, 5)


def test_candidates_cross_taus_and_rates(space):
  assert _METHOD.candidates(space) == [
    _setting(lr, tau, epoch)
    for epoch in (0, 1, 2)
    for tau in (0, 3)
    for lr in (0.1, 0.01)
  ]


def test_the_cheaper_come_first(space):
  """By epoch, then by the schedule's length, then by epochs of probing."""
  found = _METHOD.candidates(
    space.changed({'head_probe': {'epochs': (2, 1), 'taus': (8, 0)}})
  )
  assert [(s.epoch, s.epochs, s.tau) for s in found] == [
    (epoch, epochs, tau)
    for epoch in (0, 1, 2)
    for epochs in (1, 2)
    for tau in (0, 8)
    for _ in range(2)
    if epoch <= epochs
  ]


def test_a_grid_without_taus_is_one_line(space):
  with pytest.raises(errors.InputError, match='no tau for head_probe;'):
    _METHOD.check(space.changed({'head_probe': {'taus': ()}}))


def test_probing_has_a_rate_and_a_norm():
  features = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
  labels = np.arange(20) % 3
  start, still, slow, fast = (
    head_probe.probe_heads(features, labels, (4, 3), (tau,), 0.0, 8, 0, rate)[
      tau
    ][0][0]
    for tau, rate in ((0, 0.1), (2, 0.0), (2, 0.001), (2, 0.1))
  )
  np.testing.assert_array_equal(start, still)
  assert 0 < np.abs(slow - start).max() < 0.01 < np.abs(fast - start).max()
  head = [(np.full((2, 2), 2.0), np.ones(2)), (np.ones((3, 2)), np.ones(3))]
  assert head_probe.head_norm(head) == pytest.approx(np.sqrt(16 + 6))
