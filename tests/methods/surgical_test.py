import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import surgical


def test_relative_gradient_norms():
  values = [np.array([3.0, 4.0]), np.ones((2, 2)), np.zeros(3)]
  one = [np.array([0.0, 10.0]), np.full((2, 2), 0.5), np.ones(3)]
  two = [np.array([6.0, 8.0]), np.full((2, 2), 1.5), np.ones(3)]
  # |g| / |v|: 10 / 5 twice; 1 / 2 and 3 / 2; a zero tensor has none.
  np.testing.assert_allclose(
    surgical.relative_gradient_norms([one, two], values), [1, 0.5, 0]
  )
  assert not surgical.relative_gradient_norms(
    [[np.zeros(2)]], [np.ones(2)]
  ).any()


def test_signal_to_noise_of_the_paper():
  batches = [
    [np.array([1.0, 1.0]), np.array([1.0, -1.0])],
    [np.array([3.0, 3.0]), np.array([-1.0, 1.0])],
  ]
  # Mean 2 and variance 2: 4 / 2. Mean 0: none. Divided by the largest.
  np.testing.assert_allclose(
    surgical.signal_to_noise(batches, 'paper'), [1, 0], atol=1e-6
  )


def test_signal_to_noise_of_the_code():
  g = np.array([[1.0, 3.0], [2.0, 2.0]])  # Outputs last.
  head, bias = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([1.0, 2.0])
  first = np.mean(g**2 / (np.array([[2.0], [0.0]]) + 1e-8))
  # The head's kernel is [out, in]: variances 2 and 0 over its first axis.
  second = np.mean(head**2 / (np.array([[2.0, 0.0]]) + 1e-8))
  third = np.mean(bias**2 / (0.5 + 1e-8))
  np.testing.assert_allclose(
    surgical.signal_to_noise([[g, head, bias]] * 3, 'code'),
    [first, second, third],
  )


_SETTING = lp_ft.Setting(
  learning_rate=1e-2, steps=12, batch=32, coefficient=1.0
)


def _block(name):
  return surgical.Setting(
    learning_rate=1e-2, steps=12, batch=32, coefficient=1.0, block=name
  )


def _moved(tunable):
  network = tunable.networks.network()
  pretrained = network.backbone.model.get_weights()
  return {
    w.path
    for w, old, new in zip(
      network.backbone.model.weights, pretrained, network.state()
    )
    if (old != new).any()
  }


def test_one_block_moves(tunable, train):
  train(surgical.Surgical(), _block('second'))
  assert _moved(tunable) == {'b_conv/kernel', 'b_norm/gamma', 'b_norm/beta'}
  train(surgical.Surgical(), _block('first'))
  assert _moved(tunable) == {'a_conv/kernel', 'a_norm/gamma', 'a_norm/beta'}


def test_block_is_chosen_among_all_by_validation(tunable, space, folds):
  method = surgical.Surgical()
  results = method.validate(tunable, folds, space, 0)
  assert [s.block for s in results] == ['first', 'second']
  assert all(s.as_row()['block'] == s.block for s in results)
  one = space.changed({'surgical': {'blocks': ('second',)}})
  results = method.validate(tunable, folds, one, 0)
  assert [s.block for s in results] == ['second']
  none = space.changed({'surgical': {'blocks': ('third',)}})
  with pytest.raises(errors.InputError, match='no block third; it has first,'):
    method.validate(tunable, folds, none, 0)


def test_without_folds_one_block_has_to_be_named(tunable, space, examples):
  method = surgical.Surgical()

  def plan(**options):
    changed = space.changed({'surgical': options})
    return interface.Plan(
      folds=(), examples=examples, space=changed, seed=0, seeds=(0,)
    )

  with pytest.raises(errors.InputError, match='^surgical has 2 settings and'):
    list(method.measure(tunable, plan()))
  ((fields, _),) = method.measure(tunable, plan(blocks=('second',)))
  assert fields['block'] == 'second' and 'coefficient' not in fields


@pytest.mark.parametrize(
  'method', [surgical.AutoRgn(), surgical.AutoSnr()], ids=lambda m: m.name
)
def test_automatic_ones_leave_batch_norms_alone(tunable, train, method):
  train(method, _SETTING)
  assert _moved(tunable) <= {'a_conv/kernel', 'b_conv/kernel'}


def test_rgn_factors_are_computed_anew_each_epoch(train, monkeypatch):
  seen = []
  good = surgical.relative_gradient_norms

  def record(gradients, values):
    seen.append((len(gradients), good(gradients, values)))
    return seen[-1][1]

  monkeypatch.setattr(surgical, 'relative_gradient_norms', record)
  train(surgical.AutoRgn(), _SETTING)
  # 12 steps of 300 images in batches of 32: nine to the epoch, so two epochs.
  assert [count for count, _ in seen] == [5, 5]
  for _, factors in seen:
    assert len(factors) == 4  # Two kernels, the head's kernel and bias.
    assert factors.max() == 1 and factors.min() >= 0
  assert (seen[0][1] != seen[1][1]).any()


def test_snr_freezes_below_the_threshold(tunable, train):
  train(surgical.AutoSnr(), _SETTING, threshold=1e30)
  assert not _moved(tunable)


@pytest.mark.parametrize(
  'definition, ratios', [('code', [0.94, 0.96]), ('paper', [0.19, 1.0])]
)
def test_each_definition_has_its_threshold(monkeypatch, definition, ratios):
  asked = []
  monkeypatch.setattr(
    surgical,
    'signal_to_noise',
    lambda gradients, d: asked.append(d) or np.array(ratios),
  )
  options = surgical.SnrOptions(snr=definition)
  assert surgical.AutoSnr()._scales(options, [], []).tolist() == [0, 1]
  own = surgical.SnrOptions(snr=definition, threshold=2.0)
  assert surgical.AutoSnr()._scales(own, [], []).tolist() == [0, 0]
  assert asked == [definition] * 2
