import pandas as pd

from vtab_h2t.toys import head_probe
from vtab_h2t.toys import tables


def test_tables_hold_all():
  found = tables.tables(seeds=(0, 1))
  assert len(found['lp_ft']) == 5 * 2 * 3
  assert len(found['shifts']) == 2 * 2 * 3
  assert len(found['probing']) == 2 * 2 * len(head_probe.TAUS)
  # The random head is the same but for its scale.
  for _, rows in found['probing'].groupby(['seed', 'scale']):
    assert rows.energy.is_monotonic_increasing
  predictions = found['predictions']
  assert set(predictions.problem) == {
    'LP-FT 2',
    'SURG 1',
    'SURG 2',
    'HP 1',
    'HP 3',
    'HP 4',
  }
  assert (predictions.predicted - predictions.measured).abs().max() < 1e-4


def test_tables_are_read_as_they_were_written(tmp_path):
  written = tables.tables(seeds=(0,))
  for name, table in written.items():
    assert tables.read(tmp_path) is None
    table.to_csv(tmp_path / f'{name}.csv', index=False)
  for name, table in tables.read(tmp_path).items():
    pd.testing.assert_frame_equal(table, written[name], check_dtype=False)
  written['lp_ft'].drop(columns='moved').to_csv(
    tmp_path / 'lp_ft.csv', index=False
  )
  assert tables.read(tmp_path) is None
