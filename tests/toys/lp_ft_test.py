"""What Kumar et al. prove of fine-tuning, on ten seeds."""

import numpy as np
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
    for method, whole in found.moved.items():
      # 8 orthonormal training inputs, and 12 more for a basis.
      inside = found.moved_in_span[method] * np.sqrt(8)
      outside = found.moved_outside[method] * np.sqrt(12)
      assert whole == pytest.approx(np.hypot(inside, outside), rel=1e-12)
      assert found.moved_outside[method] < 1e-14 < found.moved_in_span[method]


@pytest.mark.parametrize(
  'epsilon, seeds', [(0.01, 10), (0.05, 10), (0.1, 8), (0.3, 2), (1.0, 0)]
)
def test_how_much_less_lp_ft_moves_depends_on_the_features(epsilon, seeds):
  """Ten times less only where the pretrained features are good."""
  found = [lp_ft.distortion(epsilon, seed).moved_in_span for seed in range(10)]
  assert sum(10 * f['lp_ft'] <= f['ft'] for f in found) == seeds


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
