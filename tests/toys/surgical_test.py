"""Which layer undoes which shift, in closed form and on ten seeds."""

import numpy as np
import pytest

from vtab_h2t.toys import surgical


def test_exact_repairs():
  """T-SURG-1."""
  found = surgical.exact_repairs(0)
  assert found['input_first'] < 1e-12 and found['output_last'] < 1e-12
  assert found['input_last'] > 0.5 * found['spread']
  assert found['output_first'] > 1


@pytest.mark.parametrize(
  'shift, wanted',
  [
    ('input', {'first': 0, 'full': 0.0025, 'last': 0.005625}),
    ('output', {'first': 0.09, 'full': 0.04, 'last': 0}),
  ],
)
def test_two_directions(shift, wanted):
  """T-SURG-2 at a size of 4 and p = 0.01."""
  found = surgical.two_directions(shift, 4)
  for layers, value in wanted.items():
    closed, measured = found[layers]
    assert closed == pytest.approx(value, abs=1e-12)
    assert measured == pytest.approx(value, abs=1e-8)


@pytest.mark.soak
def test_order_of_layers_under_both_shifts():
  """T-SURG-3, for each of ten seeds."""
  found = [surgical.shifts(seed) for seed in range(10)]
  for losses in found:
    one, two = losses['input'], losses['output']
    assert one['first'] < one['full'] < one['last']
    assert two['last'] < two['full'] < two['first']
  assert np.median([f['input']['first'] for f in found]) < 1e-12
  assert np.median([f['output']['last'] for f in found]) < 1e-12
