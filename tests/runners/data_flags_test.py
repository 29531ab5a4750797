"""Each runner has the flags that it reads, in its --help."""

import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize('runner, has, has_not', [
    ('table1', ['tasks', 'data_dir', 'data_source', '[no]download'], []),
    ('prepare', ['tasks', 'data_dir', '[no]download', 'out'], ['data_source']),
    ('doctor', ['tasks', 'data_dir', 'data_source'], ['[no]download'])])
def test_help(runner, has, has_not):
  text = subprocess.run(
      [sys.executable, '-m', f'runners.{runner}', '--help'], cwd=_ROOT,
      capture_output=True, text=True, timeout=120).stdout
  for name in has:
    assert f'--{name}:' in text
  for name in has_not:
    assert f'--{name}:' not in text
