"""What ViTs differ in."""

import pytest

from tests.backbones import vit_rich
from vtab_h2t.training import network as network_lib


@pytest.mark.parametrize('network', [vit_rich.RICH, vit_rich.AVERAGED])
def test_parts_for_surgical_tuning_cover_the_network(network):
  net = network_lib.Network(vit_rich.backbone(network))
  parts = [net.block(name) for name in net.backbone.blocks]
  assert list(net.backbone.blocks) == [
    'embedding',
    'blocks00_00',
    'blocks01_01',
    'blocks02_02',
    'blocks03_04',
  ]
  covered = [i for part in parts for i in part]
  assert covered == sorted(set(covered)) and all(parts)
  rest = {net.layers[i] for i in range(len(net.variables)) if i not in covered}
  assert rest <= {'logits', 'projection'}
