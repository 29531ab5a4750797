import pytest

from tests import testing
from vtab_h2t.training import network


@pytest.fixture(scope='session')
def net():
  """A small trainable network; tests reset it before use."""
  return network.Network(testing.normed_backbone())
