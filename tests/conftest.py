"""Set-up that all tests share."""

import os
import tempfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
if 'PYTEST_XDIST_WORKER' in os.environ:  # There is one on each core.
  os.environ.setdefault('TF_NUM_INTRAOP_THREADS', '1')

from absl import flags
import pytest


def pytest_configure(config):
  del config
  if not flags.FLAGS.is_parsed():  # absl.testing wants parsed flags.
    flags.FLAGS.mark_as_parsed()


@pytest.fixture(scope='session', autouse=True)
def _temporary_files(tmp_path_factory):
  """Where libraries leave files behind; pytest removes those of old runs.

  TensorFlow would remove the code that it makes of functions, but pytest's
  workers end without that; TFDS leaves an empty folder for each dataset.
  """
  folder = str(tmp_path_factory.mktemp('temporary'))
  with (
    tempfile.TemporaryDirectory(prefix='ray') as short,
    pytest.MonkeyPatch.context() as patch,
  ):
    patch.setattr(tempfile, 'tempdir', folder)
    patch.setenv('TMPDIR', folder)
    patch.setenv('RAY_TMPDIR', short)  # Its sockets' paths have 107 bytes.
    yield


@pytest.fixture(scope='session', autouse=True)
def _no_waiting_for_the_disk():
  """What `os.fsync` saves from a power failure no test can see."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(os, 'fsync', lambda descriptor: None)
    yield


@pytest.fixture(scope='session')
def lite0():
  """EfficientNet-Lite0 with ImageNet weights at 96 pixels."""
  from vtab_h2t.backbones import registry

  return registry.load('efficientnet_lite0', 'imagenet', 96)


@pytest.fixture
def early(tmp_path):
  """The guide's own method, registered until the test is done; its plugin."""
  import sys

  from tests import testing
  from vtab_h2t import plugins
  from vtab_h2t.methods import registry

  path = testing.write_example('early.py', tmp_path)
  before = set(sys.modules)
  plugins.load(str(path))
  yield path
  registry.REGISTERED.clear()
  registry.LABELS.clear()
  for name in set(sys.modules) - before:
    if name.startswith('vtab_h2t_plugin_'):
      del sys.modules[name]


def _synthetic(names, root):
  """A TFDS directory with synthetic data of some tasks."""
  from tests import synthetic_tfds
  from vtab_h2t.tasks import vtab

  first = {vtab.ENTRIES[n].source.spec: n for n in reversed(names)}
  for name in first.values():
    synthetic_tfds.prepare(name, root)
  return root


@pytest.fixture(scope='session')
def synthetic_vtab(tmp_path_factory):
  """Synthetic data of all 19 tasks, which take half a minute to write."""
  from vtab_h2t.tasks import vtab

  return _synthetic(tuple(vtab.ENTRIES), tmp_path_factory.mktemp('vtab'))


@pytest.fixture(scope='session')
def few_of_vtab(tmp_path_factory):
  """The same of `synthetic_tfds.FEW`."""
  from tests import synthetic_tfds

  return _synthetic(synthetic_tfds.FEW, tmp_path_factory.mktemp('few_of_vtab'))


@pytest.fixture(scope='session')
def some_of_vtab(tmp_path_factory):
  """The same of `synthetic_tfds.SOME`."""
  from tests import synthetic_tfds

  return _synthetic(
    synthetic_tfds.SOME, tmp_path_factory.mktemp('some_of_vtab')
  )
