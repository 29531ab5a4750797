import numpy as np
import pytest

from vtab_h2t.tasks import concerns
from vtab_h2t.tasks import labelled_pictures


def _pictures(labels, classes, sha256=None, **more):
  paths = tuple(f'{i}.png' for i in range(len(labels)))
  return labelled_pictures.Pictures(
    paths,
    np.array(labels),
    classes,
    (),
    paths if sha256 is None else tuple(sha256),
    more,
  )


def test_good_photographs_give_no_line():
  found = _pictures([0] * 19 + [1, 1], ('cat', 'train'))
  assert list(concerns.of(found)) == []


def test_what_was_passed_over_is_named():
  (line,) = concerns.of(_pictures([0, 0, 1, 1], ('a', 'b'), txt=2))
  assert line.startswith('passed over 2 files (2 txt), which are no images')


def test_parts_of_a_data_set_are_no_classes():
  (line,) = concerns.of(_pictures([0, 0, 1, 1], ('Test', 'train')))
  assert 'the classes are called Test, train; if these are parts' in line


def test_names_that_a_reader_takes_for_one_are_named():
  classes = ('Cat', 'cat', 'caf\u00e9', 'cafe\u0301', 'a b', 'a  b', 'dog')
  labels = np.repeat(np.arange(7), 2)
  (line,) = concerns.of(_pictures(labels, classes))
  assert "alone: 'Cat' = 'cat'; 'caf\u00e9' = 'cafe\u0301'; 'a b'" in line
  assert line.endswith('; give them one name if they are one')


def test_files_with_the_same_bytes_are_named():
  labels = [0, 0, 0, 0, 1, 1]
  first, second = concerns.of(_pictures(labels, ('a', 'b'), 'xxyyyz'))
  assert first == (
    '1 image with the same bytes in several classes: 2.png (a) = 3.png (a) = '
    '4.png (b); leave each in one class'
  )
  assert second.startswith('1 file with the same bytes as another of the class')
  assert '(0.png = 1.png)' in second
  many = _pictures([0] * 5 + [1] * 5, ('a', 'b'), 'vwxyz' * 2)
  (line,) = concerns.of(many)
  assert '5 images ' in line and line.endswith(
    '2.png (a) = 7.png (b) and 2 more; leave each in one class'
  )


@pytest.mark.parametrize(
  'counts, wanted',
  [
    ([2, 19], []),
    ([2, 20], ['classes of very uneven size: c1 has 20 images, c0 has 2; ']),
    ([1, 9], ['1 class with one image (c0): an image alone is never held out']),
    (
      [1, 1, 1, 1, 2],
      ['4 classes with one image (c0, c1, c2 and 1 more): an image alone'],
    ),
    ([1, 990], ['1 class with one', 'very uneven size']),
  ],
)
def test_lonely_and_uneven_classes_are_named(counts, wanted):
  labels = np.repeat(np.arange(len(counts)), counts)
  lines = list(
    concerns.of(_pictures(labels, tuple(f'c{i}' for i in range(len(counts)))))
  )
  assert len(lines) == len(wanted)
  assert all(text in line for text, line in zip(wanted, lines))
  if counts[-1] == 990:
    assert 'always saying c1 would be right for 99.9%' in lines[-1]
