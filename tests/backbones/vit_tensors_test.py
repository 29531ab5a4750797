"""Where weights of ViTs are in files."""

import pytest

from vtab_h2t.backbones import vit_tensors


@pytest.mark.parametrize('count', [202, 200, 198])
def test_orders_are_those_of_a_flattened_tree(count):
  """Keys sorted at each level, with and without the last layers."""
  orders = vit_tensors.augreg_orders(12, count)
  assert len(orders) == {202: 1, 200: 2, 198: 1}[count]
  for order in orders:
    assert len(order) == len(set(order)) == count
    tree = {}
    for name in order:
      *parents, leaf = name.split('/')
      inner = tree
      for parent in parents:
        inner = inner.setdefault(parent, {})
      inner[leaf] = name
    assert _flat(tree) == order
  assert not vit_tensors.augreg_orders(12, count + 1)


def _flat(tree):
  """The leaves of a tree in the order of its sorted keys."""
  if isinstance(tree, str):
    return [tree]
  return [leaf for key in sorted(tree) for leaf in _flat(tree[key])]
