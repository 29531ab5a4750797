"""All claims together; `judging_test` has the verdicts."""

import re

import numpy as np

from tests.report import rows
from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import claims
from vtab_h2t.report import companion_claims
from vtab_h2t.report import jobs


def test_claims_are_told_apart_and_of_known_jobs():
  assert len(rows.CLAIMS) == len(claims.CLAIMS) > 80
  known = {*jobs.JOBS, claim_lib.COST, claim_lib.SEARCH}
  for claim in claims.CLAIMS:
    assert set(claim.jobs) <= known, claim.id
    assert set(claim.of) <= set(claim_lib.BOTH) and claim.of
    assert claim.where and claim.sentence.endswith('.')
    assert bool(claim.untested) or claim.text != 'none'
    assert set(claim.printed) <= set(claim_lib.BOTH)


def test_what_is_tested_with_a_margin_says_it():
  every = (*claims.CLAIMS, *companion_claims.CLAIMS)
  with_margin = [c for c in every if 'margin' in c.text]
  assert len(with_margin) > 20
  for claim in with_margin:
    assert re.search('within|more than|at most', claim.sentence), claim.id


def test_shares_of_tasks_have_an_error_and_bounds():
  shares = [c for c in claims.CLAIMS if c.text.startswith('share of the tasks')]
  assert len(shares) > 3
  for claim in (*shares, rows.CLAIMS['tasks_share_few_features']):
    assert claim.least_error and claim.bounds == (-0.5, 0.5), claim.id


def test_every_section_and_appendix_with_results_is_there():
  places = ' '.join(c.where for c in claims.CLAIMS)
  for place in (
    *('abstract', 'section 1', 'section 2', 'section 3.1', 'section 3.2'),
    *('section 3.3', 'section 4.1', 'section 4.2', 'section 4.3'),
    *(f'Appendix {a}' for a in 'BDFGHIJ'),
    *(f'Figure {n}' for n in (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 15)),
    *(f'Table {n}' for n in (1, 3, 4, 6, 7)),
  ):
    assert place in places


def test_statistics_of_many_replicates_are_those_of_each():
  """All that is computed at once; the conditions are made up."""
  rng = np.random.default_rng(0)
  names = [
    *(*claim_lib.FROZEN, 'scratch', 'finetune', 'head2toe_ft'),
    *('head2toe_ft_plus', 'linearized', 'second linear', 'second scratch'),
    *('original', 'variant', 'tap none', 'tap a', 'tap b', 'tap c', 'control'),
    *('validated a', 'validated b', 'validated c', 'early', 'later', 'few'),
    'kept',
    *('within', 'between', 'twin', 'others', 'own', 'other t', 'other u'),
    *('operations', 'storage', 'storage_vs_linear', 'seconds', 'overhead'),
    *('displacement', 'other snorb_elev'),
    *(f'deviation of {m}' for m in (*claim_lib.FROZEN, 'finetune')),
    *(f'is {g}' for g in ('natural', 'structured')),
  ]
  common = {n: rng.normal(50, 9, (7, 6)) for n in names}
  for group in ('natural', 'structured'):
    common[f'is {group}'] = np.tile(
      [float((i % 2 == 0) == (group == 'natural')) for i in range(6)], (7, 1)
    )
  common['tasks that the paper groups'] = common['is natural']
  own = {
    'granularity': {
      f'{k} {n}': rng.normal(size=(7, 6))
      for k in ('features', 'taps_mean', 'taps_group')
      for n in (9, 10, 100)
    },
    'scaling': {
      f'{t} {s}': rng.normal(size=(7, 6)) for t in (9, 10) for s in (1, 4, 16)
    },
    'offset': {str(o): rng.normal(size=(7, 6)) for o in (0, 9, 10)},
    'coefficient': {str(c): rng.normal(size=(7, 6)) for c in (0.0, 1e-5, 1e-3)},
    'reduced': {
      f'fraction {f}': rng.normal(size=(7, 6)) for f in (0.1, 0.5, 1.0)
    },
  }
  for claim in claims.CLAIMS:
    if claim.untested:
      continue
    values = own.get(claim.jobs[-1])
    if values:
      values = values | {n: common[n] for n in claim.needs if n in common}
    if values is None:  # Statistics that take all there is.
      needs = [n for n in claim.needs if not n.endswith('*')]
      values = {n: common[n] for n in needs} or common
      if claim.jobs[-1] in ('one_tap', 'control', 'transfer'):
        values = common
      if claim.jobs[-1] == 'transfer':
        values = {n: common[n] for n in ('own', 'other t', 'other snorb_elev')}
    values = values | {n: common[n] for n in common if n.startswith('is ')}
    if len(claim.groups) < 2:
      values = {n: v for n, v in values.items() if not n.startswith('is ')}
    whole = claim.statistic(values)
    one_by_one = [
      claim.statistic({n: v[i] for n, v in values.items()}) for i in range(7)
    ]
    np.testing.assert_allclose(whole, one_by_one, err_msg=claim.id)
