"""The parts that claims are made of."""

import math
import warnings

import numpy as np
import pytest

from tests.report import made
from vtab_h2t.report import claim


def test_means_pass_over_what_is_missing():
  values = np.array([[1.0, 3, np.nan], [np.nan] * 3])
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    found = claim.mean(values)
  assert found[0] == 2 and math.isnan(found[1])
  assert claim.share(np.array([True, False, True, True])) == 0.75
  known = claim.share(np.array([True, False, False]), values[0])
  assert known == 0.5


def test_shares_of_ties_are_not_above():
  a = {'x': np.array([1.0, 2, 3, 4]), 'y': np.array([1.0, 2, 2, 2])}
  assert claim.mostly('x', 'y')(a) == 0
  assert claim.above('x', 'y', 1)(a) == 0.75 + 1


def test_numbers_in_names_are_ordered_as_numbers():
  a = {'p 10': np.zeros(1), 'p 9': np.ones(1), 'q 1': np.ones(1)}
  assert [n for n, _ in claim.numbered(a, 'p ')] == [9, 10]


def test_rows_of_failed_trainings_and_of_folds_do_not_count():
  of = made.run()
  rows = [
    made.row(of, 'accuracy', 'linear', 'digits', 0, 50),
    made.row(of, 'accuracy', 'linear', 'digits', 1, 50) | {'correct': None},
    made.row(of, 'accuracy', 'linear', 'digits', 0, 90, split='val'),
    made.row(of, 'reduced', 'linear', 'digits', 0, 90),
  ]
  assert claim.methods('linear')(rows) == {'linear': {'digits': [50.0]}}


def test_a_variant_is_told_from_the_original():
  of = made.run()
  rows = [
    made.row(of, job, method, 'digits', 0, percent)
    for job, method, percent in (
      ('accuracy', 'head2toe', 60),
      ('cls_only', 'head2toe', 55),
      ('cls_both', 'head2toe', 70),
      ('cls_only', 'linear', 10),
    )
  ]
  assert claim.variant('cls_only')(rows) == {
    'original': {'digits': [60.0]},
    'variant': {'digits': [pytest.approx(55)]},
  }


def test_values_of_a_group():
  a = {'is natural': np.array([1.0, 0])}
  found = claim.only(np.array([[5.0, 7], [6, 8]]), a, 'natural')
  np.testing.assert_array_equal(found, [[5, np.nan], [6, np.nan]])
