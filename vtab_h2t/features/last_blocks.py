"""What a network's last blocks give, as DINOv2's linear evaluation reads it.

Of a vision transformer these are the outputs of its last four blocks, each
through the network's final norm: of each the class token, and of the last the
mean of the patches' tokens as well, without registers. Blocks and norm are
found by the names of layers: `blockNN_output`, or `blockNN_add2` where there is
none, and `norm`.

A network without class tokens has no such thing. In place of them stand, of a
transformer, the means of the patches' tokens of the last four blocks; and of a
convolutional network, the means over all positions of the last tap of each of
the last four units (see `backbone.unit_of`), of which the very last is what
most such networks embed images with. Of a transformer whose blocks or norm are
not found, because a SavedModel's signature computes them or because it norms
the mean of its tokens (timm's `fc_norm`), the last tap of tokens stands for
them all; and of a network that has neither maps nor tokens, the embedding.
"""

import re
from typing import TYPE_CHECKING

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import pooling
from vtab_h2t.features import transformer_blocks

if TYPE_CHECKING:
  import keras

MOST = 4  # Blocks.
_BLOCK = re.compile(r'(block\d+)_(add2|output)')
_NORM = 'norm'


def layout(backbone: backbone_lib.Backbone) -> pooling.Layout:
  """The layout of the last blocks, at most `MOST`, by depth."""
  found = _before_norm(backbone)
  blocks = []
  for i, (name, x) in enumerate(found.items(), 1):
    *positions, channels = x.shape[1:]
    if len(positions) != 1 or not _has_class(backbone, x):
      blocks.append(pooling.Block(name, pooling.GLOBAL, channels))
    elif i < len(found) or positions == [_before_patches(backbone, x)]:
      blocks.append(
        pooling.Block(name, pooling.GLOBAL, channels, pooling.CLS_ONLY)
      )
    else:
      blocks.append(
        pooling.Block(name, pooling.GLOBAL, 2 * channels, pooling.CLS_BOTH)
      )
  return pooling.Layout(tuple(blocks))


def outputs(
  backbone: backbone_lib.Backbone,
) -> dict[str, 'keras.KerasTensor']:
  """The tensors whose blocks `layout` names, those that are taps among them."""
  norm, found = _final_norm(backbone.model), _before_norm(backbone)
  return {
    name: _without_registers(backbone, x if norm is None else norm(x))
    for name, x in found.items()
  }


def _without_registers(
  backbone: backbone_lib.Backbone, tokens: 'keras.KerasTensor'
) -> 'keras.KerasTensor':
  """Of tokens `[B, n, d]` that of the class, if there is one, and of patches.

  What is no tokens, is returned as it is.
  """
  from keras import ops

  if len(tokens.shape) != 3:
    return tokens
  before = _before_patches(backbone, tokens)
  if not _has_class(backbone, tokens):
    return tokens[:, before:]
  if before < 2:
    return tokens
  return ops.concatenate([tokens[:, :1], tokens[:, before:]], axis=1)


def _before_patches(
  backbone: backbone_lib.Backbone, tokens: 'keras.KerasTensor'
) -> int:
  """How many of the tokens `[B, n, d]` stand before those of patches."""
  return transformer_blocks.prefix(backbone.model, tokens.shape[1])


def _has_class(
  backbone: backbone_lib.Backbone, tokens: 'keras.KerasTensor'
) -> bool:
  """Whether the first of the tokens `[B, n, d]` is of the class."""
  return transformer_blocks.has_class_token(backbone.model, tokens.shape[1])


def _before_norm(
  backbone: backbone_lib.Backbone,
) -> dict[str, 'keras.KerasTensor']:
  """The same, of a transformer without its final norm, which keeps shapes."""
  model = backbone.model
  if _final_norm(model) is not None:
    # A tap that is called so is not what is read: it may be another set's.
    return {
      f'{block}_last': x for block, x in list(_of_blocks(model).items())[-MOST:]
    }
  taps = {tap: model.output[tap] for tap in backbone.taps}
  tokens = [tap for tap, x in taps.items() if len(x.shape) == 3]
  units = {
    backbone_lib.unit_of(tap): tap
    for tap, x in taps.items()
    if len(x.shape) == 4
  }
  chosen = tokens[-1:] or list(units.values())[-MOST:] or [backbone.embedding]
  return {tap: taps[tap] for tap in chosen}


def _of_blocks(model: 'keras.Model') -> dict[str, 'keras.KerasTensor']:
  """The outputs of a transformer's blocks, by depth."""
  found: dict[str, keras.KerasTensor] = {}
  for layer in model.layers:
    matched = _BLOCK.fullmatch(layer.name)
    if matched:  # An 'output' comes after an 'add2' of the same block.
      found[matched[1]] = layer.output
  return found


def _final_norm(model: 'keras.Model') -> 'keras.Layer | None':
  """The layer that a transformer's last block goes through, if it is one."""
  import keras

  if not _of_blocks(model):
    return None
  for layer in model.layers:
    if layer.name == _NORM and isinstance(
      layer, keras.layers.LayerNormalization
    ):
      return layer
  return None
