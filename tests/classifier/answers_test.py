import numpy as np
import pytest

from vtab_h2t.classifier import answers as answers_lib

_ROW = np.array([0.1, 0.6, 0.3], np.float32)
_TIED = np.array([0.4, 0.2, 0.4], np.float32)


def _answers(**given):
  return answers_lib.Answers(classes=('a', 'b', 'c'), **given)


@pytest.mark.parametrize(
  'given, header, cells',
  [
    (
      {},
      'path class a b c',
      ['x.png', 'b', '0.100000', '0.600000', '0.300000'],
    ),
    ({'top': 1}, 'path class probability', ['x.png', 'b', '0.600000']),
    (
      {'top': 2, 'min_confidence': 0.7},
      'path class review probability class_2 probability_2',
      ['x.png', 'b', 'yes', '0.600000', 'c', '0.300000'],
    ),
    (
      {'top': 9, 'min_confidence': 0.5, 'has_errors': True},
      'path class review error probability class_2 probability_2 '
      'class_3 probability_3',
      ['x.png', 'b', '', '', '0.600000', 'c', '0.300000', 'a', '0.100000'],
    ),
    (
      {'has_errors': True},
      'path class error a b c',
      ['x.png', 'b', '', '0.100000', '0.600000', '0.300000'],
    ),
  ],
)
def test_lines_of_a_csv(given, header, cells):
  answers = _answers(**given)
  assert answers.header() == header.split()
  assert answers.cells('x.png', _ROW) == cells
  if answers.has_errors:
    wanted = [
      {'path': 'y.png', 'error': 'bad'}.get(name, '')
      for name in answers.header()
    ]
    assert answers.error_cells('y.png', 'bad') == wanted


def test_a_class_may_be_called_as_a_column_is():
  answers = answers_lib.Answers(classes=('error', 'path'), has_errors=True)
  assert answers.error_cells('y', 'bad') == ['y', '', 'bad', '', '']


def test_json_objects():
  assert _answers().fields('x', _ROW) == {
    'path': 'x',
    'class': 'b',
    'probabilities': {'a': 0.1, 'b': 0.6, 'c': 0.3},
  }
  found = _answers(top=2, min_confidence=0.4).fields('x', _TIED)
  assert found == {
    'path': 'x',
    'class': 'a',
    'review': False,
    'probabilities': {'a': 0.4, 'c': 0.4},
  }
  assert list(found['probabilities']) == ['a', 'c']


def test_what_is_less_probable_is_for_a_person():
  assert not _answers().is_unsure(_ROW)
  assert _answers(min_confidence=0.7).is_unsure(_ROW)
  assert not _answers(min_confidence=float(_ROW[1])).is_unsure(_ROW)
