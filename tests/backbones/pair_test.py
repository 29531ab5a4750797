import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import pair
from vtab_h2t.backbones import registry


def test_both_embeddings_are_those_of_the_networks_alone():
  """Though their inputs are scaled differently."""
  first = testing.normed_backbone()
  second = dataclasses.replace(
    testing.tiny_backbone(), scale=1 / 255, offset=0.25
  )
  both = pair.pair(first, second)
  images = testing.images(5)
  outputs = both.model(both.preprocess(images))
  assert both.taps == (first.embedding, 'control') == tuple(outputs)
  for tap, one in zip(both.taps, (first, second)):
    wanted = one.model(one.preprocess(images))[one.embedding]
    np.testing.assert_allclose(outputs[tap], wanted, atol=1e-4)
  assert both.name == f'{first.name}+{second.name}'
  other = pair.pair(first, testing.tiny_backbone(seed=1))
  assert other.weights_sha256 != both.weights_sha256


def test_a_network_and_its_random_twin():
  networks = [
    registry.load('efficientnet_lite0', w, 32) for w in ('imagenet', 'random')
  ]
  both = pair.pair(*networks)
  outputs = both.model(both.preprocess(testing.images(2)))
  assert not np.allclose(outputs['embedding'], outputs['control'])


def test_networks_for_other_images_are_refused():
  first = testing.normed_backbone()
  with pytest.raises(ValueError, match='want other images'):
    pair.pair(first, dataclasses.replace(first, image_size=32))
