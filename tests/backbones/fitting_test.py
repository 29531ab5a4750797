"""Comparing a file's tensors with a network's."""

import numpy as np

from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import importing

_ABOUT = fitting.Fit(backbone='b', scheme='s')
_WANTED = {'a': (2, 3), 'b': (4,), 'c': (5,), 'd': ()}


def test_all_tensors_fit():
  fit = fitting.compare(_WANTED, dict(_WANTED), _ABOUT)
  assert fit.is_whole and not list(fit.faults())
  assert (fit.matched, fit.wanted, fit.share) == (4, 4, 1)


def test_each_fault_is_told():
  found = {'a': (3, 2), 'b': (4,), 'x': (1,), 'd': ()}
  fit = fitting.compare(_WANTED, found, _ABOUT)
  assert not fit.is_whole
  assert (fit.matched, fit.wanted) == (2, 4)
  assert fit.missing == ('c',) and fit.left_over == ('x',)
  assert fit.misshapen == {'a': ((3, 2), (2, 3))}
  assert fit.share == (2 + 0.5) / 5
  assert list(fit.faults()) == [
    'lacks c',
    'has besides x',
    'has of other shapes a [3, 2], not [2, 3]',
  ]


def test_a_reader_that_refuses_is_not_whole():
  about = fitting.Fit(backbone='b', scheme='s', fault='has groups')
  fit = fitting.compare(_WANTED, dict(_WANTED), about)
  assert not fit.is_whole and list(fit.faults()) == ['has groups']
  assert not _ABOUT.is_whole and _ABOUT.share == 0


def test_lists_are_cut_short():
  assert fitting.shown('abcde') == 'a, b, c and 2 more'
  assert fitting.shown('abc') == 'a, b, c'
  assert fitting.shown(['a\nb']) == 'a b'


def test_shapes_of_a_plan_are_the_files():
  weights = {
    'conv/kernel': (3, 3, 2, 8),
    'head/kernel': (8, 5),
    'head/bias': (5,),
    'twice/kernel': (8, 5),
  }
  plan = {
    'conv/kernel': importing.Tensor(
      'c.weight', lambda x: x.transpose(2, 3, 1, 0)
    ),
    'head/kernel': importing.Tensor('fc.weight', np.transpose),
    'head/bias': importing.Tensor('fc.bias'),
    'twice/kernel': importing.Tensor(
      'one.weight', lambda x: np.squeeze(x.transpose(2, 3, 1, 0), (0, 1))
    ),
  }
  wanted = {
    'c.weight': (8, 2, 3, 3),
    'fc.weight': (5, 8),
    'fc.bias': (5,),
    'one.weight': (5, 8, 1, 1),
  }
  assert fitting.shapes_of_plan(weights, plan, {}) == wanted
  other = dict.fromkeys(wanted, (7,))
  assert fitting.shapes_of_plan(weights, plan, other) == wanted


def test_prefix():
  names = ['m.e.x.weight', 'm.e.y.weight', 'm.head', 'm.f.e.x.weight']
  assert fitting.prefix_of(names, 'x.weight') == 'm.e.'
  assert fitting.prefix_of(['a/x'], 'x') == 'a/'
  assert fitting.prefix_of(['ax'], 'x') == ''
  assert fitting.numbers({'a': (2, 3), 'b': ()}) == 7
