import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.features import pooling
from vtab_h2t.features import store
from vtab_h2t.heads import attention_training
from vtab_h2t.heads import counting
from vtab_h2t.methods import alf
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.protocol import grids

_METHOD = alf.Alf()
_TOKENS = extraction.BLOCK_TOKENS


def _setting(**changes):
  return alf.Setting(
    **{
      'learning_rate': 0.01,
      'steps': 20,
      'weight_decay': 1e-3,
      'dropout': 0.1,
    }
    | changes
  )


def test_candidates_are_the_released_codes():
  paper, quick = (
    _METHOD.candidates(grid('vit_b16')) for grid in (grids.paper, grids.quick)
  )
  assert len(paper) == len(set(paper)) == 63 and len(quick) == 12
  assert {c.steps for c in paper} == {1000} and {c.steps for c in quick} == {
    500
  }
  for field, values in (
    ('learning_rate', (0.1, 0.01, 1e-3)),
    ('weight_decay', (1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)),
    ('dropout', (0, 0.1, 0.3)),
  ):
    found = [getattr(c, field) for c in paper]
    assert tuple(dict.fromkeys(found)) == values, field
    assert {getattr(c, field) for c in quick} <= set(values)
  assert _METHOD.target_sizes(grids.paper('vit_b16')) == (_TOKENS,)


def test_one_setting_has_to_be_complete():
  text = 'lr=0.01,steps=20,weight_decay=1e-3'
  assert _METHOD.candidates(grids.get('fixed', 'y', f'{text},dropout=0.1')) == [
    _setting()
  ]
  with pytest.raises(errors.InputError, match='no dropout for alf'):
    _METHOD.candidates(grids.get('fixed', 'y', text))


@pytest.mark.parametrize('value', ['1', '1.5', '-0.1'])
def test_not_all_weights_can_be_dropped(value):
  with pytest.raises(errors.InputError, match='dropout=.* out of range'):
    grids.get('fixed', 'y', f'lr=0.01,dropout={value}')


def test_it_reads_each_token_at_unit_norm(data, examples, space):
  """Widths are 6, 7 and 7, of a map's mean and of tokens."""
  heads = list(_METHOD.fit(data, examples, _setting(), space, (0, 3)))
  assert len(heads) == 2
  for seed, head in zip((0, 3), heads):
    assert (head.target_size, head.columns) == (_TOKENS, None)
    assert head.measures == {
      'num_features': 20,
      'num_parameters': head.head.num_parameters,
    }
    assert head.head.sizes.widths == (6, 7, 7)
    blocks = [np.asarray(b)[examples] for b in data.features.blocks(_TOKENS)]
    units = [b / np.linalg.norm(b, axis=1, keepdims=True) for b in blocks]
    matrix = np.concatenate(units, axis=1)
    np.testing.assert_allclose(
      data.matrix(_TOKENS, examples, rule=head.rule), matrix, atol=1e-6
    )
    (wanted,) = attention_training.train(
      matrix.astype(np.float32),
      data.labels[examples],
      head.head.sizes,
      [
        attention_training.Spec(
          learning_rate=0.01, weight_decay=1e-3, dropout=0.1
        )
      ],
      steps=20,
      batches=5,
      seed=(seed, interface.FIRST),
      order_seed=(seed, interface.ORDER),
      memory_bytes=2**30,
    )
    np.testing.assert_allclose(head.head.kernel, wanted.kernel, atol=1e-3)
  assert np.abs(heads[0].head.kernel - heads[1].head.kernel).max() > 1e-2


@pytest.mark.soak
def test_validation_equals_training_each_head_alone(hard, folds, space):
  options = space.changed(
    {'alf': {'steps': (5, 20), 'dropouts': (0.0, 0.3), 'weight_decays': (0.1,)}}
  )
  results = _METHOD.validate(hard, folds, options, 0)
  assert list(results) == _METHOD.candidates(options) and len(results) == 4
  for setting, counts in results.items():
    for fold, count in zip(folds, counts, strict=True):
      (head,) = _METHOD.fit(hard, fold.train, setting, options, (0,))
      logits = head.head.logits(hard.matrix(_TOKENS, fold.val, rule=head.rule))
      wanted = counting.correct(logits, hard.labels[fold.val])
      assert abs(count - wanted) <= 1  # Rounding of near ties.
  assert len(set(map(tuple, results.values()))) > 1


def test_a_head_that_diverges_fails(data, folds, examples, space, monkeypatch):
  monkeypatch.setattr(attention_training, 'CLIP', float('nan'))
  attention_training._compiled.cache_clear()
  try:
    results = _METHOD.validate(data, folds, space, 0)
    assert all(isinstance(c, str) for found in results.values() for c in found)
    with pytest.raises(errors.InputError, match='alf: .*not finite'):
      list(_METHOD.fit(data, examples, _setting(), space, (0,)))
  finally:
    attention_training._compiled.cache_clear()


def _depths(count=600, width=8, depths=5):
  """Classes that the second depth's token tells; the others are noise.

  The embedding is the last.
  """
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 3, count)
  tokens = rng.normal(size=(count, depths, width)).astype(np.float32)
  tokens[:, 1] += 6 * np.eye(width)[labels]
  blocks = [pooling.Block(f'b{i}', 0, width) for i in range(depths)]
  layouts = {
    None: pooling.Layout((blocks[-1],)),
    _TOKENS: pooling.Layout(tuple(blocks)),
  }
  features = store.FeatureStore(
    {b.name: tokens[:, i] for i, b in enumerate(blocks)}, layouts
  )
  return data_lib.TrainingData(features, labels, 3, 'selected', 2**30)


def test_it_learns_what_the_embedding_does_not_hold():
  data, train, test = _depths(), np.arange(400), np.arange(400, 600)
  space = grids.quick('vit_b16')
  (head,) = _METHOD.fit(data, train, _setting(steps=200), space, (0,))
  matrix = data.matrix(_TOKENS, test, rule=head.rule)
  found = counting.correct(head.head.logits(matrix), data.labels[test])
  setting = linear.Setting(learning_rate=0.01, steps=200)
  (other,) = linear.Linear().fit(data, train, setting, space, (0,))
  matrix = data.matrix(None, test, rule=other.rule)
  embedded = counting.correct(other.head.logits(matrix), data.labels[test])
  assert found > 180 and embedded < 100  # Of 200; chance is 67.
