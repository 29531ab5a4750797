"""Fine-tuning from every head on the way of one probing."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests import testing
from tests.studies import trained
from vtab_h2t.heads import initial
from vtab_h2t.methods import head_probe
from vtab_h2t.studies import companion
from vtab_h2t.studies import head_probe_energy as study
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout
from vtab_h2t.training import trainer as trainer_lib

_STUDY = study.HeadProbeEnergy()
_TAUS = 0, 1, 4
_SPACE = trained.space(
  _STUDY,
  learning_rates=(0.03,),
  steps=6,
  taus=_TAUS,
  probe_learning_rate=0.03,
  hidden=(0, 5),
  common_loss=1.0,
)
_OPTIONS = _SPACE.of(_STUDY.name)
_RNG = np.random.default_rng(0)
_FEATURES = _RNG.normal(size=(7, 4)).astype(np.float32)
_LABELS = np.arange(7) % 3


def _head(*sizes):
  return [
    (
      _RNG.normal(size=(n, m)).astype(np.float32),
      _RNG.normal(size=n).astype(np.float32),
    )
    for m, n in itertools.pairwise(sizes)
  ]


def _losses(features, labels, head):
  """Cross-entropy of each image, in float64, with a ReLU between layers."""
  x = features.astype(np.float64)
  for kernel, bias in head[:-1]:
    x = np.maximum(x @ kernel.T.astype(np.float64) + bias, 0)
  kernel, bias = head[-1]
  z = x @ kernel.T.astype(np.float64) + bias
  return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]


def test_the_gradient_of_a_linear_head_in_closed_form():
  ((kernel, bias),) = head = _head(4, 3)
  z = _FEATURES @ kernel.T + bias
  p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
  errors = p - np.eye(3)[_LABELS]
  np.testing.assert_allclose(
    study.feature_gradients(_FEATURES, _LABELS, head),
    errors @ kernel,
    rtol=1e-4,
    atol=1e-6,
  )
  found = study.at_start(_FEATURES, _LABELS, head)
  np.testing.assert_allclose(
    found['feature_gradient'],
    np.linalg.norm(errors @ kernel, axis=1).mean(),
    rtol=1e-5,
  )
  np.testing.assert_allclose(
    found['aie'], np.linalg.norm(errors, axis=1).mean(), rtol=1e-5
  )
  # |V^T (p - e)| is at most |V| |p - e|.
  bound = found['head_spectral'] * found['aie']
  assert found['feature_gradient'] <= bound


@pytest.mark.parametrize('sizes', [(4, 3), (4, 6, 3)])
def test_gradients_are_finite_differences(sizes):
  head, step = _head(*sizes), 1e-6
  found = study.feature_gradients(_FEATURES, _LABELS, head)
  x = _FEATURES.astype(np.float64)
  for i in range(4):
    up, down = x.copy(), x.copy()
    up[:, i] += step
    down[:, i] -= step
    difference = _losses(up, _LABELS, head) - _losses(down, _LABELS, head)
    np.testing.assert_allclose(
      found[:, i], difference / (2 * step), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize('sizes', [(4, 3), (4, 6, 3)])
def test_what_is_known_at_the_start(sizes):
  head = _head(*sizes)
  found = study.at_start(_FEATURES, _LABELS, head)
  logits = readout.apply_head(_FEATURES, head).numpy()
  assert found['probe_correct'] == (logits.argmax(axis=1) == _LABELS).sum()
  assert found['probe_total'] == 7
  expected = {
    'probe_loss': _losses(_FEATURES, _LABELS, head).mean(),
    'head_norm': np.sqrt(sum((k.astype(float) ** 2).sum() for k, _ in head)),
    'head_spectral': np.linalg.svd(head[0][0])[1][0],
    'start_norm': np.sqrt((_FEATURES**2).sum(axis=1)).mean(),
    'start_square': (_FEATURES**2).sum(axis=1).mean(),
  }
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-5)


def test_the_loss_of_large_logits_is_finite():
  logits = np.array([[1e4, 0.0], [0.0, -1e4]], np.float32)
  assert companion.mean_loss(logits, np.array([0, 1])) == 5e3


@pytest.fixture(scope='module')
def net():
  return network_lib.Network(testing.normed_backbone())


@pytest.fixture(scope='module')
def task():
  return trained.task()


@pytest.fixture(scope='module')
def workdir(tmp_path_factory, task, net):
  folder = tmp_path_factory.mktemp('head_probe_energy')
  trained.measure(folder, _STUDY, task, _SPACE, net, (0, 1))
  return folder


@pytest.fixture(scope='module')
def rows(workdir):
  return testing.read_rows(workdir)


@pytest.fixture
def data(tmp_path, task, net):
  return trained.data(tmp_path, task, net)


@pytest.fixture
def examples(task):
  return trained.plan(task, _SPACE).examples


def test_there_is_a_row_for_every_tau_and_head(rows):
  assert [(r['seed'], r['hidden'], r['tau']) for r in rows] == [
    (s, h, t) for s in (0, 1) for h in (0, 5) for t in _TAUS
  ]
  for row in rows:
    assert (row['split'], row['images'], row['total']) == ('test', 'test', 90)
    assert (row['learning_rate'], row['steps'], row['batch']) == (0.03, 6, 64)
    assert row['smoothing'] == 0 and row['probe_total'] == 300
    assert row['reached'] is (row['train_loss'] <= row['common_loss'] == 1)
    # The embedding is where it was until fine-tuning.
    assert row['start_norm'] == rows[0]['start_norm']
    for images in ('', 'train_'):
      assert row[f'{images}adaptation_l2'] > 0
  for seed in (0, 1):
    for hidden in (0, 5):
      own = [r for r in rows if (r['seed'], r['hidden']) == (seed, hidden)]
      for name in ('aie', 'probe_loss'):
        assert own[0][name] > own[1][name] > own[2][name]


@pytest.mark.parametrize('hidden, tau', [(0, 0), (0, 4), (5, 1)])
def test_movement_by_hand(hidden, tau, rows, data, net, examples):
  (row,) = [
    r for r in rows if (r['seed'], r['hidden'], r['tau']) == (1, hidden, tau)
  ]
  inputs, labels = data.networks.inputs(), data.labels[examples]
  net.reset()
  before = net.embed(inputs[examples])
  layers = (hidden,) if hidden else ()
  head = head_probe.probe_heads(
    before, labels, (8, *layers, 3), (tau,), 0.0, 64, 1, 0.03
  )[tau]
  trainer = net.trainer(
    readout.Embedding('pooled', 8, False),
    (8, *layers, 3),
    range(len(net.variables)),
    trainer_lib.Recipe(batch=64, frozen_statistics=True),
  )
  trainer.start(head)
  trainer.run(inputs, data.labels, examples, 0.03, 6, (1, 4))
  after = net.embed(inputs[examples])
  for name, value in head_probe.adaptation(before, after).items():
    assert row[f'train_{name}'] == value
  right = trainer.predict(inputs[examples]) == labels
  assert row['train_correct'] == right.sum()
  np.testing.assert_allclose(
    row['train_loss'], _losses(after, labels, trainer.head).mean(), rtol=1e-4
  )
  assert row['aie'] == study.at_start(before, labels, head)['aie']


def test_all_taus_are_fine_tuned_alike(task, net, data, monkeypatch):
  """From their own heads; that of tau 0 is the initial one."""
  runs, heads, real = [], [], trainer_lib.Trainer.run

  def run(trainer, inputs, labels, examples, *arguments, tell):
    runs.append((examples.tobytes(), *arguments))
    heads.append(trainer.head)
    state = zip(net.state(), pretrained, strict=True)
    assert all((a == b).all() for a, b in state)
    assert trainer.recipe == trainer_lib.Recipe(
      batch=64, frozen_statistics=True
    )
    real(trainer, inputs, labels, examples, *arguments, tell=tell)

  net.reset()
  pretrained = net.state()
  monkeypatch.setattr(trainer_lib.Trainer, 'run', run)
  fields = []
  for found, later in _STUDY.measure(data, trained.plan(task, _SPACE, (3,))):
    later()
    fields.append(found)
  assert len(runs) == 6 and len(set(runs)) == 1
  assert runs[0][1:] == (0.03, 6, (3, 4))
  for found, head in zip(fields, heads, strict=True):
    sizes = (8, *([5] if found['hidden'] else []), 3)
    for (kernel, _), (start, _) in zip(
      head, initial.layers(sizes, (3, 3)), strict=True
    ):
      assert (kernel == start).all() == (found['tau'] == 0)


def test_fine_tuning_leaves_statistics_alone(data, net, examples):
  net.reset()
  pretrained = net.state()
  study._tuned(data, examples, 1, 0, _OPTIONS, 0)
  moved = [(a != b).any() for a, b in zip(net.state(), pretrained)]
  np.testing.assert_array_equal(moved, ~trained.is_statistic(net))


@pytest.mark.parametrize('common, reached', [(0.0, False), (99.0, True)])
def test_whether_the_common_loss_was_reached(common, reached, data, examples):
  options = dataclasses.replace(_OPTIONS, common_loss=common)
  found = study._tuned(data, examples, 1, 0, options, 0)
  assert found.measures['reached'] is reached


def test_seeds_that_are_added_leave_the_same_rows(task, net, workdir, tmp_path):
  for seeds in ((1,), (0, 1)):
    trained.measure(tmp_path, _STUDY, task, _SPACE, net, seeds)
  assert testing.rows_files(tmp_path) == testing.rows_files(workdir)
