import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import pair
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry

_FED = preprocessing.Input(scale=1 / 255, offset=0.25)


@pytest.mark.parametrize(
  'inputs',
  [
    (testing.INPUT, _FED),
    (testing.INPUT, preprocessing.IMAGENET),
    (preprocessing.IMAGENET, testing.INPUT),
    (
      dataclasses.replace(preprocessing.CLIP, resize='bicubic', crop=0.9),
      dataclasses.replace(preprocessing.IMAGENET, resize='bicubic', crop=0.9),
    ),
  ],
  ids=['numbers', 'second', 'first', 'both'],
)
def test_both_embeddings_are_those_of_the_networks_alone(inputs):
  """Though their inputs are scaled differently."""
  first, second = (
    dataclasses.replace(b, input=fed)
    for b, fed in zip(
      (testing.normed_backbone(), testing.tiny_backbone()), inputs
    )
  )
  both = pair.pair(first, second)
  images = testing.images(5)
  outputs = both.model(both.preprocess(images))
  assert both.taps == (first.embedding, 'control') == tuple(outputs)
  for tap, one in zip(both.taps, (first, second)):
    wanted = one.model(one.preprocess(images))[one.embedding]
    np.testing.assert_allclose(outputs[tap], wanted, atol=1e-4)
  assert both.name == f'{first.name}+{second.name}'
  other = pair.pair(
    first, dataclasses.replace(testing.tiny_backbone(seed=1), input=inputs[1])
  )
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
  for change in ({'resize': 'bicubic'}, {'crop': 0.5}):
    fed = dataclasses.replace(first.input, **change)
    with pytest.raises(ValueError, match='want other images'):
      pair.pair(first, dataclasses.replace(first, input=fed))
