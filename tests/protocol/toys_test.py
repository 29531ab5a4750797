"""What holds for all seeds of the toy problems, and closed forms."""

import numpy as np
import pytest

from vtab_h2t.protocol import toys


@pytest.mark.parametrize('epsilon', toys.EPSILONS)
def test_fine_tuning_distorts_features(epsilon):
  """T-LPFT-1, for each of ten seeds."""
  for seed in toys.SEEDS:
    found = toys.distortion(epsilon, seed)
    assert found.ood['lp_ft'] <= found.ood['lp'] < found.ood['ft']
    assert found.in_span['ft'] < found.in_span['lp']
    assert found.outside < 1e-13  # B does not move off the training inputs.
    assert found.smallest_root >= found.bound


def test_perfect_features_stay_perfect_from_the_probe():
  for seed in toys.SEEDS:
    found = toys.distortion(0, seed)
    assert found.ood['lp'] < 1e-25 and found.ood['lp_ft'] < 1e-25
    assert found.ood['ft'] > 0.01 and found.bound > 0


def test_drift_of_the_invariant_is_linear_in_the_rate():
  drifts = [toys.distortion(0.1, 0, rate).drift for rate in (0.02, 0.005)]
  assert drifts[0] / drifts[1] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize('v0, wanted', [
    (0.1, 0.5017), (0.5, 0.5446), (1.0, 0.7071), (2.0, 1.3486)])
def test_one_point(v0, wanted):
  """T-LPFT-2; only the probe's head, v0 = 1, leaves the truth .7071."""
  closed, measured = toys.one_point(v0)
  assert closed == pytest.approx(wanted, abs=1e-4)
  assert measured == pytest.approx(closed, abs=1e-4)


def test_exact_repairs():
  """T-SURG-1."""
  found = toys.exact_repairs(0)
  assert found['input_first'] < 1e-12 and found['output_last'] < 1e-12
  assert found['input_last'] > 0.5 * found['spread']
  assert found['output_first'] > 1


@pytest.mark.parametrize('shift, wanted', [
    ('input', {'first': 0, 'full': 0.0025, 'last': 0.005625}),
    ('output', {'first': 0.09, 'full': 0.04, 'last': 0})])
def test_two_directions(shift, wanted):
  """T-SURG-2 at a size of 4 and p = 0.01."""
  found = toys.two_directions(shift, 4)
  for layers, value in wanted.items():
    closed, measured = found[layers]
    assert closed == pytest.approx(value, abs=1e-12)
    assert measured == pytest.approx(value, abs=1e-8)


def test_order_of_layers_under_both_shifts():
  """T-SURG-3, for each of ten seeds."""
  found = [toys.shifts(seed) for seed in toys.SEEDS]
  for losses in found:
    one, two = losses['input'], losses['output']
    assert one['first'] < one['full'] < one['last']
    assert two['last'] < two['full'] < two['first']
  assert np.median([f['input']['first'] for f in found]) < 1e-12
  assert np.median([f['output']['last'] for f in found]) < 1e-12


@pytest.mark.parametrize('cosine', [-0.9, -0.3, 0.0, 0.5, 0.9])
def test_one_sample(cosine):
  """T-HP-1."""
  for closed, measured in toys.one_sample(cosine).values():
    assert measured == pytest.approx(closed, abs=1e-6)


def test_shape_of_adaptation_in_closed_form():
  """T-HP-1: L2 and cosine distance rise with energy; dot and norm turn."""
  cosines = np.linspace(0.99, -0.99, 199)
  found = [{k: v for k, (v, _) in toys.one_sample(c).items()}
           for c in cosines[::11]]
  for name in ('l2', 'cos'):
    assert (np.diff([f[name] for f in found]) > 0).all()
  dots, norms = ([f[n] for f in found] for n in ('dot', 'norm'))
  assert 0 < np.argmax(dots) < len(dots) - 1
  assert 0 < np.argmax(norms) < len(norms) - 1


def test_probing_and_joint_training():
  """T-HP-2 at a head of scale 3, for each of ten seeds."""
  for seed in toys.SEEDS:
    rows = toys.probing(seed)
    column = lambda name: np.array([r[name] for r in rows])
    assert [r['tau'] for r in rows] == sorted(toys.TAUS, reverse=True)
    assert (np.diff(column('energy')) > 0).all()
    assert (np.diff(column('l2')) > 0).all()
    assert (np.diff(column('cos')) > 0).all()
    for name in ('dot', 'norm'):
      assert 0 < column(name).argmax() < len(rows) - 1
    assert column('dot')[-1] < column('dot')[0]


@pytest.mark.parametrize('seed', range(3))
def test_decomposition_of_a_step(seed):
  """T-HP-3."""
  stepped, decomposed = toys.decomposition(seed)
  np.testing.assert_allclose(stepped, decomposed, atol=1e-12)


def test_tables_hold_all():
  found = toys.tables(seeds=(0, 1))
  assert len(found['lp_ft']) == 5 * 2 * 3
  assert len(found['shifts']) == 2 * 2 * 3
  assert len(found['probing']) == 2 * len(toys.TAUS)
  predictions = found['predictions']
  assert set(predictions.problem) == {'LP-FT 2', 'SURG 1', 'SURG 2', 'HP 1',
                                      'HP 3', 'HP 4'}
  assert (predictions.predicted - predictions.measured).abs().max() < 1e-4
