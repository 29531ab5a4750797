import pytest

from vtab_h2t.report import contradictions


def test_contradictions_are_computed_from_the_published_numbers():
  values = [c.check() for c in contradictions.CONTRADICTIONS if c.check]
  assert values == pytest.approx([7.5, 0.63, 0.47, 1.7, 0.868], abs=0.03)
