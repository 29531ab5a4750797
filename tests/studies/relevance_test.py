import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from vtab_h2t.heads import fraction
from vtab_h2t.studies import base as study
from vtab_h2t.studies import relevance


@given(st.sets(st.integers(0, 199)), st.integers(200, 230))
def test_bitmaps_unpack_to_what_was_packed(columns, size):
  columns = sorted(columns)
  text = relevance.pack(np.array(columns, int), size)
  assert relevance.unpack(text).tolist() == columns
  assert len(text) == math.ceil(math.ceil(size / 8) / 3) * 4


def test_rows_say_what_was_selected(measured, data, layout, options):
  found = measured(relevance.Relevance())
  scores = study.relevance(data, np.arange(300), options, (0, 1))
  assert [f['seed'] for f, _ in found] == [0, 1]
  setting = options.setting.as_row()
  for fields, head in found:
    assert head is None and fields['split'] == 'selection'
    columns = fraction.select(scores[fields['seed']], 0.1)
    np.testing.assert_array_equal(relevance.unpack(fields['selected']), columns)
    assert {k: fields[k] for k in setting} == setting
    assert fields['num_features'] == layout.size
    assert list(fields['selected_by_tap']) == ['early', 'tokens', 'pooled']
    for (kept, size), block, start in zip(
      fields['selected_by_tap'].values(), layout.blocks, layout.starts
    ):
      assert size == block.size
      assert kept == sum(start <= c < start + size for c in columns)
