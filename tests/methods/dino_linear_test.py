import types

import numpy as np
import pytest
from scipy import special

from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.features import pooling
from vtab_h2t.heads import initial
from vtab_h2t.heads import sweep
from vtab_h2t.methods import dino_linear
from vtab_h2t.methods import interface
from vtab_h2t.protocol import grids

_METHOD = dino_linear.DinoLinear()
_LAST = extraction.LAST_BLOCKS


def _setting(**changes):
  return dino_linear.Setting(
    **{
      'learning_rate': 0.1,
      'steps': 20,
      'last_blocks': 1,
      'patch_mean': False,
    }
    | changes
  )


def _by_hand(x, labels, classes, rate, steps, seed):
  """SGD with momentum 0.9 and a cosine, in float64, from a normal kernel."""
  w = initial.kernel((seed, interface.FIRST), x.shape[1], classes, 0.01)
  w, b = w.astype(np.float64), np.zeros(classes)
  velocity, velocity_b = np.zeros_like(w), np.zeros_like(b)
  starts = range(0, len(x), 128)
  for t in range(steps):
    first = starts[t % len(starts)]
    batch = x[first : first + 128]
    error = special.softmax(batch @ w.T + b, axis=1)
    error -= np.eye(classes)[labels[first : first + 128]]
    velocity = 0.9 * velocity + error.T @ batch / 128
    velocity_b = 0.9 * velocity_b + error.sum(axis=0) / 128
    now = rate * 0.5 * (1 + np.cos(np.pi * t / steps))
    w, b = w - now * velocity, b - now * velocity_b
  return w, b


def _raw(data, examples, end):
  (block,) = data.features.blocks(_LAST)
  return np.asarray(block[examples][:, :end], np.float64)


def test_candidates_are_dinov2s_heads_for_each_number_of_steps():
  for space, steps in (
    (grids.paper('vit_b16'), (500, 5000)),
    (grids.quick('vit_b16'), (500,)),
  ):
    found = _METHOD.candidates(space)
    assert len(found) == len(set(found)) == 52 * len(steps)
    costs = [(c.steps, c.last_blocks, c.patch_mean) for c in found]
    assert costs == sorted(costs) and {c[0] for c in costs} == set(steps)
  rates = {c.learning_rate for c in found}
  assert len(rates) == 13 and (min(rates), max(rates)) == (1e-5, 0.1)
  assert found[0].as_row() == {
    'learning_rate': 0.1,
    'steps': 500,
    'last_blocks': 1,
    'patch_mean': False,
  }
  assert _METHOD.target_sizes(space) == (_LAST,)


def test_one_setting_has_to_be_complete():
  text = 'lr=0.1,steps=20,last_blocks=1'
  assert _METHOD.candidates(
    grids.get('fixed', 'y', f'{text},patch_mean=0')
  ) == [_setting()]
  with pytest.raises(errors.InputError, match='no patch_mean for dino_linear'):
    _METHOD.candidates(grids.get('fixed', 'y', text))


@pytest.mark.parametrize('patch_mean, end', [(False, 7), (True, 14)])
def test_a_head_is_that_of_a_plain_loop(patch_mean, end, data, examples, space):
  """On the class token as it is, or the mean of the other tokens beside it."""
  setting = _setting(patch_mean=patch_mean)
  heads = list(_METHOD.fit(data, examples, setting, space, (0, 3)))
  assert len(heads) == 2
  x = _raw(data, examples, end)
  for seed, head in zip((0, 3), heads):
    assert (head.target_size, head.rule) == (_LAST, 'none')
    np.testing.assert_array_equal(head.columns, np.arange(end))
    assert head.measures == {'num_features': end}
    # 0.1 is for batches of 256.
    w, b = _by_hand(x, data.labels[examples], 3, 0.05, 20, seed)
    np.testing.assert_allclose(head.head.kernel, w, atol=1e-4 * np.abs(w).max())
    np.testing.assert_allclose(head.head.bias, b, atol=1e-4 * np.abs(w).max())
  assert not np.allclose(heads[0].head.kernel, heads[1].head.kernel, atol=1e-4)


def test_validation_equals_training_each_head_alone(hard, folds, space):
  options = space.changed({'dino_linear': {'steps': (5, 20)}})
  results = _METHOD.validate(hard, folds, options, 0)
  # Of the four readings the network has two: it has one block.
  assert list(results) == _METHOD.complete(hard, folds, options, 0)
  assert len(results) == 2 * 2 * 2
  for setting, counts in results.items():
    assert setting.last_blocks == 1
    for fold, count in zip(folds, counts, strict=True):
      end = 14 if setting.patch_mean else 7
      w, b = _by_hand(
        _raw(hard, fold.train, end),
        hard.labels[fold.train],
        3,
        setting.learning_rate / 2,
        setting.steps,
        0,
      )
      scores = _raw(hard, fold.val, end) @ w.T + b
      wanted = (scores.argmax(axis=1) == hard.labels[fold.val]).sum()
      assert abs(count - wanted) <= 1  # Rounding of near ties.
  assert len(set(map(tuple, results.values()))) > 1


def test_a_network_without_class_tokens_has_its_last_units(
  tunable, folds, space
):
  found = _METHOD.complete(tunable, folds, space, 0)
  assert {(c.last_blocks, c.patch_mean) for c in found} == {(1, False)}
  two = space.changed({'dino_linear': {'last_blocks': (2,)}})
  (setting, _) = _METHOD.complete(tunable, folds, two, 0)
  (head,) = _METHOD.fit(tunable, np.arange(300), setting, two, (0,))
  np.testing.assert_array_equal(head.columns, np.arange(6 + 8))
  with pytest.raises(
    errors.InputError, match='dino_linear: the network has 2 blocks .*without'
  ):
    _METHOD.complete(
      tunable,
      folds,
      space.changed({'dino_linear': {'last_blocks': (4,)}}),
      0,
    )


def _data_of(*blocks):
  layouts = {_LAST: pooling.Layout(blocks)}
  return types.SimpleNamespace(features=types.SimpleNamespace(layouts=layouts))


@pytest.mark.parametrize(
  'last_blocks, patch_mean, first, end',
  [(1, False, 9, 12), (1, True, 9, 15), (4, False, 0, 12), (4, True, 0, 15)],
)
def test_a_setting_reads_the_last_columns_but_for_the_mean(
  last_blocks, patch_mean, first, end
):
  data = _data_of(
    *(pooling.Block(f'b{i}', 0, 3, pooling.CLS_ONLY) for i in range(3)),
    pooling.Block('b3', 0, 6, pooling.CLS_BOTH),
  )
  setting = _setting(last_blocks=last_blocks, patch_mean=patch_mean)
  np.testing.assert_array_equal(
    dino_linear._columns(data, setting), np.arange(first, end)
  )


def test_all_heads_of_as_many_steps_are_trained_in_one_go(
  data, folds, space, monkeypatch
):
  calls, original = [], sweep.train

  def count(problems, **options):
    calls.append([len(p.heads) for p in problems])
    return original(problems, **options)

  monkeypatch.setattr(sweep, 'train', count)
  _METHOD.validate(data, folds, space, 0)
  assert calls == [[2, 2, 2, 2]]  # Two readings on two folds.
