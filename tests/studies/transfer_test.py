import numpy as np
import pytest

from vtab_h2t.heads import fraction
from vtab_h2t.studies import relevance
from vtab_h2t.studies import transfer


def _study(source, columns):
  return transfer.Transfer(
    source,
    [
      (seed, relevance.pack(np.array(chosen), 33))
      for seed, chosen in columns.items()
    ],
  )


@pytest.mark.parametrize(
  'source, columns',
  [('a', {0: [0, 1, 2], 1: [3, 4]}), ('b', {0: [5, 30], 1: [7]})],
)
def test_a_head_for_each_seed_of_the_sources_selection(
  source, columns, measured, candidates
):
  study = _study(source, columns)
  assert study.file == f'transfer-from-{source}' and study.name == 'transfer'
  found = measured(study)
  assert [(f['source'], f['seed']) for f, _ in found] == [
    (source, seed) for seed in columns
  ]
  for fields, head in found:
    chosen = columns[fields['seed']]
    assert head.columns.tolist() == candidates.columns[chosen].tolist()
    assert fields['target_size'] == 30


def test_a_selection_of_relevance_is_what_it_gives_a_head(
  measured, candidates, ranked
):
  rows = [fields for fields, _ in measured(relevance.Relevance())]
  study = transfer.Transfer('a', [(r['seed'], r['selected']) for r in rows])
  for fields, head in measured(study):
    chosen = fraction.highest(ranked[fields['seed']], 6)
    np.testing.assert_array_equal(head.columns, candidates.columns[chosen])


def test_only_the_seeds_asked_for_are_read(measured):
  study = _study('a', {0: [0, 1], 1: [3, 4], 2: [5]})
  ((fields, head),) = measured(study, (2,))
  assert fields['seed'] == 2 and head.columns.tolist() == [5]
