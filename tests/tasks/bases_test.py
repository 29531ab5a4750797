import collections

import numpy as np
import pytest

from vtab_h2t.tasks import bases
from vtab_h2t.tasks import handwriting
from vtab_h2t.tasks import labelled
from vtab_h2t.tasks import registry
from vtab_h2t.tasks import task as task_lib


@pytest.mark.parametrize('name', bases.BASES)
def test_base(name):
  base = bases.BASES[name]
  assert base.group in task_lib.GROUPS and base.kind in task_lib.KINDS
  assert (base.shift is None) == (base.kind == 'none')
  assert len(set(base.classes)) == len(base.classes)


@pytest.mark.parametrize('name, sizes', bases._SIZES.items())
def test_sizes(name, sizes):
  """At least 120 of a class in the pool, and 200 images to judge on."""
  classes = len(bases.BASES[name].classes)
  assert tuple(sizes) == bases.PARTS
  assert sizes['source'] * classes <= 2000
  assert 200 <= sizes['source_test'] * classes <= 1000
  assert 200 <= sizes['test'] * classes <= 1000
  pool = sizes['shots'] + sizes['validation']
  # scikit-learn has too few digits.
  assert pool == (70 if name == 'digits' else 150)


def test_digits_are_shared_out():
  for name, (_, labels) in (
    ('mnist_5k', handwriting.mnist_5k()),
    ('digits', handwriting.digits()),
  ):
    found = {p: bases.part(name, False, p) for p in bases.PARTS}
    ids = [i for part in found.values() for i in part.ids]
    assert len(set(ids)) == len(ids)
    for which, part in found.items():
      counts = collections.Counter(part.labels.tolist())
      assert set(counts.values()) == {bases._SIZES[name][which]}
      rows = [int(i.rpartition('/')[2]) for i in part.ids]
      np.testing.assert_array_equal(part.labels, labels[rows])
  assert sum(bases._SIZES['mnist_5k'].values()) == 500


@pytest.mark.parametrize('odd', [False, True])
def test_pairs_are_those_of_the_same_parts(odd):
  ids = []
  for which in bases.PARTS:
    digits = bases.part('mnist_5k', False, which)
    pairs = bases.part('mnist_pairs', odd, which)
    digit = dict(zip(digits.ids, digits.labels))
    np.testing.assert_array_equal(
      [digit[i] for i in pairs.ids], 2 * pairs.labels + odd
    )
    ids += pairs.ids
  assert len(set(ids)) == len(ids) == 2500


@pytest.mark.parametrize('name', ['digits', 'mnist_5k'])
def test_own_examples_are_the_embedded_suites(name):
  (embedded,) = registry.tasks('embedded', [name])
  for which, split in (('train', embedded.train), ('test', embedded.test)):
    found = bases.own(name, which)
    assert found.ids == split.ids
    assert found.labels.tolist() == split.labels.tolist()
    image = np.stack(list(split.images().take(1).as_numpy_iterator()))
    np.testing.assert_array_equal(found.images[:1], labelled.resized(image))


def test_colours_are_on_the_same_digits():
  plain, one, two = (
    bases.part(*which)
    for which in (
      ('mnist_5k', False, 'test'),
      ('mnist_colour', False, 'test'),
      ('mnist_colour', True, 'test'),
    )
  )
  assert plain.ids == one.ids == two.ids
  white = plain.images == 255
  assert (one.images[white] == 255).all() and (two.images[white] == 255).all()
  assert (one.images != two.images).any((1, 2, 3)).mean() > 0.9


def test_scenes_are_counted(monkeypatch):
  small = dict.fromkeys(bases.PARTS, 1)
  monkeypatch.setitem(bases._SIZES, 'shapes_count', small)
  part = bases.BASES['shapes_count'].part
  one, again, other = (
    part(False, which) for which in ('shots', 'shots', 'validation')
  )
  assert sorted(one.labels) == list(range(8))
  assert one.images.shape == (8, 64, 64, 3)
  np.testing.assert_array_equal(one.images, again.images)
  assert not set(one.ids) & set(other.ids)
  assert not any((a == b).all() for a in one.images for b in other.images)
