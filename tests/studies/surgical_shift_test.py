"""What is tuned under a shift: what stays as it was, and what is chosen."""

import dataclasses

import numpy as np
import pytest

from tests import testing
from tests.studies import trained
from vtab_h2t import errors
from vtab_h2t.heads import adam
from vtab_h2t.studies import companion
from vtab_h2t.studies import source as source_lib
from vtab_h2t.studies import surgical_shift
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout
from vtab_h2t.training import trainer as trainer_lib

_STUDY = surgical_shift.SurgicalShift()
_RATES = 1e-3, 1e-2
_SPACE = trained.space(
  _STUDY,
  learning_rates=_RATES,
  epochs=3,
  batch=16,
  shots=(8, 4),
  validation_shots=6,
  source_learning_rate=0.1,
  source_epochs=2,
)
_OPTIONS = _SPACE.of(_STUDY.name)
_FEW = dataclasses.replace(
  _SPACE.of(_STUDY.name),
  learning_rates=(1e-2,),
  epochs=2,
  shots=(4,),
  automatic=('auto_rgn',),
)
_BLOCKS = 'first', 'second'
_INFERENCE = (
  'none',
  *_BLOCKS,
  'last',
  'all',
  'auto_rgn',
  'auto_snr_code',
  'auto_snr_paper',
  'first_to_last',
  'last_to_first',
)


@pytest.fixture(scope='module')
def net():
  return network_lib.Network(testing.normed_backbone())


@pytest.fixture(scope='module')
def target():
  return trained.task(
    'digits.noise5', seed=1, source=trained.task('digits.source', seed=3)
  )


@pytest.fixture(scope='module')
def data(tmp_path_factory, target, net):
  """The networks of sources are kept, but no adapted one is."""
  return trained.data(tmp_path_factory.mktemp('surgical'), target, net)


@pytest.fixture(scope='module')
def source(data):
  return _source(data, 0)


def _source(data, seed):
  return source_lib.trained(
    data,
    source_lib.Recipe(start=source_lib.PRETRAINED, learning_rate=0.1, epochs=2),
    seed,
  )


@pytest.fixture(scope='module')
def drawn(data, target):
  """Images to train on, four a class, and to choose on."""
  (fold,) = trained.plan(target, _SPACE).folds
  return (
    surgical_shift.draw(data, fold.train, 4, 0),
    surgical_shift.draw(data, fold.val, 6, 0),
  )


@pytest.fixture
def adapted(data, drawn):
  """Adapts a network, with options that differ."""

  def adapt(tuned, mode='inference', **changes):
    one = surgical_shift._Adaptation(tuned=tuned, shots=4, mode=mode, seed=0)
    options = dataclasses.replace(_OPTIONS, **changes)
    return surgical_shift._adapted(data, one, *drawn, options)

  return adapt


def _fields(pairs):
  return [
    (f['seed'], f['shots'], f['batch_norm'], f['tuned']) for f, _ in pairs
  ]


def test_rows_come_in_the_order_of_what_is_tuned(data, target):
  pairs = list(_STUDY.measure(data, trained.plan(target, _SPACE, (0, 1))))
  training = (*_BLOCKS, 'last', 'all')
  assert _fields(pairs) == [
    (seed, shots, mode, tuned)
    for seed in (0, 1)
    for shots, mode, names in (
      (4, 'inference', _INFERENCE),
      (4, 'training', training),  # With few shots only.
      (8, 'inference', _INFERENCE),
    )
    for tuned in names
  ]
  for fields, _ in pairs:
    assert fields['images'] == 'test'
    of_none = fields['tuned'] == 'none'
    assert ('epochs' in fields) == ('batch' in fields) == (not of_none)


def test_draws_are_disjoint_balanced_and_nested(data, target):
  (fold,) = trained.plan(target, _SPACE).folds
  seen = []
  for seed in (0, 1):
    few, many = (
      surgical_shift.draw(data, fold.train, shots, seed) for shots in (4, 8)
    )
    val = surgical_shift.draw(data, fold.val, 6, seed)
    assert set(few) < set(many) and not set(many) & set(val)
    assert set(many) < set(fold.train) and set(val) < set(fold.val)
    for found, count in ((few, 4), (many, 8), (val, 6)):
      assert (np.bincount(data.labels[found]) == count).all()
      assert (np.diff(found) > 0).all()
    seen.append((few.tolist(), val.tolist()))
    # Whatever the order in which images are given.
    again = surgical_shift.draw(data, fold.train[::-1], 4, seed)
    assert again.tolist() == few.tolist()
  assert seen[0][0] != seen[1][0] and seen[0][1] != seen[1][1]


def test_all_shots_are_judged_on_the_same_images(data, target):
  pairs = list(_STUDY.measure(data, trained.plan(target, _SPACE)))
  vals = {later.args[3].tobytes() for _, later in pairs}
  trains = {
    shots: {l.args[2].tobytes() for f, l in pairs if f['shots'] == shots}
    for shots in (4, 8)
  }
  assert len(vals) == len(trains[4]) == len(trains[8]) == 1
  assert trains[4] != trains[8]


@pytest.mark.parametrize(
  'changes', [{'shots': (4, 90)}, {'validation_shots': 30}]
)
def test_too_few_images_are_told_before_anything_is_trained(
  changes, data, target
):
  tried = _SPACE.changed({_STUDY.name: changes})
  with pytest.raises(errors.InputError) as e:
    next(_STUDY.measure(data, trained.plan(target, tried)))
  text = str(e.value)
  wanted = max(changes.get('shots', (30,)))
  assert '\n' not in text and f'to draw from, not {wanted}; ask for' in text


def _moved(net, found, source):
  """Which variables, statistics and head differ from the source's."""
  state = net.state()
  differs = [(a != b).any() for a, b in zip(state, source.state, strict=True)]
  names = [w.path for w in net._model.weights]
  ((kernel, bias),) = found.trainer.head
  head = (kernel != source.head[0]).any(), (bias != source.head[1]).any()
  moved = {n for n, d in zip(names, differs) if d}
  return moved | {n for n, d in zip(('kernel', 'bias'), head) if d}


def _names(net, block='', norms=True):
  """The variables of a block, without those of batch norms or with them."""
  return {
    w.path
    for layer in net._model.layers
    for w in layer.trainable_weights
    if layer.name.startswith(block) and (norms or 'norm' not in layer.name)
  }


_HEAD = {'kernel', 'bias'}


@pytest.mark.parametrize('tuned', _INFERENCE)
def test_what_is_not_tuned_stays_as_it_was(tuned, adapted, net, source):
  # Of three epochs gradual unfreezing adds one group in each.
  found = adapted(tuned, learning_rates=(1e-2,))
  # To the state of the last epoch: the first best may be an earlier one.
  epoch = found.measures.get('epoch', 3)
  moved = _moved(net, found, source)
  groups = [_names(net, 'a_'), _names(net, 'b_'), _HEAD]
  expected = {
    'none': set(),
    'first': groups[0],
    'second': groups[1],
    'last': _HEAD,
    'all': set().union(*groups),
    'first_to_last': set().union(*groups[:epoch]),
    'last_to_first': set().union(*groups[::-1][:epoch]),
  }
  if tuned in expected:
    assert moved == expected[tuned]
  else:  # A rate may be 0, but of batch norms it is always.
    assert moved and moved <= _names(net, norms=False) | _HEAD
  if tuned == 'auto_rgn':
    assert moved == _names(net, norms=False) | _HEAD


@pytest.mark.parametrize('tuned', ['first', 'last'])
def test_in_training_mode_the_statistics_of_frozen_blocks_move(
  tuned, adapted, net, source
):
  found = adapted(tuned, 'training', learning_rates=(1e-2,))
  moved = _moved(net, found, source)
  statistics = {w.path for w in net._model.weights if 'moving' in w.path}
  assert len(statistics) == 4
  assert moved == statistics | (
    _names(net, 'a_') if tuned == 'first' else _HEAD
  )


def test_none_answers_as_the_source_network(adapted, data, net, source, target):
  adapted('all')  # Leaves nothing behind.
  found = adapted('none')
  assert found.measures == source.facts and 'epoch' not in found.measures
  images = np.stack(list(target.test.images().as_numpy_iterator()))
  x = net.backbone.preprocess(images)
  answers = found.trainer.predict(x)
  net.load(source.state)
  logits = readout.apply_head(net.embed(x), [source.head]).numpy()
  np.testing.assert_array_equal(answers, logits.argmax(axis=1))


@pytest.mark.parametrize('tuned', ['second', 'last', 'auto_rgn'])
def test_rate_and_epoch_by_hand(tuned, adapted, data, drawn, source):
  """Each epoch anew: the choice is the first best, the larger rate first."""
  network, (train, val) = companion.network_of(data), drawn
  one = surgical_shift._Adaptation(
    tuned=tuned, shots=4, mode='inference', seed=0
  )
  inputs, counts, answers = data.networks.inputs(), {}, {}
  for rate in (1e-2, 1e-3):
    for epoch in (1, 2, 3):
      trainer = companion.trainer_of(
        data,
        surgical_shift._variables(data, tuned),
        trainer_lib.Recipe(
          optimizer='adam',
          batch=16,
          schedule='constant',
          frozen_statistics=True,
          weight_decay=1e-4,
          epsilon=adam.TORCH,
        ),
      )
      network.load(source.state)
      trainer.start([source.head])
      trainer.run(
        inputs,
        data.labels,
        train,
        rate,
        3,  # Twelve images are one batch.
        (0, 4),
        surgical_shift._scales(data, one, trainer, train, _OPTIONS),
        stop=epoch,
      )
      right = trainer.predict(inputs[val]) == data.labels[val]
      counts[rate, epoch] = right.sum()
      answers[rate, epoch] = trainer.predict(inputs)
  chosen = max(counts, key=counts.get)
  found = adapted(tuned)
  assert found.measures == {
    'learning_rate': chosen[0],
    'epoch': chosen[1],
    'val_correct': counts[chosen],
    'val_total': 18,
  }
  np.testing.assert_array_equal(found.trainer.predict(inputs), answers[chosen])


@pytest.mark.parametrize(
  'counts, chosen',
  [
    # At the start, and after each epoch, of the larger rate and the smaller.
    (([18, 3, 5, 5], [18, 5, 5, 4]), (1e-2, 2, 5)),
    (([0, 3, 5, 5], [0, 4, 4, 6]), (1e-3, 3, 6)),
    (([9, 0, 0, 0], [9, 0, 0, 0]), (1e-2, 1, 0)),
  ],
)
def test_ties_go_to_the_larger_rate_and_the_earlier_epoch(
  counts, chosen, adapted, monkeypatch
):
  scripts = list(counts)

  class Scripted(judge_lib.Keeper):
    def __init__(self, *arguments):
      super().__init__(*arguments)
      script = iter(scripts.pop(0))
      self._batches = [(None, None)]
      self._next = lambda *batch: next(script)

    def __call__(self, classifier):
      with monkeypatch.context() as patch:
        patch.setattr(classifier, 'correct', self._next)
        super().__call__(classifier)

  monkeypatch.setattr(judge_lib, 'Keeper', Scripted)
  found = adapted('last')
  assert not scripts
  assert tuple(found.measures.values()) == (*chosen, 18)


def test_a_rate_that_diverges_is_not_chosen(adapted):
  found = adapted('all', learning_rates=(3e38, 1e-3))
  assert found.measures['learning_rate'] == 1e-3
  with pytest.raises(trainer_lib.DivergedError, match='of each rate'):
    adapted('all', learning_rates=(3e38,))


@pytest.mark.parametrize(
  'groups, epochs, starts',
  [
    # The first epoch of each group.
    (3, 15, [0, 5, 10]),
    (4, 15, [0, 4, 8, 12]),
    (3, 7, [0, 3, 5]),
    (3, 3, [0, 1, 2]),
    (3, 2, [0, 1]),
    (3, 1, [0]),
    (1, 4, [0]),
  ],
)
def test_unfreezing_by_hand(groups, epochs, starts):
  order = [(2 * g, 2 * g + 1) for g in range(groups)][::-1]
  scales = surgical_shift.unfreezing(order, 2 * groups, epochs)
  for epoch in range(epochs):
    factors = scales(epoch, None)
    if epoch not in starts:  # The optimizer goes on.
      assert factors is None
      continue
    tuned = order[: starts.index(epoch) + 1]
    expected = np.zeros(2 * groups)
    expected[[v for group in tuned for v in group]] = 1
    assert factors.tolist() == expected.tolist()


@pytest.fixture(scope='module')
def few():
  return dataclasses.replace(_SPACE, options={_STUDY.name: _FEW})


@pytest.fixture(scope='module')
def workdir(tmp_path_factory, target, net, few):
  """With the rows of two seeds; not to be changed."""
  folder = tmp_path_factory.mktemp('rows')
  trained.measure(folder, _STUDY, target, few, net, (0, 1))
  return folder


def test_rows_say_what_was_found(workdir):
  rows = testing.read_rows(workdir)
  names = ['none', *_BLOCKS, 'last', 'all', 'auto_rgn']
  names += [*_BLOCKS, 'last', 'all']
  assert [(r['seed'], r['tuned']) for r in rows] == [
    (s, n) for s in (0, 1) for n in names
  ]
  for row in rows:
    assert (row['split'], row['images'], row['total']) == ('test', 'test', 90)
    assert 'adaptation_l2' not in row
    of_none = row['tuned'] == 'none'
    for name in ('learning_rate', 'epoch', 'val_correct', 'val_total'):
      assert (name in row) != of_none
    for name in ('correct', 'total', 'train_loss', 'epochs', 'plateau'):
      assert (f'source_{name}' in row) == of_none
  sources = [r['source_train_loss'] for r in rows if r['tuned'] == 'none']
  assert sources[0] != sources[1]  # Each seed has a source network.


def test_labels_of_test_images_choose_nothing(
  target, net, few, workdir, tmp_path
):
  examples = dataclasses.replace(
    target.examples, test=trained.relabelled(target.test)
  )
  other = dataclasses.replace(target, load=lambda: examples)
  found = trained.measure(tmp_path, _STUDY, other, few, net, (0, 1))
  kept = [
    [
      {k: v for k, v in r.items() if k not in ('correct', 'manifest_sha256')}
      for r in rows
    ]
    for rows in (found, testing.read_rows(workdir))
  ]
  assert kept[0] == kept[1]


@pytest.mark.soak
@pytest.mark.parametrize('number', [7])
def test_a_study_that_is_cut_off_goes_on_and_seeds_are_added(
  number, target, net, few, workdir, tmp_path, monkeypatch
):
  """One seed at first, which is cut off; then both."""

  class Killed(Exception):
    pass

  calls, real = [], surgical_shift._adapted

  def limited(*arguments):
    calls.append(arguments)
    if len(calls) == number:
      raise Killed
    return real(*arguments)

  monkeypatch.setattr(surgical_shift, '_adapted', limited)
  for seeds in ((1,), (1,), (0, 1)):
    try:
      trained.measure(tmp_path, _STUDY, target, few, net, seeds)
    except Killed:
      assert len(calls) == number
      if number <= 10:
        assert not testing.rows_files(tmp_path)
  trained.measure(tmp_path, _STUDY, target, few, net, (0, 1))
  assert testing.rows_files(tmp_path) == testing.rows_files(workdir)
  # Nothing is trained twice but what was cut off.
  assert len(calls) == 20 + 1
