"""Benchmarks run and agree with their baselines; times are not looked at."""

import json
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_NAMES = sorted(p.stem for p in (_ROOT / 'benchmarks').glob('*.py')
                if p.stem not in ('__init__', 'baseline', 'harness'))


@pytest.mark.slow
@pytest.mark.parametrize('name', _NAMES)
def test_small_settings_run(name, tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', f'benchmarks.{name}', '--setting=small',
       f'--out={tmp_path}/rows.jsonl'], cwd=_ROOT, capture_output=True,
      text=True)
  assert done.returncode == 0, done.stderr
  rows = [json.loads(line) for line in
          (tmp_path / 'rows.jsonl').read_text().splitlines()]
  assert rows and all(r['benchmark'] == name for r in rows)
  assert all(r['setting'] == 'small' for r in rows)
