"""How features move with the energy, in closed form and on ten seeds."""

import numpy as np
import pytest

from vtab_h2t.toys import head_probe


@pytest.mark.parametrize('cosine', [-0.9, -0.3, 0.0, 0.5, 0.9])
def test_one_sample(cosine):
  """T-HP-1."""
  for closed, measured in head_probe.one_sample(cosine).values():
    assert measured == pytest.approx(closed, abs=1e-6)


def test_shape_of_adaptation_in_closed_form():
  """T-HP-1: L2 and cosine distance rise with energy; dot and norm turn."""
  cosines = np.linspace(0.99, -0.99, 199)
  found = [
    {k: v for k, (v, _) in head_probe.one_sample(c).items()}
    for c in cosines[::11]
  ]
  for name in ('l2', 'cos'):
    assert (np.diff([f[name] for f in found]) > 0).all()
  dots, norms = ([f[n] for f in found] for n in ('dot', 'norm'))
  assert 0 < np.argmax(dots) < len(dots) - 1
  assert 0 < np.argmax(norms) < len(norms) - 1


def test_probing_and_joint_training():
  """T-HP-2 at a head of scale 3, for each of ten seeds."""
  for seed in range(10):
    rows = head_probe.probing(seed)
    column = lambda name: np.array([r[name] for r in rows])
    assert [r['tau'] for r in rows] == sorted(head_probe.TAUS, reverse=True)
    assert (np.diff(column('energy')) > 0).all()
    assert (np.diff(column('l2')) > 0).all()
    assert (np.diff(column('cos')) > 0).all()
    for name in ('dot', 'norm'):
      assert 0 < column(name).argmax() < len(rows) - 1
    assert column('dot')[-1] < column('dot')[0]


def test_the_turn_needs_a_head_that_is_not_small():
  """T-HP-2 at scale 1: dot product and norm do not turn on every seed."""
  turned = {'dot': 0, 'norm': 0}
  for seed in range(10):
    rows = head_probe.probing(seed, 1.0)
    for name in turned:
      values = [r[name] for r in rows]
      turned[name] += max(values) > max(values[0], values[-1])
  assert turned == {'dot': 9, 'norm': 7}


@pytest.mark.parametrize('seed', range(3))
def test_decomposition_of_a_step(seed):
  """T-HP-3."""
  stepped, decomposed = head_probe.decomposition(seed)
  np.testing.assert_allclose(stepped, decomposed, atol=1e-12)


@pytest.mark.parametrize('classes', [2, 10, 100])
def test_energy_of_a_zero_head(classes):
  """T-HP-4."""
  closed, measured = head_probe.zero_head(classes)
  assert measured == pytest.approx(closed, abs=1e-12)
