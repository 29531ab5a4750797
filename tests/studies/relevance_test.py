import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from vtab_h2t.heads import fraction
from vtab_h2t.studies import relevance


@given(st.sets(st.integers(0, 199)), st.integers(200, 230))
def test_bitmaps_unpack_to_what_was_packed(columns, size):
  columns = sorted(columns)
  text = relevance.pack(np.array(columns, int), size)
  assert relevance.unpack(text).tolist() == columns
  assert len(text) == math.ceil(math.ceil(size / 8) / 3) * 4


def test_rows_say_what_was_selected(measured, options, candidates, ranked):
  found = measured(relevance.Relevance())
  assert [f['seed'] for f, _ in found] == [0, 1]
  setting = {
    name: getattr(options, name)
    for name in ('learning_rate', 'steps', 'target_size', 'coefficient')
  }
  for fields, head in found:
    assert head is None and fields['split'] == 'selection'
    chosen = fraction.highest(ranked[fields['seed']], 6)
    np.testing.assert_array_equal(relevance.unpack(fields['selected']), chosen)
    assert {k: fields[k] for k in setting} == setting
    assert fields['num_features'] == len(candidates.columns) == 33
    assert fields['selected_by_tap'] == {
      'early': [(chosen < 24).sum(), 24],
      'pooled': [(chosen >= 24).sum(), 9],
    }
