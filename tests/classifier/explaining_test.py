import dataclasses

import keras
import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import explaining
from vtab_h2t.features import extraction
from vtab_h2t.training import readout as readout_lib


def _model(backbone, target_size, rule, share=0.5, seed=0):
  """A head of three classes on some of the features, all random."""
  rng = np.random.default_rng(seed)
  layout = extraction.layout_of(backbone, target_size)
  columns = np.sort(
    rng.choice(layout.size, int(share * layout.size), replace=False)
  )
  return artefact.Model(
    ('a', 'b', 'c'),
    backbone,
    readout_lib.Selected(layout, columns, rule),
    rng.normal(0, 1, (3, len(columns))).astype(np.float32),
    rng.normal(0, 1, 3).astype(np.float32),
    {},
  )


def _logits(model, image):
  outputs = model.backbone.model(model.backbone.preprocess(image)[None])
  x = model.readout(outputs).numpy()[0]
  return model.kernel @ x + model.bias


_CASES = {
  'map, tokens, vector': (testing.tiny_backbone, 'pooled', 96, 'selected'),
  'once': (testing.tiny_backbone, 'pooled', 96, 'once'),
  'none': (testing.tiny_backbone, 'pooled', 40, 'none'),
  'mean of a map': (testing.normed_backbone, 'pooled', 40, 'selected'),
  'tokens': (testing.tiny_vit, 'pooled', 16, 'selected'),
  'class token alone': (testing.tiny_vit, 'only', 16, 'selected'),
  'class token and others': (testing.tiny_vit, 'both', 16, 'once'),
}


@pytest.mark.parametrize('case', _CASES)
def test_contributions_have_the_logit_as_their_sum(case):
  make, cls_pooling, target_size, rule = _CASES[case]
  backbone = dataclasses.replace(make(), cls_pooling=cls_pooling)
  model = _model(backbone, target_size, rule)
  explain = explaining.explainer(model)
  for image in testing.images(3, size=16):
    found = explain(image)
    logits = _logits(model, image)
    assert found.predicted == logits.argmax()
    assert found.logit == pytest.approx(logits.max() - logits.mean(), rel=1e-4)
    placed, elsewhere, bias = found.parts()
    assert placed + elsewhere + bias == pytest.approx(
      found.logit, rel=1e-3, abs=1e-4
    )
    # Between places the map is interpolated.
    strength = sum(np.abs(v).sum() for v in found.places.values())
    assert abs(found.map().sum() - placed) <= 0.02 * strength + 1e-6
    np.testing.assert_array_equal(found.seen, image)
    assert found.map().shape == (16, 16)


def test_a_vector_that_is_the_mean_of_a_map_has_its_places():
  found = explaining.explainer(
    _model(testing.normed_backbone(), extraction.EMBEDDING, 'selected')
  )(testing.images(1)[0])
  assert set(found.places) == {'pooled'} and not found.elsewhere
  assert found.places['pooled'].shape == (4, 4)
  assert found.parts()[1] == 0


def test_other_vectors_and_class_tokens_have_no_place():
  image = testing.images(1)[0]
  found = explaining.explainer(
    _model(testing.tiny_backbone(), extraction.EMBEDDING, 'selected')
  )(image)
  assert not found.places and found.parts()[0] == 0
  assert not found.map().any()
  vit = dataclasses.replace(testing.tiny_vit(), cls_pooling='only')
  assert not explaining.explainer(_model(vit, 16, 'selected'))(image).places


def test_what_speaks_for_a_class_is_found_where_it_is():
  """A network that passes on brightness; a head that likes one window's."""
  inputs = keras.Input((16, 16, 3))
  maps = keras.layers.AveragePooling2D(2)(inputs)
  model = keras.Model(inputs, {'m': maps})
  backbone = backbone_lib.Backbone(
    'plain', model, ('m',), 'm', 16, testing.INPUT, 'x'
  )
  layout = extraction.layout_of(backbone, 12)
  assert layout.blocks[0].pool == 4  # Windows of 8 x 8 pixels.
  kernel = np.zeros((3, layout.size), np.float32)
  kernel[1, 3:6] = 1  # Of all channels of the window at the top right.
  head = artefact.Model(
    ('a', 'b', 'c'),
    backbone,
    readout_lib.Selected(layout, np.arange(layout.size), 'none'),
    kernel,
    np.zeros(3, np.float32),
    {},
  )
  image = np.full((16, 16, 3), 128, np.uint8)
  image[2:4, 10:12] = 255
  found = explaining.explainer(head)(image)
  assert found.predicted == 1
  places = found.places['m']
  bright = np.zeros((8, 8), bool)
  bright[1, 5] = True
  assert (places[bright] > 0).all()
  np.testing.assert_allclose(places[~bright], 0, atol=1e-6)
  assert np.unravel_index(found.map().argmax(), (16, 16)) in [
    (i, j) for i in (2, 3) for j in (10, 11)
  ]


def test_the_image_is_shown_as_the_network_saw_it():
  backbone = testing.tiny_backbone()
  fed = dataclasses.replace(backbone.input, crop=0.5)
  model = _model(dataclasses.replace(backbone, input=fed), 96, 'selected')
  image = np.zeros((64, 80, 3), np.uint8)
  image[16:48, 24:56] = 200  # All that is left of it.
  found = explaining.explainer(model)(image)
  assert found.seen.shape == (16, 16, 3) and (found.seen == 200).all()
