"""The command, as a user runs it."""

import csv

from tests import testing


def test_published_and_model_stand_side_by_side(tmp_path):
  done = testing.run_runner('table3', f'--workdir={tmp_path}')
  assert done.returncode == 0, done.stderr
  assert '47.099634  47.099634' in done.stdout
  assert 'Fitted: 6.948e9 operations' in ' '.join(done.stdout.split())
  path, = tmp_path.glob('tables/*/table3.csv')
  with open(path, encoding='utf-8') as f:
    rows = list(csv.DictReader(f))
  assert len(rows) == 19
  assert all(abs(float(r['residual_size_vs_linear'])) < 1e-6 for r in rows)
