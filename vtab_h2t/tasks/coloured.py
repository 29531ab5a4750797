"""A spurious cue: digits on a background whose colour agrees with the label.

After Waterbirds (Sagawa et al., 2020), where a bird's background agrees with
its kind for 95 % of the training images. Here the background of a white digit
has one of ten colours. In the source it is the digit's own colour for 95 % of
the images and any other for the rest; where it is reversed, the colour of
9 - digit takes the place of the digit's own.
"""

from collections.abc import Sequence

import numpy as np

from vtab_h2t.tasks import labelled

AGREEMENT = 0.95

# sRGB. All have CIE L* = 50 to within 0.2 (relative luminance 0.184, so white
# digits have a contrast of 4.5 to 1), and any two are at least 51 apart in
# CIELAB: the ten points of the plane L* = 50 within sRGB whose least distance
# is the largest that 60 random starts of a farthest-point search found.
COLOURS = np.array(
  [
    [7, 126, 187],
    [14, 110, 254],
    [189, 14, 255],
    [185, 74, 178],
    [234, 0, 99],
    [158, 105, 110],
    [210, 72, 3],
    [142, 117, 10],
    [8, 139, 5],
    [32, 134, 111],
  ],
  np.uint8,
)


def colours(
  labels: np.ndarray, ids: Sequence[str], reverse: bool
) -> np.ndarray:
  """Which colour each image's background has.

  Args:
    labels: digits `[n]`.
    ids: the images' names `[n]`, on which what is drawn depends alone.
    reverse: whether the commonest colour is that of 9 - digit.

  Returns:
    Indices into `COLOURS`, `[n]`.
  """
  usual = 9 - labels if reverse else labels
  found = []
  for colour, name in zip(usual, ids):
    rng = labelled.generator(name, 'colour')
    agrees, step = rng.random() < AGREEMENT, rng.integers(1, len(COLOURS))
    found.append(colour if agrees else (colour + step) % len(COLOURS))
  return np.array(found, np.int64)


def painted(
  digits: labelled.Labelled, reverse: bool = False
) -> labelled.Labelled:
  """Digits in white on coloured backgrounds.

  Args:
    digits: white on black, with equal channels; their labels are the digits.
    reverse: see `colours`.
  """
  background = COLOURS[colours(digits.labels, digits.ids, reverse)]
  ink = np.arange(256)[:, None] / 255
  images = np.empty_like(digits.images)
  for i, (digit, paper) in enumerate(zip(digits.images, background)):
    shades = np.rint(255 * ink + paper * (1 - ink)).astype(np.uint8)
    images[i] = shades[digit[..., 0]]
  return labelled.Labelled(digits.ids, images, digits.labels)
