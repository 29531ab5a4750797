import numpy as np
import pytest

from vtab_h2t.studies import relevance
from vtab_h2t.studies import transfer


def _study(source, columns, layout):
  return transfer.Transfer(
    source,
    [
      (seed, relevance.pack(np.array(chosen), layout.size))
      for seed, chosen in columns.items()
    ],
  )


@pytest.mark.parametrize(
  'source, columns',
  [('a', {0: [0, 1, 2], 1: [3, 4]}), ('b', {0: [5, 60], 1: [7]})],
)
def test_a_head_for_each_seed_of_the_sources_selection(
  source, columns, measured, layout
):
  study = _study(source, columns, layout)
  assert study.file == f'transfer-from-{source}' and study.name == 'transfer'
  found = measured(study)
  assert [(f['source'], f['seed']) for f, _ in found] == [
    (source, seed) for seed in columns
  ]
  for fields, head in found:
    assert head.columns.tolist() == columns[fields['seed']]
    assert fields['target_size'] == 30


def test_only_the_seeds_asked_for_are_read(measured, layout):
  study = _study('a', {0: [0, 1], 1: [3, 4], 2: [5]}, layout)
  ((fields, head),) = measured(study, (2,))
  assert fields['seed'] == 2 and head.columns.tolist() == [5]
