import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.heads import counting
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import stateless
from vtab_h2t.heads import warmed
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import linear
from vtab_h2t.methods import vqt
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import queries
from vtab_h2t.training import query_training
from vtab_h2t.training import trainer as trainer_lib

_METHOD = vqt.Vqt()


def _setting(**changes):
  return vqt.Setting(
    **{
      'learning_rate': 0.1,
      'weight_decay': 1e-4,
      'queries': 2,
      'fraction': 0.5,
    }
    | changes
  )


@pytest.fixture(scope='module')
def vit():
  return testing.tiny_vit()


@pytest.fixture(scope='module')
def inputs(vit, task):
  batches = extraction.read(vit, task.train)
  return np.concatenate([batch.numpy() for _, batch in batches])


@pytest.fixture(scope='module')
def network(vit):
  return queries.QueryNetwork(vit)


@pytest.fixture(scope='module')
def net(vit):
  return network_lib.Network(vit)


@pytest.fixture
def data(vit, inputs, net, task, tmp_path):
  found = testing.training_data(tmp_path / 'features', task, (), vit)
  found.networks = data_lib.Networks(
    lambda: inputs, lambda: net, tmp_path / 'unfinished', {}
  )
  return found


def test_candidates_are_the_released_codes_rates_and_decays():
  paper, quick = (
    _METHOD.candidates(grid('vit_b16')) for grid in (grids.paper, grids.quick)
  )
  assert len(paper) == len(set(paper)) == 20 * 9 and len(quick) == 6
  assert {c.learning_rate for c in paper} == {1, 0.5, 0.25, 0.1, 0.05}
  assert {c.weight_decay for c in paper} == {1e-2, 1e-3, 1e-4, 0}
  assert {c.queries for c in paper} == {1, 10, 20}
  assert set(quick) <= set(paper)
  # Ties go to fewer queries and features, and to the smaller rate.
  costs = [(c.queries, c.fraction, c.learning_rate) for c in paper]
  assert costs == sorted(costs)
  options = grids.paper('vit_b16').of('vqt')
  assert (options.epochs, options.warmup, options.batch) == (100, 10, 128)
  assert options.penalty == 1e-4


def test_one_setting_has_to_be_complete():
  text = 'lr=0.1,weight_decay=1e-4,fraction=0.5'
  assert _METHOD.candidates(grids.get('fixed', 'y', f'{text},queries=2')) == [
    _setting()
  ]
  with pytest.raises(errors.InputError, match='no queries for vqt'):
    _METHOD.candidates(grids.get('fixed', 'y', text))


def _by_hand(data, network, inputs, examples, setting, seed, epochs=3):
  """The three trainings, one after the other.

  Returns:
    A function of images' numbers that gives logits, and the columns.
  """
  contexts = queries.Contexts(network, inputs, 0)
  labels = data.labels[examples]
  steps = len(examples) // 128
  factors = warmed.factors(epochs, 1, steps)
  rate = setting.learning_rate / 2  # It is for batches of 256.
  orders = [
    stateless.order(len(examples), 128, epochs * steps, (seed, 4, stage))
    for stage in (1, 2, 3)
  ]
  (own,) = query_training.train(
    network,
    contexts,
    examples,
    labels,
    3,
    [
      query_training.Spec(learning_rate=rate, weight_decay=setting.weight_decay)
    ],
    setting.queries,
    factors,
    orders[0],
    seed=(seed, 1),
    noise_seed=(seed, 4),
    memory_bytes=2**30,
  )
  x = contexts.features(own, examples).numpy()
  options = {'weight_decay': setting.weight_decay, 'rates': rate / 2 * factors}
  first = warmed.train(
    x, labels, 3, order=orders[1], penalty=1e-4, seed=(seed, 2), **options
  )
  columns = fraction_lib.select(
    np.linalg.norm(first.kernel, axis=0), setting.fraction
  )
  head = warmed.train(
    x[:, columns],
    labels,
    3,
    order=orders[2],
    penalty=0,
    seed=(seed, 3),
    **options,
  )

  def logits(rows):
    return head.logits(contexts.features(own, rows).numpy()[:, columns])

  return logits, columns


@pytest.mark.soak
def test_it_trains_three_times(data, network, inputs, examples, space):
  found = list(_METHOD.fit(data, examples, _setting(), space, (0, 3)))
  kept = []
  for seed, later in zip((0, 3), found, strict=True):
    trained = later()
    logits, columns = _by_hand(
      data, network, inputs, examples, _setting(), seed
    )
    np.testing.assert_array_equal(trained.trainer.columns, columns)
    np.testing.assert_allclose(
      trained.trainer.logits(inputs[:20]), logits(np.arange(20)), atol=1e-3
    )
    # Half of 8 + 2 * 2 * 8 features, and two queries before each block.
    assert trained.measures == {
      'num_features': 20,
      'num_parameters': 20 * 3 + 3 + 2 * 2 * 8 + 2,
    }
    kept.append(tuple(columns))
  assert kept[0] != kept[1]


@pytest.mark.soak
def test_validation_equals_training_each_setting_alone(
  data, network, inputs, folds, space
):
  options = space.changed({'vqt': {'kept_fractions': (0.2, 1.0)}})
  results = _METHOD.validate(data, folds, options, 0)
  assert list(results) == _METHOD.candidates(options) and len(results) == 8
  for setting, counts in results.items():
    if setting.learning_rate != 0.1:
      continue
    for fold, count in list(zip(folds, counts, strict=True))[1:]:
      logits, _ = _by_hand(data, network, inputs, fold.train, setting, 0)
      wanted = counting.correct(logits(fold.val), data.labels[fold.val])
      assert abs(count - wanted) <= 1  # Rounding of near ties.
  assert len(set(map(tuple, results.values()))) > 1


def test_what_is_validated_is_kept(data, folds, space, monkeypatch):
  results = _METHOD.validate(data, folds, space, 0)
  monkeypatch.setattr(query_training, 'train', None)
  assert _METHOD.validate(data, folds, space, 0) == results


def test_what_diverges_fails(data, folds, examples, space, monkeypatch):
  monkeypatch.setattr(
    query_training, 'train', lambda *args, **_: [None] * len(args[5])
  )
  results = _METHOD.validate(data, folds, space, 0)
  assert all(isinstance(c, str) for found in results.values() for c in found)
  (later,) = _METHOD.fit(data, examples, _setting(), space, (0,))
  with pytest.raises(trainer_lib.DivergedError, match='not finite'):
    later()


def test_it_learns_what_the_embedding_does_not_hold(vit, net, tmp_path):
  """Which quarter is bright."""
  rng, count = np.random.default_rng(0), 480
  labels = rng.integers(0, 4, count)
  pixels = rng.integers(0, 30, (count, 16, 16, 3))
  for image, label in zip(pixels, labels):
    y, x = divmod(int(label), 2)
    image[8 * y : 8 * y + 8, 8 * x : 8 * x + 8] += 200
  split = task_lib.array_split(
    'q', pixels.astype(np.uint8), labels, range(count)
  )
  inputs = extraction.inputs(vit, split)
  features = store.open_or_compute(
    tmp_path / 'features',
    extraction.Extractor(vit, ()),
    split,
    testing.no_progress,
  )
  networks = data_lib.Networks(
    lambda: inputs, lambda: net, tmp_path / 'unfinished', {}
  )
  data = data_lib.TrainingData(features, labels, 4, 'selected', 2**30, networks)
  train, test = np.arange(384), np.arange(384, count)
  space = testing.tiny_space(vqt={'epochs': 40, 'warmup': 5})
  setting = _setting(learning_rate=1.0, fraction=0.7, queries=4)
  (later,) = _METHOD.fit(data, train, setting, space, (0,))
  answers = later().trainer.predict(inputs[test])
  found = counting.correct(answers, labels[test])
  (other,) = linear.Linear().fit(
    data, train, linear.Setting(learning_rate=0.1, steps=500), space, (0,)
  )
  matrix = data.matrix(None, test, rule=other.rule)
  embedded = counting.correct(other.head.logits(matrix), labels[test])
  assert found > 80 and embedded < 60, (found, embedded)  # Of 96.


def test_other_networks_are_one_line(vit):
  _METHOD.check_backbone(vit)
  with pytest.raises(errors.InputError, match='vqt asks .* normed has none'):
    _METHOD.check_backbone(testing.normed_backbone())


@pytest.mark.soak
def test_it_is_measured_like_the_others(vit, task, tmp_path):
  run = testing.tiny_run(vit)
  names = 'linear', 'alf', 'vqt'
  rows = testing.measure(tmp_path, run, [task], vit, names)
  for name in names:
    own = [r for r in rows if r['method'] == name]
    tests = [r for r in own if r['split'] == 'test']
    assert [r['seed'] for r in tests] == [0, 1]
    assert all(r['total'] == 90 and r['correct'] > 0 for r in tests)
  validated = [r for r in own if r['split'] == 'val']
  assert len(validated) == 4 * 2  # Of two folds, after `own` is vqt's.
  fields = 'learning_rate', 'weight_decay', 'queries', 'fraction'
  assert all(r[f] == tests[0][f] for r in tests for f in fields)
  before = testing.results(tmp_path)
  assert testing.measure(tmp_path, run, [task], vit, names) == rows
  assert testing.results(tmp_path) == before
