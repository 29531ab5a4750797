import dataclasses

import numpy as np
from PIL import Image
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import shards
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.protocol import executors
from vtab_h2t.tasks import pictures

_COUNT = 2 * shards.PIECE + 100


@pytest.fixture(scope='module')
def split(tmp_path_factory):
  """A few pictures, many times."""
  folder, paths = tmp_path_factory.mktemp('pictures'), []
  for i, image in enumerate(testing.images(50)):
    paths.append(str(folder / f'{i}.png'))
    Image.fromarray(image).save(paths[-1])
  labels = np.arange(_COUNT) % 50 % 3
  return pictures.split_of((paths * _COUNT)[:_COUNT], labels)


@pytest.fixture(scope='module')
def network():
  weights = backbones.weights_of('efficientnet_lite0', None)
  found = backbones.load('efficientnet_lite0', weights, 32)
  return (
    shards.Network(
      name='efficientnet_lite0',
      weights=weights,
      image_size=32,
      input=found.input,
      sha256=found.weights_sha256,
    ),
    found,
  )


def test_other_weights_are_named(network):
  other = dataclasses.replace(network[0], sha256='0' * 64)
  with pytest.raises(errors.InputError, match='a worker found other weights'):
    other.load()
  assert network[0].load().weights_sha256 == network[1].weights_sha256


@pytest.mark.soak
def test_features_and_answers_are_those_of_one_process(
  split, network, tmp_path
):
  ray = pytest.importorskip('ray')
  recipe, backbone = network
  cluster = executors.Cluster(address='local')
  ray.init(
    num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=40
  )
  try:
    extractors = {
      'here': extraction.Extractor(backbone, (64,)),
      'there': shards.Extractor(cluster, recipe, backbone, (64,)),
    }
    for name, extractor in extractors.items():
      store.open_or_compute(
        tmp_path / name, extractor, split, testing.no_progress
      )
    found = [
      {p.name: p.read_bytes() for p in (tmp_path / n).glob('*/*')}
      for n in extractors
    ]
    assert found[0] == found[1] and len(found[0]) > 2
    few = split.in_order(np.arange(60))
    space = testing.tiny_space(folds=(), head2toe={'target_sizes': (64,)})
    adapted = adapting.adapt(
      few, 'abc', backbone, tmp_path, method='linear', space=space, steps=20
    )
    artefact.save(adapted, recipe.weights, tmp_path / 'model')
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'no image')
    paths = [*split.ids[:1500], str(bad), *split.ids[1500:]]
    wrong = {}
    answers = list(
      shards.probabilities(cluster, tmp_path / 'model', None, (), paths, wrong)
    )
  finally:
    ray.shutdown()
  assert [first for first, _ in answers] == [0, 1024, 2048]
  assert list(wrong) == [1500] and 'bad.png' in wrong[1500]
  here = artefact.load(tmp_path / 'model').probabilities(
    pictures.unlabelled(paths, {})
  )
  np.testing.assert_allclose(
    np.concatenate([p for _, p in answers]),
    np.concatenate([p for _, p in here]),
    atol=1e-6,
  )
