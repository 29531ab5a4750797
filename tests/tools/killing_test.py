"""A unit that is killed at random points and goes on leaves the same rows."""

import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.soak
def test_killed_at_sixty_random_points(tmp_path):
  done = subprocess.run(
    [sys.executable, '-m', 'tools.killing', str(tmp_path), '60', '0'],
    cwd=_ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stdout + done.stderr
  *stages, last = done.stdout.splitlines()
  assert last.startswith('60 kills')
  assert len(stages) >= 4  # They hit different stages of the run.
