import numpy as np
import pytest

from vtab_h2t.tasks import coloured
from vtab_h2t.tasks import labelled

_LABELS = np.arange(5000) % 10
_IDS = [f'mnist_5k/{i}' for i in range(5000)]


def test_colours_are_as_bright_and_told_apart():
  from skimage import color

  lab = color.rgb2lab(coloured.COLOURS[None] / 255)[0]
  np.testing.assert_allclose(lab[:, 0], 50, atol=0.2)
  apart = np.linalg.norm(lab[:, None] - lab, axis=-1)
  assert apart[~np.eye(10, dtype=bool)].min() > 51
  channels = coloured.COLOURS / 255
  linear = np.where(
    channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
  )
  luminance = linear @ [0.2126, 0.7152, 0.0722]
  np.testing.assert_allclose(1.05 / (luminance + 0.05), 4.5, atol=0.05)


@pytest.mark.parametrize('reverse', [False, True])
def test_the_cue_holds_for_95_of_100_images(reverse):
  found = coloured.colours(_LABELS, _IDS, reverse)
  usual = 9 - _LABELS if reverse else _LABELS
  agrees = found == usual
  # Three standard errors are 0.9 %, of a digit's 500 images 2.9 %.
  assert agrees.mean() == pytest.approx(0.95, abs=0.0092)
  for digit in range(10):
    assert agrees[digit == _LABELS].mean() == pytest.approx(0.95, abs=0.0292)
  # The others are uniform: 250 images on nine steps, 28 each.
  steps = np.bincount((found - usual)[~agrees] % 10, minlength=10)
  assert steps[0] == 0 and steps[1:].min() > 8 and steps[1:].max() < 48


def test_a_colour_depends_on_its_image_alone():
  whole = coloured.colours(_LABELS, _IDS, False)
  np.testing.assert_array_equal(
    coloured.colours(_LABELS[7:9], _IDS[7:9], False), whole[7:9]
  )


def test_digits_stay_white():
  grey = np.zeros((3, 64, 64, 3), np.uint8)
  grey[:, 20:40, 30] = 255
  grey[:, 20:40, 31] = 51  # A fifth of the ink.
  digits = labelled.Labelled(('a', 'b', 'c'), grey, np.array([0, 5, 9]))
  found = coloured.painted(digits)
  assert found.ids == digits.ids and found.labels is digits.labels
  paper = coloured.COLOURS[coloured.colours(digits.labels, digits.ids, False)]
  for image, colour in zip(found.images, paper):
    assert (image[20:40, 30] == 255).all()
    assert (image[:, :30] == colour).all()
    assert (image[20:40, 31] == np.rint(51 + 0.8 * colour.astype(float))).all()
