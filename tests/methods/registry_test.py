import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.methods import registry
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
    'linearized',
    'head2toe_ft',
    'head2toe_ft_plus',
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
    assert method.trains_network == (name not in registry.FROZEN)
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
