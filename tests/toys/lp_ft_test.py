"""What Kumar et al. prove of fine-tuning, on ten seeds."""

import pytest

from vtab_h2t.toys import lp_ft


@pytest.mark.parametrize('epsilon', [0.01, 0.05, 0.1, 0.3, 1.0])
def test_fine_tuning_distorts_features(epsilon):
  """T-LPFT-1, for each of ten seeds."""
  for seed in range(10):
    found = lp_ft.distortion(epsilon, seed)
    assert found.ood['lp_ft'] <= found.ood['lp'] < found.ood['ft']
    assert found.in_span['ft'] < found.in_span['lp']
    assert found.outside < 1e-13  # B does not move off the training inputs.
    assert found.smallest_root >= found.bound


def test_perfect_features_stay_perfect_from_the_probe():
  for seed in range(10):
    found = lp_ft.distortion(0, seed)
    assert found.ood['lp'] < 1e-25 and found.ood['lp_ft'] < 1e-25
    assert found.ood['ft'] > 0.01 and found.bound > 0


def test_drift_of_the_invariant_is_linear_in_the_rate():
  drifts = [lp_ft.distortion(0.1, 0, rate).drift for rate in (0.02, 0.005)]
  assert drifts[0] / drifts[1] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize(
  'v0, wanted', [(0.1, 0.5017), (0.5, 0.5446), (1.0, 0.7071), (2.0, 1.3486)]
)
def test_one_point(v0, wanted):
  """T-LPFT-2; only the probe's head, v0 = 1, leaves the truth .7071."""
  closed, measured = lp_ft.one_point(v0)
  assert closed == pytest.approx(wanted, abs=1e-4)
  assert measured == pytest.approx(closed, abs=1e-4)
