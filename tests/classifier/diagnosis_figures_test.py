import base64
import dataclasses
import io

import numpy as np
from PIL import Image
import pytest

from tests import testing
from tests.classifier import diagnosis_test
from vtab_h2t.classifier import confusion
from vtab_h2t.classifier import diagnosis_figures as figures
from vtab_h2t.classifier import explaining


@pytest.fixture(scope='module')
def found():
  return diagnosis_test.diagnosed()


def _image(uri):
  head, data = uri.split(',')
  return head, Image.open(io.BytesIO(base64.b64decode(data)))


def test_small_pictures_are_small(found):
  head, image = _image(figures.jpeg(testing.images(1, size=300)[0]))
  assert head == 'data:image/jpeg;base64' and image.size == (128, 128)
  _, image = _image(figures.jpeg(np.zeros((40, 20, 3), np.uint8)))
  assert image.size == (20, 40)


def test_figures_are_png_and_the_same_each_time(found):
  head, image = _image(figures.png(figures.curve(found)))
  assert head == 'data:image/png;base64' and image.size[0] > 300
  assert figures.png(figures.taps(found)) == figures.png(figures.taps(found))


def test_the_matrix_has_percentages_of_lines(found):
  (ax, _) = figures.confused(found).axes
  shown = {text.get_text() for text in ax.texts}
  cells = found.confusion.to_numpy()
  wanted = 100 * cells / cells.sum(axis=1, keepdims=True)
  assert shown == {f'{v:.1f}' for v in wanted[cells > 0]}
  assert [t.get_text() for t in ax.get_yticklabels()] == list(
    diagnosis_test.CLASSES
  )


def test_of_many_classes_the_most_confused_are_shown(found):
  names = [f'c{i:02}' for i in range(50)]
  labels = np.repeat(np.arange(50), 3)
  predicted = labels.copy()
  predicted[labels == 49] = 45
  predicted[labels == 20] = 21
  table = confusion.matrix(labels, predicted, names)
  (ax, _) = figures.confused(dataclasses.replace(found, confusion=table)).axes
  shown = [t.get_text() for t in ax.get_yticklabels()]
  assert len(shown) == figures.MOST_CLASSES and shown == sorted(shown)
  assert {'c49', 'c45', 'c20', 'c21'} <= set(shown)


def test_a_class_that_was_never_held_out_is_a_white_line(found):
  table = found.confusion.copy()
  table.iloc[1] = 0
  (ax, _) = figures.confused(dataclasses.replace(found, confusion=table)).axes
  shown = np.ma.masked_invalid(ax.images[0].get_array()).mask
  assert shown[1].all() and not shown[0].all()


def test_reliability_is_drawn_in_percent(found):
  for scaled in (False, True):
    (ax,) = figures.reliability(found, scaled).axes
    table = found.reliability[found.reliability.temperature_scaled == scaled]
    x, y = (np.array(v, float) for v in ax.lines[1].get_data())
    np.testing.assert_allclose(x, 100 * table.confidence)
    np.testing.assert_allclose(y, 100 * table.accuracy)


def test_the_curve_is_drawn_by_images(found):
  (ax,) = figures.curve(found).axes
  assert list(np.array(ax.lines[0].get_xdata())) == [12, 24, 48]


def test_what_speaks_for_an_answer_is_orange_and_against_it_violet():
  value = np.zeros((4, 4), np.float32)
  value[0, 0], value[3, 3] = 1, -1
  seen = np.full((4, 4, 3), 128, np.uint8)
  found = figures.overlaid(
    explaining.Explanation(
      predicted=0,
      logit=1.0,
      bias=0.0,
      places={'a': value},
      elsewhere={},
      seen=seen,
    )
  ).astype(int)
  red, _, blue = np.moveaxis(found, -1, 0)
  assert red[0, 0] > blue[0, 0] + 50 and blue[3, 3] > red[3, 3] + 20
  assert (np.ptp(found[1, 2]) == 0).all()


def test_an_image_of_which_nothing_speaks_is_grey():
  found = figures.overlaid(
    explaining.Explanation(
      predicted=0,
      logit=0.0,
      bias=0.0,
      places={'a': np.zeros((2, 2), np.float32)},
      elsewhere={},
      seen=testing.images(1)[0],
    )
  )
  assert (np.ptp(found, axis=2) == 0).all()
