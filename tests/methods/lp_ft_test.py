import numpy as np
import pytest
from sklearn import linear_model

from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import surgical

_METHOD = lp_ft.LpFt()


@pytest.fixture
def problem():
  rng = np.random.default_rng(0)
  x = 3 + 2 * rng.normal(size=(120, 7))
  return x, np.arange(120) % 4


@pytest.mark.parametrize('classes', [4, 2])
def test_scaling_is_folded_back_exactly(problem, classes):
  x, y = problem
  y = y % classes
  (probe,) = lp_ft.probe_path(x, y, classes, [0.3])
  scaled = (x - x.mean()) / x.std()
  model = linear_model.LogisticRegression(C=0.3, max_iter=200).fit(scaled, y)
  logits = x @ probe.kernel.T + probe.bias
  wanted = model.decision_function(scaled)
  if classes == 2:
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], wanted, atol=1e-4)
    np.testing.assert_allclose(logits[:, 1], wanted / 2, atol=1e-4)
  else:
    np.testing.assert_allclose(logits, wanted, atol=1e-4)


def test_absent_classes_get_zeros(problem):
  x, y = problem
  labels = np.where(y == 2, 5, y)
  (probe,) = lp_ft.probe_path(x, labels, 7, [1.0])
  for absent in (2, 4, 6):
    assert not probe.kernel[absent].any() and probe.bias[absent] == 0
  assert set(probe.predict(x)) <= {0, 1, 3, 5}
  (one,) = lp_ft.probe_path(x, np.full(120, 3), 7, [1.0])
  assert set(one.predict(x)) == {3}


def test_path_has_the_papers_fifty_values():
  assert len(lp_ft.C_PATH) == 50
  assert lp_ft.C_PATH[0] == 1e-7 and lp_ft.C_PATH[-1] == 100
  ratios = np.diff(np.log10(lp_ft.C_PATH))
  np.testing.assert_allclose(ratios, 9 / 49)


def test_ties_go_to_the_smallest_c(tunable, folds, monkeypatch):
  class Always:
    def predict(self, features):
      return np.zeros(len(features), int)

  monkeypatch.setattr(
    lp_ft, 'probe_path', lambda *args: [Always()] * len(lp_ft.C_PATH)
  )
  assert lp_ft.choose_c(tunable, folds) == lp_ft.C_PATH[0]


def _setting(rate, epoch, c=1.0):
  return lp_ft.Setting(
    learning_rate=rate, epochs=2, epoch=epoch, batch=32, coefficient=c
  )


def test_fine_tuning_starts_at_the_probe(tunable, examples, train):
  trainer = train(_METHOD, _setting(1e-2, 0)).trainer
  probe = lp_ft.probe(tunable, examples, 1.0)
  ((kernel, bias),) = trainer.head
  np.testing.assert_array_equal(kernel, probe.kernel)
  np.testing.assert_array_equal(bias, probe.bias)
  features = tunable.embedding(np.arange(300))
  inputs = tunable.networks.inputs()
  np.testing.assert_allclose(trainer.embed(inputs), features, atol=1e-5)
  np.testing.assert_array_equal(
    trainer.predict(inputs), probe.predict(features)
  )


def test_statistics_stay_and_the_backbone_moves(tunable, train):
  network = tunable.networks.network()
  network.reset()
  before = network.state()
  train(_METHOD, _setting(1e-2, 1))
  model = network.backbone.model
  for weight, old, new in zip(model.weights, before, network.state()):
    assert (old == new).all() == weight.name.startswith('moving'), weight.path


def test_c_is_chosen_once_and_stands_in_the_rows(tunable, space, folds):
  results = _METHOD.validate(tunable, folds, space, 0)
  assert {s.coefficient for s in results} == {lp_ft.choose_c(tunable, folds)}
  assert [(s.epoch, s.learning_rate) for s in results] == [
    (epoch, rate) for epoch in (0, 1, 2) for rate in (1e-2, 1e-3)
  ]
  assert all('coefficient' in s.as_row() for s in results)


def test_epoch_0_is_the_probe(tunable, space, folds):
  results = _METHOD.validate(tunable, folds, space, 0)
  start = next(iter(results))
  for fold, count in zip(folds, results[start], strict=True):
    probe = lp_ft.probe(tunable, fold.train, start.coefficient)
    right = (
      probe.predict(tunable.embedding(fold.val)) == (tunable.labels[fold.val])
    )
    assert start.epoch == 0 and right.sum() == count


def test_methods_that_start_from_the_probe_share_its_c(
  tunable, space, folds, monkeypatch
):
  calls = []
  monkeypatch.setattr(
    lp_ft, 'choose_c', lambda data, folds: calls.append(len(folds)) or 0.5
  )
  for method in (_METHOD, surgical.AutoRgn(), surgical.Surgical(), _METHOD):
    found = method.complete(tunable, folds, space, 0)
    assert {s.coefficient for s in found} == {0.5}
  assert calls == [2]
  _METHOD.complete(tunable, folds[:1], space, 0)
  assert calls == [2, 1]


def test_without_folds_c_is_chosen_on_the_last_fifth(tunable, space, examples):
  complete = _METHOD.complete(tunable, [], space, 0)
  assert complete == _METHOD.candidates(space)
  assert all(s.coefficient is None for s in complete)
  assert all('coefficient' not in s.as_row() for s in complete)
  c = lp_ft.choose_c(
    tunable, [interface.Fold(0, examples[:240], examples[240:])]
  )
  one, two = (lp_ft.probe(tunable, examples, v) for v in (None, c))
  np.testing.assert_array_equal(one.kernel, two.kernel)
