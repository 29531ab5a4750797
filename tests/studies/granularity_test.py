import numpy as np
import pytest

from vtab_h2t.heads import fraction
from vtab_h2t.methods import head2toe
from vtab_h2t.studies import base as study
from vtab_h2t.studies import granularity
from vtab_h2t.studies import registry

_COUNTS = [1, 6, 16, 33]  # Two fractions of 33 candidates, `kept`, and all.


def test_features_get_the_number_of_their_tap():
  np.testing.assert_array_equal(
    granularity.by_tap(np.array([1.0, 3, 5, 4]), (2, 1, 1), np.mean),
    [2, 2, 5, 4],
  )


def test_kinds_are_compared_at_equal_numbers(measured, candidates):
  found = measured(granularity.Granularity())
  assert [(f['seed'], f['kind'], f['num_features']) for f, _ in found] == [
    (seed, kind, count)
    for seed in (0, 1)
    for kind in granularity.KINDS
    for count in _COUNTS
  ]
  for fields, head in found:
    assert not {'fraction', 'num_taps'} & set(fields)
    assert np.isin(head.columns, candidates.columns).all()
    assert fields['selected_by_tap'] == head2toe.selected_by_tap(
      candidates.layout, np.searchsorted(candidates.columns, head.columns)
    )
    assert [size for _, size in fields['selected_by_tap'].values()] == [24, 9]


def test_features_are_those_of_the_highest_relevance(
  measured, candidates, ranked
):
  for fields, head in measured(granularity.Granularity()):
    if fields['kind'] == granularity.FEATURES:
      chosen = fraction.highest(ranked[fields['seed']], fields['num_features'])
      np.testing.assert_array_equal(head.columns, candidates.columns[chosen])


def test_taps_are_taken_from_the_first_feature_on(measured, ranked):
  """A tap that is not kept whole is the last to be kept."""
  for fields, _ in measured(granularity.Granularity()):
    if fields['kind'] == granularity.TAPS_MEAN:
      means = [part.mean() for part in np.split(ranked[fields['seed']], [24])]
      sizes, count = np.array([24, 9]), fields['num_features']
      best = int(np.argmax(means))
      wanted = {best: min(count, sizes[best])}
      wanted[1 - best] = count - wanted[best]
      kept = [n for n, _ in fields['selected_by_tap'].values()]
      assert kept == [wanted[0], wanted[1]]


@pytest.mark.parametrize(
  'kind', [granularity.TAPS_MEAN, granularity.TAPS_GROUP]
)
def test_whole_taps_come_first(kind, measured, candidates):
  for fields, head in measured(granularity.Granularity(), (0,)):
    if fields['kind'] == kind:
      places = np.searchsorted(candidates.columns, head.columns)
      starts = candidates.layout.starts
      for (kept, _), start in zip(fields['selected_by_tap'].values(), starts):
        own = places[(places >= start) & (places < start + kept)]
        assert len(own) == kept
      assert sum(n for n, _ in fields['selected_by_tap'].values()) == len(
        places
      )


def test_groups_are_shrunk_together(measured, data, options, candidates):
  """Taps are ranked by their weights under the group lasso of taps."""
  problem = data.heads.problem(
    30,
    np.arange(300),
    study.selecting(options, (0,)),
    candidates.columns,
    (24, 9),
  )
  ((_, (head,)),) = data.heads.train([problem], 20, 'l21')
  norms = [np.linalg.norm(part) for part in np.split(head.kernel, [24], axis=1)]
  wanted = ['early', 'pooled'][int(np.argmax(norms))]
  (selected,) = [
    f['selected_by_tap']
    for f, _ in measured(granularity.Granularity(), (0,))
    if (f['kind'], f['num_features']) == (granularity.TAPS_GROUP, 6)
  ]
  assert selected[wanted][0] == 6


def test_its_options_are_those_of_the_registry():
  assert registry.OPTIONS['granularity'] is granularity.Options
