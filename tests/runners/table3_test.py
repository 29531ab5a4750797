"""The command, as a user runs it."""

import csv
import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[2]


def test_published_and_model_stand_side_by_side(tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', 'runners.table3', f'--workdir={tmp_path}'],
      cwd=_ROOT, capture_output=True, text=True, timeout=120)
  assert done.returncode == 0, done.stderr
  assert '47.099634  47.099634' in done.stdout
  assert 'Fitted: 6.948e9 operations' in ' '.join(done.stdout.split())
  with open(tmp_path / 'tables' / 'table3.csv', encoding='utf-8') as f:
    rows = list(csv.DictReader(f))
  assert len(rows) == 19
  assert all(abs(float(r['residual_size_vs_linear'])) < 1e-6 for r in rows)
