import numpy as np

from tests.classifier import learned


def test_a_part_of_the_images_has_some_of_each_class(tmp_path):
  data = learned.data(tmp_path)
  quarter, half = (data.part(data.order, s) for s in (0.25, 0.5))
  assert set(quarter) < set(half)
  for part, share in ((quarter, 0.25), (half, 0.5)):
    whole = np.bincount(data.labels)
    np.testing.assert_allclose(
      np.bincount(data.labels[part]), whole * share, atol=1
    )
  assert len(data.part(data.order, 1e-9)) == 3


def test_few_images_have_more_passes(tmp_path):
  data = learned.data(tmp_path)
  assert [data.epochs(n) for n in (60, 300, 10_000)] == [30, 10, 10]
