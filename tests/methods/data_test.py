import itertools
import json
from unittest import mock

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.features import normalization
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.studies import scaling

_HEADS = (sweep.HeadSpec(0.1, (0, 1), 1e-5), sweep.HeadSpec(0.01, (0, 1), 1e-3))


@pytest.fixture
def trained(monkeypatch):
  """Each call of the trainer: its penalty and number of heads."""
  calls = []
  original = sweep.train

  def count(problems, **kwargs):
    calls.append((kwargs['penalty'], sum(len(p.heads) for p in problems)))
    return original(problems, **kwargs)

  monkeypatch.setattr(sweep, 'train', count)
  return calls


def test_features_are_normalised_and_the_embedding_is_as_it_is(data):
  examples = np.array([5, 0, 299])
  raw = np.concatenate([b[examples] for b in data.features.blocks(30)], axis=1)
  assert raw.shape == (3, data.num_features(30))
  matrix = data.matrix(30, examples).numpy()
  starts = data.features.layouts[30].starts
  for first, last in itertools.pairwise(starts):  # Of each tap by itself.
    norms = np.linalg.norm(raw[:, first:last], axis=1, keepdims=True)
    np.testing.assert_allclose(
      matrix[:, first:last] * norms, raw[:, first:last], atol=1e-5
    )
  embedding = data.embedding(examples)
  assert embedding.shape == (3, data.num_features(None)) == (3, 9)
  np.testing.assert_array_equal(
    embedding, data.features.blocks(None)[0][examples]
  )
  unit = data.matrix(None, examples).numpy()
  np.testing.assert_allclose(
    unit * np.linalg.norm(embedding, axis=1, keepdims=True),
    embedding,
    atol=1e-5,
  )


def _with_rule(data, rule, **changes):
  return data_lib.TrainingData(
    data.features,
    data.labels,
    data.classes,
    rule,
    data.memory_bytes,
    **changes,
  )


@pytest.mark.parametrize('rule', ['selected', 'once', 'feature', 'none'])
@pytest.mark.parametrize('size', [30, None])
def test_parts_are_the_taps_of_the_matrix(data, rule, size):
  own, examples = _with_rule(data, rule), np.array([5, 0, 299])
  parts = list(own.parts(size, examples))
  blocks = data.features.layouts[size].blocks
  assert [p.shape for p in parts] == [(3, b.size) for b in blocks]
  np.testing.assert_array_equal(
    np.concatenate(parts, axis=1), own.matrix(size, examples)
  )
  raw = list(own.parts(size, examples, rule='none'))
  np.testing.assert_array_equal(
    np.concatenate(raw, axis=1), _raw(data, examples, size)
  )
  columns = np.array([1, blocks[0].size - 1])
  (some,) = own.parts(size, examples, columns)
  np.testing.assert_array_equal(some, own.matrix(size, examples, columns))


@pytest.mark.parametrize('rule', ['none', 'feature'])
def test_a_rule_may_stand_in_place_of_the_datas(data, rule):
  own, examples = _with_rule(data, rule), np.array([5, 0, 299])
  columns = np.array([0, 3, 50])
  for asked in ('selected', 'none'):
    np.testing.assert_array_equal(
      own.matrix(30, examples, columns, asked),
      _with_rule(data, asked).matrix(30, examples, columns),
    )


def _raw(data, examples, target_size=30):
  return np.concatenate(
    [block[examples] for block in data.features.blocks(target_size)], axis=1
  )


def test_without_normalisation_features_are_as_they_are(data):
  raw = _with_rule(data, 'none')
  examples, columns = np.array([5, 0, 299]), np.array([0, 3, 50])
  np.testing.assert_array_equal(raw.matrix(30, examples), _raw(data, examples))
  np.testing.assert_array_equal(
    raw.matrix(30, examples, columns), _raw(data, examples)[:, columns]
  )
  head = sweep.Head(np.ones((3, 3)), np.ones(3))
  predictor = raw.predictor(30, columns, head)
  assert predictor.rule == 'none' and predictor.head is head
  assert raw.trained(predictor) is head and raw.moments(30) is None


def test_each_feature_is_standardised_over_all_that_may_be_learned_from(data):
  usable = np.arange(0, 300, 2)
  for own in (
    _with_rule(data, 'feature'),
    _with_rule(data, 'feature', usable=usable),
  ):
    counted = _raw(data, slice(None) if own.usable is None else usable)
    # The same of every fold: the examples at hand do not count.
    for examples in (np.arange(7), np.arange(150, 300)):
      wanted = (_raw(data, examples) - counted.mean(axis=0)) / np.sqrt(
        counted.var(axis=0) + 1e-5
      )
      np.testing.assert_allclose(
        own.matrix(30, examples), wanted, atol=1e-3, rtol=1e-3
      )
    assert own.moments(30) is own.moments(30)


@pytest.mark.parametrize('columns', [None, np.array([0, 3, 40, 41])])
def test_moments_are_folded_into_the_head_that_judges(data, folds, columns):
  """It reads features as they are, and answers as it does in training."""
  own = _with_rule(data, 'feature')
  problem = own.heads.problem(30, folds[0].train, _HEADS[:1], columns)
  ((_, (head,)),) = own.heads.train([problem], 20)
  predictor = own.predictor(30, columns, head, num_features=4)
  assert predictor.rule == 'none' and predictor.measures['num_features'] == 4
  every = np.arange(300)
  wanted = head.logits(own.matrix(30, every, columns))
  raw = normalization.design_matrix(
    data.features.blocks(30),
    data.features.layouts[30],
    columns=columns,
    rule=predictor.rule,
  )
  np.testing.assert_allclose(predictor.head.logits(raw), wanted, atol=1e-4)
  again = own.trained(predictor)
  np.testing.assert_allclose(again.kernel, head.kernel, rtol=1e-5)
  np.testing.assert_allclose(again.bias, head.bias, atol=1e-4)


def test_validate_counts_and_scores(data, folds):
  results = data.heads.validate(30, folds, _HEADS, 20, 'l21')
  assert len(results) == 2 and all(len(r) == 2 for r in results)
  for fold, result in zip(folds, results):
    (trained,) = [
      h
      for _, h in data.heads.train(
        [data.heads.problem(30, fold.train, _HEADS)], 20, 'l21'
      )
    ]
    for one, head in zip(result, trained):
      x = data.matrix(30, fold.val).numpy()
      predicted = (x @ head.kernel.numpy().T + head.bias.numpy()).argmax(1)
      wanted = (predicted == data.labels[fold.val]).sum()
      assert abs(one.correct - wanted) <= 1  # Rounding of near ties.
      np.testing.assert_allclose(
        one.scores, np.linalg.norm(head.kernel, axis=0), atol=1e-3
      )
      assert one.ranked() is one.scores
  unranked = data.heads.validate(30, folds, _HEADS, 20, None)[0][0]
  assert unranked.scores is None
  with pytest.raises(ValueError, match='only the group lasso scores'):
    unranked.ranked()


@pytest.mark.parametrize(
  'method',
  [head2toe.Head2Toe(), linear.All('all_l1', 'l1'), scaling.Scaling()],
  ids=lambda method: method.name,
)
def test_of_several_sizes_the_largest_fits_or_no_head_is_trained(
  method, tmp_path, task, folds, examples, space, trained
):
  data = testing.training_data(tmp_path, task, (30, 60))
  space = space.changed({method.name: {'target_sizes': (30, 60)}})
  plan = interface.Plan(
    folds=folds, examples=examples, space=space, seed=0, seeds=(0,)
  )
  data.memory_bytes = sweep.needed_bytes(
    300, data.num_features(30), data.classes
  )
  data.heads.check_memory([None, 30])
  wanted = f'on {data.num_features(60)} features .*--memory_gib'
  with pytest.raises(errors.InputError, match=wanted):
    next(method.measure(data, plan))
  assert not trained


def test_correct_answers_are_of_the_columns_that_a_head_reads(data, folds):
  columns, fold = np.array([0, 3, 40, 41]), folds[0]
  problem = data.heads.problem(30, fold.train, _HEADS[:1], columns)
  ((_, (head,)),) = data.heads.train([problem], 20)
  assert head.kernel.shape == (3, 4)
  x = data.matrix(30, fold.val, columns).numpy()
  predicted = (x @ head.kernel.numpy().T + head.bias.numpy()).argmax(1)
  assert (
    abs(
      data.heads.correct(30, fold.val, head, columns)
      - (predicted == data.labels[fold.val]).sum()
    )
    <= 1
  )


def test_the_same_heads_are_trained_once(data, folds, examples, trained):
  for _ in range(2):
    data.heads.validate(30, folds, _HEADS, 5, 'l21')
    data.heads.fit(30, examples, _HEADS, 5, 'l21')
  assert len(trained) == 2
  data.heads.fit(30, examples[::-1], _HEADS, 5, 'l21')
  data.heads.fit(30, examples, _HEADS, 6, 'l21')
  assert len(trained) == 4
  data.heads.validate(30, folds[:1], _HEADS, 5, 'l21')
  data.heads.validate(30, folds, _HEADS, 5, None)
  data.heads.validate(None, folds, _HEADS, 5, 'l21')
  data.heads.validate(30, folds, _HEADS[:1], 5, 'l21')
  assert len(trained) == 8


def test_other_data_have_other_heads(data, folds, trained):
  """Two tasks label the same images differently."""
  other = data_lib.TrainingData(
    data.features,
    data.labels[::-1].copy(),
    data.classes,
    data.rule,
    data.memory_bytes,
  )
  one, two = (
    d.heads.validate(30, folds, _HEADS, 20, None) for d in (data, other)
  )
  assert len(trained) == 2
  assert one[0][0].correct > two[0][0].correct  # Chance is a third.


def test_all_l21_and_head2toe_share_the_first_stage(
  data, folds, examples, space, trained
):
  linear.All('all_l21', 'l21').validate(data, folds, space, 0)
  head2toe.Head2Toe().validate(data, folds, space, 0)
  # 2 folds x 2 learning rates x (2 shared, 1 other) coefficients, then the
  # second stage: 2 folds x 4 rankings x 2 fractions in one loop.
  assert trained == [('l21', 8), ('l21', 4), (None, 16)]
  trained.clear()
  setting = head2toe.Setting(
    learning_rate=0.1, steps=20, target_size=30, coefficient=1e-3, fraction=0.1
  )
  whole = linear.Setting(
    learning_rate=0.1, steps=20, target_size=30, coefficient=1e-3
  )
  list(head2toe.fit(data, examples, setting, (0, 1)))
  list(linear.All('all_l21', 'l21').fit(data, examples, whole, space, (0, 1)))
  assert trained == [('l21', 2), (None, 2)]


def _networks(folder, memory=None):
  return data_lib.Networks(None, None, folder, {} if memory is None else memory)


def test_results_of_trainings_are_kept(tmp_path):
  networks, calls = _networks(tmp_path / 'unfinished'), []
  for _ in range(2):
    assert networks.remember(['a', 1], lambda: calls.append(1) or [3]) == [3]
  assert len(calls) == 1
  assert networks.remember(['a', 2], lambda: 'other') == 'other'
  after = _networks(tmp_path / 'unfinished')  # Of a process that goes on.
  assert after.remember(['a', 1], lambda: 4) == [3]
  assert _networks(tmp_path / 'x').remember(['a', 1], lambda: 4) == 4


@pytest.mark.parametrize(
  'damage',
  [
    lambda text: '{',
    lambda text: text.replace('3', '5', 1),
    lambda text: '[1]',
    lambda text: '{}',
    lambda text: '',
    lambda text: text.replace('"sha256": "', '"sha256": "0'),
  ],
)
def test_a_damaged_result_is_computed_again(damage, tmp_path, caplog):
  networks = _networks(tmp_path)
  networks.remember('a', lambda: [3])
  (path,) = tmp_path.iterdir()
  assert set(json.loads(path.read_text())) == {'value', 'sha256'}
  path.write_text(damage(path.read_text()))
  assert networks.remember('a', lambda: [4]) == [4]
  assert f'{path} is damaged; the network is trained again' in caplog.text
  assert networks.remember('a', lambda: [5]) == [4]


def test_a_folder_that_another_process_removes_is_no_failure(tmp_path):
  networks = _networks(tmp_path / 'unfinished')
  with mock.patch('os.replace', side_effect=FileNotFoundError):
    assert networks.remember('a', lambda: 1) == 1


def test_a_training_that_is_cut_off_leaves_nothing(tmp_path):
  networks = _networks(tmp_path)

  def stop():
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    networks.remember('a', stop)
  assert not list(tmp_path.iterdir())
  assert networks.remember('a', lambda: 2) == 2


def test_each_training_has_files_of_its_own(tmp_path):
  networks = _networks(tmp_path)
  keys = 'a', ['a', 1], ['a', 2], ['a', {'x': 1}]
  paths = {networks.path(k, e) for k in keys for e in ('json', 'npz')}
  assert len(paths) == 8 and {p.parent for p in paths} == {tmp_path}
  assert networks.path(['a', {'x': 1}], 'npz') in paths


def test_methods_on_the_same_data_compute_once(tmp_path):
  memory, calls = {}, []
  for folder in ('one', 'two'):
    networks = _networks(tmp_path / folder, memory)
    assert networks.once('c', lambda: calls.append(1) or 3) == 3
    assert networks.once('d', lambda: 4) == 4
  assert len(calls) == 1
  assert _networks(tmp_path, {}).once('c', lambda: 5) == 5
