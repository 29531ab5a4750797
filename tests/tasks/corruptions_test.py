import io

import numpy as np
from PIL import Image
import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import corruptions
from vtab_h2t.tasks import crops

_ALL = [(n, s) for n in corruptions.NAMES for s in corruptions.SEVERITIES]


@pytest.fixture(scope='module')
def crop():
  images, _ = crops.cut(
    crops.read(['coffee', 'chelsea', 'camera']),
    range(7),
    9,
    np.random.default_rng(0),
  )
  return images


def _corrupt(images, name, severity):
  ids = [f'x/{i}' for i in range(len(images))]
  return corruptions.corrupt(images, name, severity, ids)


def _plain(value):
  return np.full((1, 64, 64, 3), value, np.uint8)


def test_names_of_all_thirty():
  assert len(corruptions.SHIFTS) == 30
  assert corruptions.SHIFTS[0] == 'noise1' and corruptions.SHIFTS[-1] == 'jpeg5'
  assert [corruptions.parse(s) for s in corruptions.SHIFTS] == _ALL
  assert corruptions.parse('noises5') is corruptions.parse('same') is None


@pytest.mark.parametrize('name, severity', _ALL)
def test_same_images_whatever_is_beside_them(crop, name, severity):
  before = crop.copy()
  ids = [f'x/{i}' for i in range(len(crop))]
  whole = corruptions.corrupt(crop, name, severity, ids)
  assert whole.dtype == np.uint8 and whole.shape == crop.shape
  np.testing.assert_array_equal(crop, before)
  rows = [4, 2]
  part = corruptions.corrupt(crop[rows], name, severity, [ids[r] for r in rows])
  np.testing.assert_array_equal(part, whole[rows])


@pytest.mark.parametrize('name', corruptions.NAMES)
def test_a_greater_severity_is_farther_from_the_clean_image(crop, name):
  distances = [
    np.abs(_corrupt(crop, name, s).astype(float) - crop).mean()
    for s in corruptions.SEVERITIES
  ]
  assert distances[0] > 0 and (np.diff(distances) > 0).all()


def test_noise_has_the_published_deviations_and_follows_the_id():
  grey = np.repeat(_plain(128), 40, axis=0)
  for severity, wanted in enumerate((0.04, 0.08, 0.12, 0.15, 0.18), 1):
    found = _corrupt(grey, 'noise', severity).astype(float) / 255
    # Clipping takes 1 % of the largest one away.
    assert found.std() == pytest.approx(wanted, rel=0.015)
    # Half a step is lost by cutting off.
    assert found.mean() == pytest.approx(127.5 / 255, abs=1e-3)
  a, b = (corruptions.corrupt(_plain(128), 'noise', 1, [i]) for i in ('a', 'b'))
  assert (a != b).any()
  one, two = (_corrupt(_plain(128), 'noise', s) - 128.0 for s in (1, 2))
  assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05


def test_values_are_clipped_and_cut_off():
  # 255 * 0.1 = 25.5, 255 * 0.3 = 76.5, 255 * 0.5 = 127.5.
  for severity, value in ((1, 25), (3, 76), (5, 127)):
    assert (_corrupt(_plain(0), 'brightness', severity) == value).all()
  assert (_corrupt(_plain(250), 'brightness', 5) == 255).all()
  half = _plain(0)
  half[:, :32] = 255  # The mean is 0.5; what is left, 0.4 of the contrast.
  found = _corrupt(half, 'contrast', 1)
  assert set(found[:, :32].ravel()) == {int(255 * 0.7)}
  assert set(found[:, 32:].ravel()) == {int(255 * 0.3)}


def test_contrast_keeps_the_mean_of_each_channel(crop):
  found = _corrupt(crop, 'contrast', 5)
  np.testing.assert_allclose(
    found.mean((1, 2)), crop.mean((1, 2)) - 0.5, atol=0.5
  )


@pytest.mark.parametrize('severity', corruptions.SEVERITIES)
def test_brightness_keeps_the_ratios_of_the_channels(crop, severity):
  """Hue and saturation stay: all channels grow as the largest one does."""
  value = crop.max(axis=-1, keepdims=True) / 255
  brighter = np.minimum(value + severity / 10, 1)
  ratio = brighter / np.maximum(value, 1 / 255)
  wanted = np.where(value == 0, 255 * brighter, crop * ratio)
  found = _corrupt(crop, 'brightness', severity)
  below = wanted - found  # What is cut off, but for rounding.
  assert below.min() > -1e-6 and below.max() < 1 + 1e-6


@pytest.mark.parametrize(
  'severity, deviation', zip(range(1, 6), (0.58, 0.63, 0.82, 1.27, 1.53))
)
def test_blur_has_the_published_width(severity, deviation):
  radius, alias = ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1))[
    severity - 1
  ]
  kernel = corruptions.defocus_kernel(radius, alias)
  assert kernel.sum() == pytest.approx(1, abs=1e-12)
  steps = np.arange(len(kernel)) - len(kernel) // 2
  assert np.sqrt(kernel.sum(0) @ steps**2) == pytest.approx(deviation, abs=5e-3)
  point = _plain(0)
  point[0, 30, 40] = 255
  spread = _corrupt(point, 'blur', severity)[0, ..., 1]
  reach = len(kernel) // 2
  np.testing.assert_array_equal(
    spread[30 - reach : 31 + reach, 40 - reach : 41 + reach],
    (kernel * 255 + 1e-9).astype(np.uint8),
  )


def test_blur_mirrors_at_the_edge_without_repeating_it():
  line = _plain(0)
  line[:, :, 1] = 255
  found = _corrupt(line, 'blur', 2)[0, 32]
  # A disc of radius 1 is a cross of five; both neighbours of column 0 are 1.
  assert found[0, 0] == int(255 * 2 / 5) and found[2, 0] == int(255 / 5)


def test_pixelate_leaves_half_the_pixels_at_the_end(crop):
  found = _corrupt(crop, 'pixelate', 5)
  np.testing.assert_array_equal(found[:, ::2, ::2], found[:, 1::2, 1::2])
  blocks = crop.reshape(len(crop), 32, 2, 32, 2, 3).mean((2, 4))
  assert np.abs(found[:, ::2, ::2] - blocks).max() <= 1


def test_jpeg_has_the_published_quality(crop):
  for severity, quality in enumerate((65, 58, 50, 40, 25), 1):
    file = io.BytesIO()
    Image.fromarray(crop[0]).save(file, 'JPEG', quality=quality)
    np.testing.assert_array_equal(
      _corrupt(crop[:1], 'jpeg', severity)[0], np.asarray(Image.open(file))
    )


def test_bad_input_is_one_line():
  with pytest.raises(errors.InputError, match="'fog'; choose from noise, blur"):
    _corrupt(_plain(0), 'fog', 1)
  for severity in (0, 6, -1):
    with pytest.raises(errors.InputError, match='no severity .*1, 2, 3, 4, 5$'):
      _corrupt(_plain(0), 'blur', severity)
    with pytest.raises(errors.InputError, match=f'no severity {severity};'):
      corruptions.parse(f'blur{severity}')
  with pytest.raises(errors.InputError, match='write noise1 to noise5'):
    corruptions.parse('noise')
  for images in (_plain(0)[:, :32], _plain(0) / 255):
    with pytest.raises(ValueError, match='not 64-pixel images'):
      _corrupt(images, 'noise', 1)
  with pytest.raises(ValueError, match='1 images, but 2 ids'):
    corruptions.corrupt(_plain(0), 'noise', 1, ['a', 'b'])
  assert _corrupt(_plain(0)[:0], 'jpeg', 1).shape == (0, 64, 64, 3)
