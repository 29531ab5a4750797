import numpy as np
import pytest

from vtab_h2t.tasks import sprites


@pytest.mark.parametrize('shape', range(3))
def test_factors_move_scale_and_turn_the_shape(shape):
  def centre_and_area(*factors):
    grey = sprites.render(factors)[..., 0].astype(float)
    y, x = np.mgrid[: sprites.SIZE, : sprites.SIZE]
    area = grey.sum()
    return (x * grey).sum() / area, (y * grey).sum() / area, area

  left = centre_and_area(shape, 5, 0, 0, 16)
  right = centre_and_area(shape, 5, 0, 31, 16)
  assert right[0] - left[0] == pytest.approx(32, abs=0.5)
  high = centre_and_area(shape, 5, 0, 10, 31)
  low = centre_and_area(shape, 5, 0, 10, 0)
  assert abs(high[1] - low[1]) == pytest.approx(32, abs=0.5)
  small = centre_and_area(shape, 0, 0, 16, 16)
  assert left[2] / small[2] == pytest.approx(4, rel=0.1)


def test_only_the_heart_tells_a_half_turn():
  """The symmetries that bound sprites_ori, at the pixel level."""
  difference = {}
  for shape, name in enumerate(sprites.SHAPES):
    # 39 steps are a full turn, so a half turn lies between two.
    half = [
      sprites.render((shape, 5, o, 16, 16)).astype(int) for o in (0, 19, 20)
    ]
    difference[name] = min(np.abs(half[0] - h).mean() for h in half[1:])
    np.testing.assert_array_equal(
      sprites.render((shape, 5, 0, 16, 16)),
      sprites.render((shape, 5, 39, 16, 16)),
    )
  assert difference['heart'] > 4 * max(
    difference['square'], difference['ellipse']
  )
