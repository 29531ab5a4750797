import numpy as np

from vtab_h2t.heads import fraction
from vtab_h2t.heads import sweep
from vtab_h2t.methods import interface
from vtab_h2t.protocol import grids
from vtab_h2t.studies import coefficient

_COEFFICIENTS = 0.0, 1e-5, 1.0


def test_a_head_for_each_coefficient(measured, candidates):
  found = measured(coefficient.Coefficient(), (1, 0))
  assert [(f['seed'], f['coefficient']) for f, _ in found] == [
    (seed, c) for seed in (1, 0) for c in _COEFFICIENTS
  ]
  for _, head in found:
    assert len(head.columns) == 6
    assert np.isin(head.columns, candidates.columns).all()


def test_each_selects_what_its_penalty_ranks_highest(
  measured, data, candidates, ranked
):
  by_coefficient = {
    f['coefficient']: head.columns
    for f, head in measured(coefficient.Coefficient(), (0,))
  }
  np.testing.assert_array_equal(
    by_coefficient[1e-5], candidates.columns[fraction.highest(ranked[0], 6)]
  )
  for c in (0.0, 1.0):
    heads = [sweep.HeadSpec(0.05, (0, interface.FIRST), c)]
    problem = data.heads.problem(30, np.arange(300), heads, candidates.columns)
    ((_, (head,)),) = data.heads.train([problem], 20, 'l21')
    scores = fraction.relevance_scores(head.kernel)
    np.testing.assert_array_equal(
      by_coefficient[c], candidates.columns[fraction.highest(scores, 6)]
    )
  assert by_coefficient[0.0].tolist() != by_coefficient[1.0].tolist()


def test_coefficients_are_from_none_to_a_large_one():
  options = grids.paper('resnet50').of('coefficient')
  assert options.coefficients == (0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
