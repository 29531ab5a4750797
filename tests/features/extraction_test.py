import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import finite
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.backbones import precision
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.features import extraction
from vtab_h2t.features import pooling
from vtab_h2t.tasks import task as task_lib


def _split(images, dataset=None):
  split = task_lib.array_split(
    'x', images, [0] * len(images), range(len(images))
  )
  return (
    split
    if dataset is None
    else dataclasses.replace(split, images=lambda: dataset)
  )


def _all(extractor, split):
  batches = [batch for _, batch in extractor(split)]
  return {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}


@pytest.mark.parametrize('batch_size', [4, 7, 64])
def test_one_pass_gives_every_block_whatever_the_batch_size(batch_size):
  backbone = testing.tiny_backbone()
  images = testing.images(11)
  extractor = extraction.Extractor(backbone, (6, 30), batch_size)
  got = _all(extractor, _split(images))
  outputs = backbone.model(backbone.preprocess(images))
  assert set(got) == {b.name for b in extractor.blocks}
  for block in extractor.blocks:
    wanted = pooling.pool_tap(outputs[block.tap], block.pool)
    assert got[block.name].shape == (11, block.size)
    np.testing.assert_allclose(got[block.name], wanted, atol=1e-5)


def test_layouts_follow_depth_and_end_with_the_embedding():
  extractor = extraction.Extractor(testing.tiny_backbone(), (30, 6))
  for target in (30, 6):
    assert [b.tap for b in extractor.layouts[target].blocks] == list(
      testing.SHAPES
    )
  (embedding,) = extractor.layouts[extraction.EMBEDDING].blocks
  assert embedding.tap == 'pooled' and embedding.size == 9


def test_select_gives_a_layouts_blocks():
  extractor = extraction.Extractor(testing.tiny_backbone(), (30,))
  ((done, batch),) = extractor(_split(testing.images(3)))
  assert done == 0
  parts = extractor.select(batch, 30)
  assert [p.shape[1] for p in parts] == [
    b.size for b in extractor.layouts[30].blocks
  ]


def test_images_of_different_sizes():
  def images():
    yield testing.images(1, 0, 16)[0]
    yield testing.images(1, 1, 33)[0]

  dataset = tf.data.Dataset.from_generator(
    images, output_signature=tf.TensorSpec((None, None, 3), tf.uint8)
  )
  got = _all(
    extraction.Extractor(testing.tiny_backbone(), ()),
    _split(testing.images(2), dataset),
  )
  assert got['pooled.pool0'].shape == (2, 9)


def test_missing_images_are_reported():
  images = testing.images(40)
  dataset = tf.data.Dataset.from_tensor_slices(images[:30])
  with pytest.raises(errors.InputError, match='40 examples gave 30 images'):
    _all(
      extraction.Extractor(testing.tiny_backbone(), ()), _split(images, dataset)
    )


@pytest.mark.parametrize('tap', testing.SHAPES)
def test_features_that_are_not_finite_name_the_first_tap_and_the_image(tap):
  """Infinite biases: ReLUs keep infinity, but some kernels turn NaN into 0."""
  backbone = testing.tiny_backbone()
  biases = [w for w in backbone.model.weights if w.name == 'bias']
  bias = biases[backbone.taps.index(tap)]
  bias.assign(np.full(bias.shape, np.inf))
  with pytest.raises(errors.InputError, match=rf'{tap}\.pool.* of image x/0 '):
    _all(extraction.Extractor(backbone, (30,)), _split(testing.images(3)))


def test_the_image_whose_features_are_not_finite_is_named():
  """Large weights: white overflows; this grey is 0 as the network sees it."""
  backbone = testing.tiny_backbone()
  kernel = backbone.model.weights[0]
  kernel.assign(np.full(kernel.shape, 1e38, np.float32))
  images = np.full((3, 16, 16, 3), 128, np.uint8)
  images[2] = 255
  with pytest.raises(errors.InputError, match=r'early\.pool.* of image x/2 '):
    _all(extraction.Extractor(backbone, (30,)), _split(images))


def test_an_image_that_cannot_be_decoded_is_named_by_its_split():
  def bad():
    yield testing.images(1)[0]
    raise RuntimeError('broken')

  dataset = tf.data.Dataset.from_generator(
    bad, output_signature=tf.TensorSpec((16, 16, 3), tf.uint8)
  )

  def name():
    raise errors.InputError('image 7 cannot be decoded')

  split = dataclasses.replace(
    _split(testing.images(2), dataset), name_unreadable=name
  )
  with pytest.raises(errors.InputError, match='image 7 cannot'):
    _all(extraction.Extractor(testing.tiny_backbone(), ()), split)


@pytest.mark.parametrize('cls', pooling.CLS_POOLINGS)
def test_class_token_variants_reach_the_features(cls):
  backbone = dataclasses.replace(testing.tiny_backbone(), cls_pooling=cls)
  extractor = extraction.Extractor(backbone, (14,))
  images = testing.images(3, size=16)
  split = task_lib.array_split('x', images, [0, 0, 0], range(3))
  ((_, batch),) = extractor(split)
  outputs = backbone.model(backbone.preprocess(images), training=False)
  for block in extractor.layouts[14].blocks:
    np.testing.assert_allclose(
      batch[block.name], block(outputs[block.tap]), atol=1e-5
    )
  (tokens,) = (b for b in extractor.blocks if b.tap == 'tokens')
  assert tokens.size == {'pooled': 14, 'only': 7, 'both': 21}[cls]


def _with_xla(monkeypatch, backbone, target_sizes, batch_size=4):
  """An extractor as a TPU has it, here on the CPU."""
  with monkeypatch.context() as patch:
    patch.setattr(devices, 'needs_xla', lambda device: True)
    return extraction.Extractor(backbone, target_sizes, batch_size)


def _assert_xla_agrees(monkeypatch, backbone, target_sizes):
  """Within 1e-5 of the largest value of each block."""
  size = backbone.image_size
  split = _split(testing.images(6, size=size))
  usual = extraction.Extractor(backbone, target_sizes, 4)
  wanted = _all(usual, split)
  got = _all(_with_xla(monkeypatch, backbone, target_sizes), split)
  assert got.keys() == wanted.keys()
  for name, value in wanted.items():
    assert got[name].shape == value.shape
    np.testing.assert_allclose(
      got[name], value, atol=1e-5 * max(np.abs(value).max(), 1e-3), err_msg=name
    )
  return usual.blocks


@pytest.mark.parametrize('cls', pooling.CLS_POOLINGS)
def test_xla_gives_the_same_features_of_every_kind_of_tap(cls, monkeypatch):
  backbone = dataclasses.replace(testing.tiny_backbone(), cls_pooling=cls)
  blocks = _assert_xla_agrees(monkeypatch, backbone, (6, 14, 30, 400))
  assert {b.pool for b in blocks if b.tap == 'early'} > {0, 1}
  assert len({(b.pool, b.cls) for b in blocks if b.tap == 'tokens'}) >= (
    1 if cls == 'only' else 3
  )


def _backbone(built, embedding, cls=pooling.CLS_POOLED):
  """Of a model and its taps, with random weights."""
  model, taps = built
  backbone_lib.randomise(model, 0)
  return backbone_lib.Backbone(
    'x', model, taps, embedding, 32, testing.INPUT, '', cls_pooling=cls
  )


@pytest.mark.soak
def test_xla_gives_the_same_features_of_depthwise_convolutions(monkeypatch):
  monkeypatch.setattr(
    efficientnet_lite, '_STAGES', ((1, 3, 1, 1, 8), (1, 5, 2, 2, 8))
  )
  backbone = _backbone(efficientnet_lite.build(32), 'embedding')
  assert 'block01_depthwise' in backbone.taps
  _assert_xla_agrees(monkeypatch, backbone, (16, 100))


@pytest.mark.soak
@pytest.mark.parametrize('cls', pooling.CLS_POOLINGS)
def test_xla_gives_the_same_features_of_a_vit(cls, monkeypatch):
  network = vit_architecture.Architecture(width=12, depth=1, heads=3, mlp=48)
  backbone = _backbone(vit.build(network, 32), 'pre_logits', cls)
  _assert_xla_agrees(monkeypatch, backbone, (8, 24, 100))


@pytest.mark.soak
def test_xla_gives_the_same_features_of_a_resnet(monkeypatch):
  monkeypatch.setattr(resnet_v2, '_WIDTHS', (4, 8))
  monkeypatch.setattr(resnet_v2, '_UNITS', (2, 1))
  backbone = _backbone(resnet_v2.build(32), 'pre_logits')
  _assert_xla_agrees(monkeypatch, backbone, (8, 100))


def test_xla_compiles_one_shape_whatever_is_left_over(monkeypatch):
  """Splits of 3 and of 4 + 4 + 1 images, in batches of 4."""
  traced, sums_are = [], finite.sums_are
  monkeypatch.setattr(
    finite, 'sums_are', lambda values: traced.append(1) or sums_are(values)
  )
  extractor = _with_xla(monkeypatch, testing.tiny_backbone(), (30,))
  images = testing.images(9)
  few = _all(extractor, _split(images[:3]))
  for name, value in _all(extractor, _split(images)).items():
    assert len(value) == 9
    np.testing.assert_allclose(few[name], value[:3], atol=1e-6)
  assert len(traced) == 1


def test_xla_names_the_image_whose_features_are_not_finite(monkeypatch):
  """In a batch that is filled up with the image before it."""
  backbone = testing.tiny_backbone()
  kernel = backbone.model.weights[0]
  kernel.assign(np.full(kernel.shape, 1e38, np.float32))
  images = np.full((6, 16, 16, 3), 128, np.uint8)
  images[5] = 255
  with pytest.raises(errors.InputError, match=r'early\.pool.* of image x/5 '):
    _all(_with_xla(monkeypatch, backbone, (30,)), _split(images))


def test_features_of_bfloat16_are_pooled_and_kept_in_float32():
  """They are those of the taps, cast, to the last bit; and near float32's."""
  backbone = testing.tiny_backbone()
  mixed = precision.compute_in(backbone, 'mixed_bfloat16')
  images = testing.images(4)
  split = _split(images)
  usual = _all(extraction.Extractor(backbone, (6, 30)), split)
  extractor = extraction.Extractor(mixed, (6, 30))
  got = _all(extractor, split)
  outputs = mixed.model(mixed.preprocess(images), training=False)
  for block in extractor.blocks:
    assert outputs[block.tap].dtype == tf.bfloat16
    value = got[block.name]
    assert value.dtype == np.float32
    wanted = block(tf.cast(outputs[block.tap], tf.float32))
    np.testing.assert_allclose(value, wanted, atol=1e-6)
    difference = np.linalg.norm(value - usual[block.name])
    assert 0 < difference < 0.02 * np.linalg.norm(value)
