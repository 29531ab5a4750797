"""The named stack imports together, and every requirement is pinned."""

import importlib
from importlib import metadata
import pathlib
import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
  'module',
  [
    'tensorflow',
    'tensorflow_datasets',
    'keras_cv',
    'tensorflow_hub',
    'absl',
    'pandas',
    'matplotlib',
    'sklearn',
    'skimage',
    'importlib_resources',
  ],
)
def test_import(module):
  assert importlib.import_module(module).__name__ == module


def test_every_requirement_is_pinned():
  normal = lambda name: re.sub(r'[-_.]+', '-', name).lower()
  constraints = pathlib.Path(__file__).parents[1] / 'constraints.txt'
  pinned = {
    normal(line.split('==')[0])
    for line in constraints.read_text().splitlines()
    if '==' in line
  }
  wanted = {
    normal(re.match(r'[\w.-]+', requirement).group())
    for requirement in metadata.requires('vtab_h2t')
  }
  assert len(wanted) > 15 and wanted <= pinned, wanted - pinned


_IMPORTS = """
import importlib, pkgutil, sys
from absl import flags
import runners, vtab_h2t
for name in vtab_h2t.__all__:
  getattr(vtab_h2t, name)
for module in pkgutil.iter_modules(runners.__path__, 'runners.'):
  importlib.import_module(module.name)
  for flag in list(flags.FLAGS):  # Each program has flags of its own.
    delattr(flags.FLAGS, flag)
print(*sorted({'keras_cv', 'keras_hub', 'torch'} & set(sys.modules)), 'done')
"""


@pytest.mark.soak
def test_keras_cv_is_imported_only_by_its_own_backbone():
  """KerasHub, which is not in the stack, and torch are not imported at all."""
  done = subprocess.run(
    [sys.executable, '-c', _IMPORTS],
    cwd=pathlib.Path(__file__).parents[1],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.split() == ['done']
