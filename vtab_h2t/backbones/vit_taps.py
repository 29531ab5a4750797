"""Sets of taps of vision transformers."""

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import vit_architecture

# The paper's, the released code's; what blocks give; and the tokens of the last
# block, or of the last four, through the final norm, as DINOv2's linear
# evaluation reads them.
RELEASED, BLOCKS = 'released', 'blocks'
_LAST = {'last_1': 1, 'last_4': 4}
SETS = (backbone_lib.ALL_TAPS, RELEASED, BLOCKS, *_LAST)
_IN_BLOCKS = 'norm', 'attention', 'mlp1', 'mlp2'


def names(
  network: vit_architecture.Architecture, tap_set: str
) -> tuple[str, ...]:
  """The taps of a set, by depth.

  Args:
    network: whose.
    tap_set: of `SETS`.

  Raises:
    errors.InputError: the network has no such taps.
  """
  if tap_set == BLOCKS:
    outputs = [f'block{i:02d}_output' for i in range(network.depth)]
    return (*outputs, 'pre_logits')
  if tap_set in _LAST:
    if network.fc_norm:
      raise errors.InputError(
        f'taps {tap_set} are tokens through the final norm, which this network '
        f'has after the mean of its tokens; use {BLOCKS}'
      )
    outputs = [f'block{i:02d}_normed' for i in normed(network, tap_set)]
    return (*outputs, 'pre_logits')
  is_released = tap_set == RELEASED
  found = ['unembedded'] if is_released else []
  found.append('embedded')
  if network.norm_pre:
    found.append('norm_pre')
  for i in range(network.depth):
    found += [f'block{i:02d}_{part}' for part in _IN_BLOCKS]
  if not network.fc_norm:
    found.append('norm')
  if is_released:
    return (*found, 'cls_embedded', 'pre_logits')
  found.append('pre_logits')
  if network.projection:
    found.append('projection')
  if network.classes:
    found.append('logits')
  return tuple(found)


def normed(
  network: vit_architecture.Architecture, tap_set: str
) -> tuple[int, ...]:
  """The blocks whose outputs go through the final norm, by depth."""
  count = _LAST.get(tap_set, 0)
  return tuple(range(max(network.depth - count, 0), network.depth))
