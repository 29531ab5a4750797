"""Two vectors of each depth of a network, as attentive layer fusion reads it.

Of a vision transformer these are the class token and the mean of the tokens of
patches (neither class token nor registers are in it) before the MLP of each
block but the first, through the norm that stands there, and the same two after
the final norm: 24 of a network of twelve blocks. A network without class token
has the means alone. Layers are found by their names; see `transformer_blocks`.

Any other network gives, of the last tap of each of its units (see
`backbone.unit_of`), the mean over all positions of a map, and of tokens the
first and the mean of the others; or, if it has neither, the embedding. A last
vector that is wider than all before it, such as the 1280 numbers of an
EfficientNet's after 320, is cut to parts that are not: narrower vectors are
filled up to the widest, and nearly all that a head learns would stand for that
filling.

Each vector is a block of its own in the layout, so that the rule `selected` of
normalisation gives each unit norm.
"""

from typing import TYPE_CHECKING

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import pooling
from vtab_h2t.features import transformer_blocks

if TYPE_CHECKING:
  import keras


def layout(backbone: backbone_lib.Backbone) -> pooling.Layout:
  """The layout of the vectors, by depth."""
  return pooling.Layout(
    tuple(
      pooling.Block(name, pooling.GLOBAL, x.shape[-1])
      for name, x in outputs(backbone).items()
    )
  )


def outputs(backbone: backbone_lib.Backbone) -> dict[str, 'keras.KerasTensor']:
  """The tensors `[B, d]` whose blocks `layout` names."""
  from keras import ops

  model, found = backbone.model, {}
  for name, x in _read(backbone).items():
    # Means are of float32, whatever the network computes in.
    x = ops.cast(x, 'float32')
    if len(x.shape) == 2:
      found[name] = x
      continue
    if len(x.shape) == 4:
      found[f'{name}.mean'] = ops.mean(x, axis=(1, 2))
      continue
    tokens = x.shape[1]
    before = transformer_blocks.prefix(model, tokens)
    if transformer_blocks.has_class_token(model, tokens):
      found[f'{name}.cls'] = x[:, 0]
    if tokens > before:
      found[f'{name}.mean'] = ops.mean(x[:, before:], axis=1)
  return _cut(found)


def _cut(
  vectors: dict[str, 'keras.KerasTensor'],
) -> dict[str, 'keras.KerasTensor']:
  """The same, the last one in parts if it is wider than all others."""
  *others, last = vectors
  widest = max((vectors[name].shape[-1] for name in others), default=0)
  x = vectors[last]
  width = x.shape[-1]
  if not widest or width <= widest:
    return vectors
  parts = -(-width // widest)
  edges = [width * i // parts for i in range(parts + 1)]
  return {name: vectors[name] for name in others} | {
    f'{last}.part{i}': x[:, edges[i] : edges[i + 1]] for i in range(parts)
  }


def _read(backbone: backbone_lib.Backbone) -> dict[str, 'keras.KerasTensor']:
  """Maps, tokens or a vector that the vectors are taken from, by depth."""
  before_mlps = transformer_blocks.before_mlps(backbone.model)
  final = transformer_blocks.final(backbone.model)
  if before_mlps and final is not None:
    _, *others = before_mlps.items()
    return {f'{block}_norm2': x for block, x in others} | {'norm': final}
  taps = {tap: backbone.model.output[tap] for tap in backbone.taps}
  units = {
    backbone_lib.unit_of(tap): tap
    for tap, x in taps.items()
    if len(x.shape) > 2
  }
  return {tap: taps[tap] for tap in units.values()} or {
    backbone.embedding: taps[backbone.embedding]
  }
