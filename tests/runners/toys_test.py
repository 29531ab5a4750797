"""The command, as a user runs it."""

import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[2]


def test_tables_and_figures(tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', 'runners.toys', f'--workdir={tmp_path}'],
      cwd=_ROOT, capture_output=True, text=True, timeout=300)
  assert done.returncode == 0, done.stderr
  assert 'predicted' in done.stdout and 'HP 2, adaptation' in done.stdout
  names = {p.name for p in (tmp_path / 'toys').iterdir()}
  assert names == {f'{n}.{e}' for n in ('lp_ft', 'shifts', 'probing')
                   for e in ('csv', 'png', 'pdf')} | {'predictions.csv'}
  assert (tmp_path / 'toys/probing.pdf').read_bytes().startswith(b'%PDF')
