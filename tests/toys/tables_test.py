from vtab_h2t.toys import head_probe
from vtab_h2t.toys import tables


def test_tables_hold_all():
  found = tables.tables(seeds=(0, 1))
  assert len(found['lp_ft']) == 5 * 2 * 3
  assert len(found['shifts']) == 2 * 2 * 3
  assert len(found['probing']) == 2 * len(head_probe.TAUS)
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
