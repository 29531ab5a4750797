"""LP-FT out of distribution: what is trained, chosen, judged and kept."""

import dataclasses

import numpy as np
import pytest

from tests import testing
from tests.studies import trained
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import lp_ft
from vtab_h2t.studies import companion
from vtab_h2t.studies import lp_ft_shift
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import trainer as trainer_lib

_STUDY = lp_ft_shift.LpFtShift()
_SPACE = trained.space(_STUDY, learning_rates=(0.03, 0.3), epochs=3)
_OPTIONS = _SPACE.of(_STUDY.name)
_TUNED = 'ft', 'ft_frozen', 'lp_ft'
_IMAGES = 'test', 'later', 'earlier'  # The task's order, not the alphabet's.
_COUNTS = 'correct', 'total'


@pytest.fixture(scope='module')
def net():
  return network_lib.Network(testing.normed_backbone())


@pytest.fixture(scope='module')
def pair():
  return trained.task('a.to.b', further=trained.further(*_IMAGES[1:]))


@pytest.fixture(scope='module', autouse=True)
def path():
  """Three values of the probe's C, not fifty."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(lp_ft, 'C_PATH', (1e-2, 1.0, 10.0))
    yield


@pytest.fixture(scope='module')
def workdir(tmp_path_factory, pair, net):
  """With the rows of two seeds; not to be changed."""
  folder = tmp_path_factory.mktemp('lp_ft_shift')
  trained.measure(folder, _STUDY, pair, _SPACE, net, (0, 1))
  return folder


@pytest.fixture(scope='module')
def rows(workdir):
  return testing.read_rows(workdir)


@pytest.fixture
def data(tmp_path, pair, net):
  return trained.data(tmp_path, pair, net)


def _training(pair, adaptation, seed=0, c=1.0):
  (fold,) = trained.plan(pair, _SPACE).folds
  return lp_ft_shift._Training(adaptation=adaptation, fold=fold, c=c, seed=seed)


def test_rows_are_of_each_adaptation_seed_and_test_set(rows):
  assert [
    (r['seed'], r['adaptation'], r['images']) for r in trained.judged(rows)
  ] == [(s, a, i) for s in (0, 1) for a in ('lp', *_TUNED) for i in _IMAGES]
  for row in trained.judged(rows):
    assert row['total'] == (90 if row['images'] == 'test' else 40)
    assert row['fold'] is None and row['job'] == row['method'] == _STUDY.name
    is_probe = row['adaptation'] == 'lp'
    assert ('coefficient' in row) == (row['adaptation'] in ('lp', 'lp_ft'))
    for name in ('learning_rate', 'epochs', 'batch', 'epoch'):
      assert (name in row) != is_probe
  validated = [r for r in rows if r['split'] == 'val']
  assert [(r['adaptation'], r['learning_rate']) for r in validated] == [
    (a, rate) for a in _TUNED for rate in (0.3, 0.03)
  ]
  for row in validated:
    assert (row['seed'], row['fold'], row['total']) == (0, trained.FOLD, 60)
    assert (row['epochs'], row['batch']) == (3, 64) and 'images' not in row


def test_only_the_probe_leaves_the_embedding_where_it_was(rows):
  for row in trained.judged(rows):
    moved = row['adaptation_l2'], row['adaptation_cos']
    if row['adaptation'] == 'lp':
      assert moved == (0, 0)
    else:
      assert min(moved) > 0


def _choices(rows):
  """All that is chosen, and what does not depend on labels of tests."""
  return [
    {k: v for k, v in r.items() if k not in (*_COUNTS, 'manifest_sha256')}
    for r in trained.judged(rows)
  ]


def test_rate_and_epoch_follow_validation(rows):
  for adaptation in _TUNED:
    own = [r for r in rows if r.get('adaptation') == adaptation]
    best = max((r for r in own if r['split'] == 'val'), key=_correct)
    for row in trained.judged(own):
      assert row['learning_rate'] == best['learning_rate']
      assert 1 <= row['epoch'] <= 3
      assert row['seed'] or row['epoch'] == best['epoch']


def _correct(row):
  return row['correct']


def test_labels_of_test_images_choose_nothing(rows, pair, net, tmp_path):
  examples = dataclasses.replace(
    pair.examples, test=trained.relabelled(pair.test)
  )
  other = dataclasses.replace(
    pair,
    load=lambda: examples,
    further={
      name: lambda split=split: trained.relabelled(split)
      for name, split in pair.further_tests.items()
    },
  )
  found = trained.measure(tmp_path, _STUDY, other, _SPACE, net, (0, 1))
  assert _choices(found) == _choices(rows)
  assert [r for r in found if r['split'] == 'val'] == [
    r | {'manifest_sha256': found[0]['manifest_sha256']}
    for r in rows
    if r['split'] == 'val'
  ]
  assert all(
    a['correct'] != b['correct']
    for a, b in zip(trained.judged(found), trained.judged(rows), strict=True)
    if a['adaptation'] == 'ft'
  )


@pytest.mark.parametrize('adaptation', ['lp', *_TUNED])
def test_counts_and_movement_by_hand(adaptation, rows, pair, net, data):
  own = [
    r
    for r in trained.judged(rows)
    if (r['adaptation'], r['seed']) == (adaptation, 1)
  ]
  inputs = {
    name: (net.backbone.preprocess(_pixels(split)).numpy(), split.labels)
    for name, split in zip(_IMAGES, (pair.test, *pair.further_tests.values()))
  }
  net.reset()
  before = {name: net.embed(x) for name, (x, _) in inputs.items()}
  c = own[0].get('coefficient', 1.0)
  training = _training(
    pair, 'lp_ft' if adaptation == 'lp' else adaptation, seed=1, c=c
  )
  trainer = lp_ft_shift._start(data, training, _OPTIONS)
  if adaptation != 'lp':
    trainer.run(
      data.networks.inputs(),
      data.labels,
      training.fold.train,
      own[0]['learning_rate'],
      3 * 4,
      (1, 4),
      stop=own[0]['epoch'],
    )
  for row in own:
    x, labels = inputs[row['images']]
    assert row['correct'] == (trainer.predict(x) == labels).sum()
    moved = head_probe.adaptation(before[row['images']], net.embed(x))
    assert {name: row[name] for name in moved} == moved
  if adaptation == 'lp':
    probe = lp_ft.probe(data, training.fold.train, c)
    assert [r['correct'] for r in own] == [
      (probe.predict(before[name]) == y).sum()
      for name, (_, y) in inputs.items()
    ]


def _pixels(split):
  return np.stack(list(split.images().as_numpy_iterator()))


def test_lp_ft_starts_at_the_logits_of_the_probe(pair, net, data):
  training = _training(pair, 'lp_ft')
  trainer = lp_ft_shift._start(data, training, _OPTIONS)
  probe = lp_ft.probe(data, training.fold.train, 1.0)
  ((kernel, bias),) = trainer.head
  np.testing.assert_array_equal(kernel, probe.kernel)
  np.testing.assert_array_equal(bias, probe.bias)
  # Fine-tuning's head is its seed's, whatever the mode of batch norms.
  heads = [
    lp_ft_shift._start(data, _training(pair, a, seed), _OPTIONS).head[0][0]
    for a, seed in (('ft', 0), ('ft_frozen', 0), ('ft', 1))
  ]
  np.testing.assert_array_equal(heads[0], heads[1])
  assert (heads[0] != heads[2]).any()


def test_only_fine_tuning_in_training_mode_moves_statistics(pair, net, data):
  net.reset()
  pretrained = net.state()
  is_statistic = trained.is_statistic(net)
  assert is_statistic.sum() == 4
  for adaptation in _TUNED:
    lp_ft_shift._trained(data, _training(pair, adaptation), 0.03, _OPTIONS)
    moved = np.array(
      [(a != b).any() for a, b in zip(net.state(), pretrained, strict=True)]
    )
    assert moved[~is_statistic].all()  # Their scale and offset, too.
    assert moved[is_statistic].tolist() == [adaptation == 'ft'] * 4


def test_all_three_are_trained_alike(pair, data, monkeypatch):
  """But for the mode of batch norms, and the head that they start from."""
  calls, recipes = [], []
  real = trainer_lib.Trainer.run

  def run(trainer, inputs, labels, examples, rate, steps, seed, *rest, **named):
    calls.append((examples.tobytes(), rate, steps, seed, rest))
    recipes.append(trainer.recipe)
    real(trainer, inputs, labels, examples, rate, steps, seed, *rest, **named)

  monkeypatch.setattr(trainer_lib.Trainer, 'run', run)
  for adaptation in _TUNED:
    lp_ft_shift._trained(data, _training(pair, adaptation, 5), 0.03, _OPTIONS)
  assert len(set(calls)) == 1 and calls[0][1:] == (0.03, 12, (5, 4), ())
  assert [r.frozen_statistics for r in recipes] == [False, True, True]
  for recipe in recipes:
    assert dataclasses.replace(
      recipe, frozen_statistics=True
    ) == trainer_lib.Recipe(
      optimizer='sgd',
      batch=64,
      schedule='cosine_by_epoch',
      frozen_statistics=True,
    )


class _Found:
  """What stands for a keeper after a training."""

  def __init__(self, best, correct):
    self.best, self.correct = best, correct


@pytest.mark.parametrize(
  'found, chosen',
  [
    ({0.3: (2, 50), 0.03: (1, 50)}, 0.3),
    ({0.3: (2, 50), 0.03: (1, 51)}, 0.03),
    ({0.3: (0, -1), 0.03: (3, 0)}, 0.03),
    ({0.3: (0, -1), 0.03: (0, -1)}, 0.3),
  ],
)
def test_ties_go_to_the_larger_rate(found, chosen, pair, data, monkeypatch):
  monkeypatch.setattr(
    lp_ft_shift,
    '_trained',
    lambda data, training, rate, options: (None, _Found(*found[rate])),
  )
  pairs = list(_STUDY.measure(data, trained.plan(pair, _SPACE)))
  for adaptation in _TUNED:
    own = [(f, later) for f, later in pairs if f['adaptation'] == adaptation]
    validated = [f for f, later in own if later is None]
    assert [(f['learning_rate'], f['epoch']) for f in validated] == [
      (rate, found[rate][0]) for rate in (0.3, 0.03)
    ]
    assert [f['correct'] for f in validated] == [
      None if found[rate][0] == 0 else found[rate][1] for rate in (0.3, 0.03)
    ]
    ((fields, later),) = [(f, later) for f, later in own if later is not None]
    assert fields['learning_rate'] == chosen
    if not found[chosen][0]:
      with pytest.raises(trainer_lib.DivergedError, match='in the first epoch'):
        later()


def test_a_training_that_diverges_has_a_row_for_each_test_set(
  pair, net, tmp_path
):
  tried = trained.space(_STUDY, learning_rates=(1e30,), epochs=1)
  found = trained.measure(tmp_path, _STUDY, pair, tried, net)
  failed = [r for r in found if r['adaptation'] != 'lp']
  assert all(r['correct'] is None and r['failed'] for r in failed)
  assert [(r['adaptation'], r['images']) for r in trained.judged(failed)] == [
    (a, i) for a in _TUNED for i in _IMAGES
  ]
  assert [r['epoch'] for r in failed if r['split'] == 'val'] == [0, 0, 0]
  assert all(r['correct'] for r in found if r['adaptation'] == 'lp')


def test_epochs_before_one_that_diverges_count(pair, data, monkeypatch):
  real = companion.network_of(data).trainer

  def diverging(*arguments):
    trainer, calls = real(*arguments), []

    def step(*given):
      calls.append(given)
      return (
        np.float32(np.nan)
        if len(calls) > 4
        else type(trainer)._step(trainer, *given)
      )

    monkeypatch.setattr(trainer, '_step', step)
    return trainer

  monkeypatch.setattr(companion.network_of(data), 'trainer', diverging)
  _, keeper = lp_ft_shift._trained(
    data, _training(pair, 'ft_frozen'), 0.03, _OPTIONS
  )
  assert keeper.best == 1 and len(keeper.counts) == 2


@pytest.mark.parametrize('first', [(0,), (1,)])
def test_seeds_added_later_choose_nothing_again(
  first, pair, net, workdir, tmp_path, monkeypatch
):
  trained.measure(tmp_path, _STUDY, pair, _SPACE, net, first)
  monkeypatch.setattr(
    lp_ft_shift.LpFtShift,
    '_validated',
    lambda *arguments: pytest.fail('it was validated again'),
  )
  trained.measure(tmp_path, _STUDY, pair, _SPACE, net, (0, 1))
  assert testing.rows_files(tmp_path) == testing.rows_files(workdir)


# Of two rates for each of three adaptations, and the final ones of two seeds.
@pytest.mark.soak
@pytest.mark.parametrize('number', [2, 8])
def test_a_study_that_is_cut_off_goes_on(
  number, pair, net, workdir, tmp_path, monkeypatch
):
  class Killed(Exception):
    pass

  calls, real = [], lp_ft_shift._trained

  def limited(*arguments):
    calls.append(arguments)
    if len(calls) == number:
      raise Killed
    return real(*arguments)

  monkeypatch.setattr(lp_ft_shift, '_trained', limited)
  with pytest.raises(Killed):
    trained.measure(tmp_path, _STUDY, pair, _SPACE, net, (0, 1))
  assert not testing.rows_files(tmp_path)
  trained.measure(tmp_path, _STUDY, pair, _SPACE, net, (0, 1))
  assert testing.rows_files(tmp_path) == testing.rows_files(workdir)
  # Six validate and three are of the second seed. The network of a rate that
  # was validated before the stop is trained once more, if that is chosen.
  assert 9 + 1 <= len(calls) <= 9 + 1 + 1
