"""The blocks of a vision transformer, as they stand in a network's graph.

A block is found by the names of its layers: `blockNN_norm` before its
attention, `blockNN_attention`, `blockNN_norm2` before its MLP, and
`blockNN_output`, or `blockNN_add2` where there is none, which gives what it
hands on. The final norm is called `norm`, the convolution that cuts an image
into patches `patches`, and what adds tokens before those `cls` and `registers`.
"""

from collections.abc import Mapping
import dataclasses
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import keras

_LAYER = re.compile(r'(block\d+)_(norm|attention|norm2|add2|output)')
_NORM, _PATCHES = 'norm', 'patches'
_CLASS, _REGISTERS = 'cls', 'registers'
_OUTPUTS = 'add2', 'output'


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Block:
  """One block; tensors are tokens, `[B, n, d]`.

  Attributes:
    name: as in the names of its layers.
    given: what it is given.
    normed: the same through the norm before attention, which reads nothing
      else.
    attention: the layer.
    attended: what that gives.
    output: what the block gives.
  """

  name: str
  given: 'keras.KerasTensor'
  normed: 'keras.KerasTensor'
  attention: 'keras.layers.MultiHeadAttention'
  attended: 'keras.KerasTensor'
  output: 'keras.KerasTensor'


def blocks(model: 'keras.Model') -> list[Block]:
  """The blocks by depth; none of a network that has others, or no blocks."""
  import keras

  found = []
  for name, parts in _layers(model).items():
    if not {'norm', 'attention'} <= parts.keys():
      return []
    norm, attention = parts['norm'], parts['attention']
    last = parts.get('output') or parts.get('add2')
    if last is None or not isinstance(
      attention, keras.layers.MultiHeadAttention
    ):
      return []
    found.append(
      Block(
        name=name,
        given=norm.input,
        normed=norm.output,
        attention=attention,
        attended=attention.output,
        output=last.output,
      )
    )
  return found


def before_mlps(model: 'keras.Model') -> dict[str, 'keras.KerasTensor']:
  """What each block's MLP reads, by the block's name, in order of depth."""
  return {
    name: parts['norm2'].output
    for name, parts in _layers(model).items()
    if 'norm2' in parts
  }


def final(model: 'keras.Model') -> 'keras.KerasTensor | None':
  """All tokens through the final norm `[B, n, d]`, if there is one.

  Where other blocks' outputs go through it, too, as taps, it is the last one's.
  """
  last = [
    layer.output
    for layer in model.layers
    if (found := _LAYER.fullmatch(layer.name)) and found[2] in _OUTPUTS
  ][-1:]
  for layer in model.layers:
    if layer.name != _NORM or len(layer.output.shape) != 3:
      continue
    for node in layer._inbound_nodes:  # pylint: disable=protected-access
      if last and node.input_tensors[0] is last[0]:
        return node.output_tensors[0]
    return layer.output
  return None


def prefix(model: 'keras.Model', tokens: int) -> int:
  """How many of so many tokens stand before those of patches.

  The first of them is the class token, if there is one (`has_class_token`).
  Where the patches are out of reach, it alone is.
  """
  for layer in model.layers:
    if layer.name == _PATCHES and len(layer.output.shape) == 4:
      _, height, width, _ = layer.output.shape
      return max(tokens - height * width, 0)
  return 1


def has_class_token(model: 'keras.Model', tokens: int) -> bool:
  """Whether the first of so many tokens is the class token."""
  names = {layer.name for layer in model.layers}
  return prefix(model, tokens) > 0 and not (
    _REGISTERS in names and _CLASS not in names
  )


def patch_inputs(model: 'keras.Model') -> int:
  """How many numbers of an image a patch has; 16 by 16 pixels by default."""
  for layer in model.layers:
    if layer.name == _PATCHES and hasattr(layer, 'kernel'):
      return math.prod(layer.kernel.shape[:-1])
  return 3 * 16 * 16


def _layers(model: 'keras.Model') -> Mapping[str, dict[str, 'keras.Layer']]:
  """The named layers of each block, by depth."""
  found: dict[str, dict[str, keras.Layer]] = {}
  for layer in model.layers:
    matched = _LAYER.fullmatch(layer.name)
    if matched:
      found.setdefault(matched[1], {})[matched[2]] = layer
  return found
