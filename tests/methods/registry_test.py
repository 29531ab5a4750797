import abc
import dataclasses

import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.methods import interface
from vtab_h2t.methods import registry
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids


def test_required_methods_come_along_in_the_tables_order():
  assert registry.with_required(['head2toe_ft_plus']) == [
    'head2toe',
    'head2toe_ft',
    'head2toe_ft_plus',
  ]
  assert registry.with_required(['head2toe', 'linear']) == [
    'linear',
    'head2toe',
  ]
  assert registry.with_required([]) == []


def test_table_1_and_the_companions_are_there():
  assert registry.METHODS == (
    'linear',
    'all_l2',
    'all_l1',
    'all_l21',
    'head2toe',
    'scratch',
    'finetune',
    'head2toe_ft',
    'head2toe_ft_plus',
    'ridge',
    'all_ridge',
    'logistic',
    'all_logistic',
    'knn',
    'dino_linear',
    'alf',
    'vqt',
    'linearized',
    'lp_ft',
    'surgical',
    'auto_rgn',
    'auto_snr',
    'head_probe',
  )
  assert list(registry.METHODS) == sorted(
    [*registry.MEASURED, *registry.DERIVED], key=registry.METHODS.index
  )


@pytest.mark.parametrize('backbone', ['resnet50', 'vit_b16'])
def test_methods_come_in_the_order_of_table_1(backbone):
  table = published.table('table1_accuracy')
  printed = list(table[table.backbone == backbone].method.unique())
  assert printed == [m for m in registry.METHODS if m in printed]


def test_names_are_those_of_the_methods():
  for found in (registry.MEASURED, registry.DERIVED):
    assert all(name == method.name for name, method in found.items())
  for name, method in registry.MEASURED.items():
    frozen = {*registry.FROZEN, *registry.SUCCESSORS} - {'vqt'}
    assert method.trains_network == (name not in frozen)
    assert (method.folder, method.file) == ('rows', name)


def test_unknown_method_is_one_line():
  with pytest.raises(errors.InputError, match='unknown method .*head2toe'):
    registry.check('nope', grids.quick('efficientnet_lite0'))


@pytest.mark.parametrize('name', registry.METHODS)
def test_a_space_without_what_a_method_needs_is_one_line(name):
  registry.check(name, testing.tiny_space())
  with pytest.raises(errors.InputError) as e:
    registry.check(name, grids.single('fixed', 'resnet50', {}))
  assert name in str(e.value) and '\n' not in str(e.value)


def test_available_methods_are_those_the_space_serves():
  available = registry.available
  assert available(grids.quick('efficientnet_lite0')) == list(registry.FROZEN)
  assert available(grids.from_table_2('resnet50').of_task('dtd')) == [
    'linear',
    'all_l21',
    'head2toe',
  ]
  assert available(grids.get('fixed', 'y', 'lr=0.1,steps=5')) == ['linear']


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(space_lib.Options):
  steps: tuple[int, ...] = (5,)


class _Undecorated(space_lib.Options):
  steps: tuple[int, ...] = (5,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Lacking(space_lib.Options):
  steps: tuple[int, ...]
  rate: float = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Odd(space_lib.Options):
  rates: object = (0.1, float('nan'))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Nested(space_lib.Options):
  rates: object = ((0.1,),)


def _method(name='mine', options_type=_Options, label=None):
  """A method that needs nothing, registered or not."""
  missing = dict.fromkeys(interface.Searched.__abstractmethods__, lambda *a: ())
  given = {'name': name, 'options_type': options_type, 'label': label}
  return abc.ABCMeta(
    'Mine',
    (interface.Searched,),
    missing | {k: v for k, v in given.items() if v is not None},
  )()


@pytest.fixture
def registered(monkeypatch):
  """What a test registers is gone after it."""
  monkeypatch.setattr(registry, 'REGISTERED', {})
  for name in list(registry.LABELS):  # Tables read this one.
    monkeypatch.delitem(registry.LABELS, name)
  return registry.REGISTERED


def test_a_registered_method_is_only_where_it_is_named(registered):
  before = list(registry.METHODS), set(registry.MEASURED), set(registry.FROZEN)
  method = _method()
  registry.register(method)
  assert registered == {'mine': method}
  assert before == (
    list(registry.METHODS),
    set(registry.MEASURED),
    set(registry.FROZEN),
  )
  registry.check_name('mine')
  assert registry.with_required(['mine', 'head_probe', 'head2toe_ft_plus']) == [
    'head2toe',
    'head2toe_ft',
    'head2toe_ft_plus',
    'head_probe',
    'mine',
  ]
  assert registry.measured(['mine', 'head2toe_ft_plus']) == [
    registry.MEASURED['head2toe'],
    registry.MEASURED['head2toe_ft'],
    method,
  ]
  assert 'mine' not in registry.available(grids.get('quick', 'resnet50'))
  with pytest.raises(errors.InputError, match='unknown .*, head_probe, mine$'):
    registry.check_name('nope')


def test_tables_know_a_registered_method_by_its_label_or_its_name(registered):
  registry.register(_method())
  registry.register(_method('other', label='My method'))
  assert registry.LABELS == {'mine': 'mine', 'other': 'My method'}


def test_a_space_from_before_a_method_was_registered_is_one_line(registered):
  space = grids.get('quick', 'resnet50')
  registry.register(_method())
  with pytest.raises(
    errors.InputError, match='no options for mine, because it was made before'
  ):
    registry.check('mine', space)
  registry.check('mine', grids.get('quick', 'resnet50'))


@pytest.mark.parametrize(
  'method, message',
  [
    (_method, 'takes an object of a class that derives from .*, not <function'),
    (type(_method()), 'takes an object of a class .*, not <class '),
    (_method(None), 'the method Mine has no name; set its attribute name'),
    (_method(7), 'the method Mine has no name'),
    (_method('Mine'), "method 'Mine': a name has lower-case letters"),
    (_method('../up'), 'a name has lower-case'),
    (_method('linear'), '^the method name linear is taken; choose another$'),
    (_method('head2toe_ft_plus'), 'name head2toe_ft_plus is taken'),
    (_method('all'), 'name all is taken'),
    (_method('there'), 'name there is taken'),
    (_method('x', None), '^method x: its options_type must be a class .* None'),
    (_method('x', dict), 'derives from methods.space.Options, not <class'),
    (_method('x', _Undecorated), 'its _Undecorated must be a dataclass; add @'),
    (_method('x', _Lacking), 'its options steps need defaults'),
    (_method('x', _Odd), r'its option rates is \(0.1, nan\), but options are'),
    (_method('x', _Nested), r'its option rates is \(\(0.1,\),\)'),
    (_method(label=7), '^method mine: its label must be a text of .*, not 7$'),
    (_method(label='a\nb'), r"label must be a text of one line, not 'a\\nb'"),
    (_method(label='a|b'), r"its label 'a\|b' must have no | in it"),
    (_method(label=' a'), "its label ' a' must have no .* spaces"),
  ],
)
def test_what_cannot_be_registered_is_one_line(registered, method, message):
  registry.register(_method('there'))
  with pytest.raises(errors.InputError, match=message) as e:
    registry.register(method)
  assert '\n' not in str(e.value) and set(registered) == {'there'}
