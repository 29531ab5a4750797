import pytest

from vtab_h2t import errors
from vtab_h2t.methods import registry
from vtab_h2t.protocol import grids


def test_methods_come_in_the_tables_order():
  assert [m.name for m in registry.methods(['head2toe', 'linear'])] == [
      'linear', 'head2toe']
  assert all(name == m.name for name, m in registry.METHODS.items())


def test_required_methods_come_along():
  assert [m.name for m in registry.methods(['head2toe_ft_plus'])] == [
      'head2toe', 'head2toe_ft', 'head2toe_ft_plus']


def test_table_1_and_the_companions_are_there():
  assert list(registry.METHODS) == [
      'linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe', 'scratch',
      'finetune', 'head2toe_ft', 'head2toe_ft_plus', 'lp_ft', 'surgical',
      'auto_rgn', 'auto_snr', 'head_probe']


def test_unknown_method_is_one_line():
  with pytest.raises(errors.InputError, match='unknown method .*head2toe'):
    registry.methods(['linear', 'nope'])


def test_available_methods_are_those_the_grid_serves():
  names = lambda grid: [m.name for m in registry.available(grid)]
  assert names(grids.quick('efficientnet_lite0')) == list(registry.FROZEN)
  assert names(grids.from_table_2('resnet50', 'dtd')) == [
      'linear', 'all_l21', 'head2toe']
  assert names(grids.get('fixed', 'x', 'y', 'lr=0.1,steps=5')) == ['linear']
