"""Set-up that all tests share."""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import flags
import pytest


def pytest_configure(config):
  del config
  if not flags.FLAGS.is_parsed():  # absl.testing wants parsed flags.
    flags.FLAGS.mark_as_parsed()


@pytest.fixture(scope='session')
def lite0():
  """EfficientNet-Lite0 with ImageNet weights at 96 pixels."""
  from vtab_h2t.backbones import registry

  return registry.load('efficientnet_lite0', 'imagenet', 96)


@pytest.fixture(scope='session')
def synthetic_vtab(tmp_path_factory):
  """A TFDS directory with synthetic data of all 19 tasks."""
  from tests import synthetic_tfds
  from vtab_h2t.tasks import vtab

  root = tmp_path_factory.mktemp('synthetic_vtab')
  first = {e.source.spec: name for name, e in reversed(vtab.ENTRIES.items())}
  for name in first.values():
    synthetic_tfds.prepare(name, root)
  return root
