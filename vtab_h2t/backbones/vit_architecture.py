"""What vision transformers differ in."""

from collections.abc import Iterator
import dataclasses
import itertools

from vtab_h2t.backbones import vit_names

# Which tokens have a position embedding: those of patches; the class token as
# well; registers as well.
PATCHES, WITH_CLASS, ALL_TOKENS = 'patches', 'with_class', 'all'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
  """A vision transformer with norms before attention and MLP.

  Attributes:
    width: of tokens.
    depth: number of blocks.
    heads: of each attention; each is width / heads wide.
    mlp: width within an MLP.
    patch: side of a patch in pixels.
    grid: patches along each side of the images that it was trained with; other
      images' position embeddings are interpolated.
    class_token: whether there is one; else tokens of patches are averaged.
    registers: how many tokens stand between the class token and the patches.
    positions: which tokens have position embeddings, of the three above.
    patch_bias: whether the embedding of patches has a bias.
    norm_pre: whether a norm stands before the first block.
    qkv_bias: whether queries, keys and values have biases.
    layer_scale: whether what a block adds is scaled, each channel by a number.
    fc_norm: whether the mean of the patches' tokens is taken, and normed in
      place of all tokens.
    representation: whether a tanh layer is before the logits.
    projection: width of the space that images and texts share; 0 if none.
    classes: of the logits; 0 if there are none.
    activation: of the MLPs; of `vit_names`.
    epsilon: of layer norms.
  """

  width: int
  depth: int
  heads: int
  mlp: int
  patch: int = 16
  grid: int = 14
  class_token: bool = True
  registers: int = 0
  positions: str = WITH_CLASS
  patch_bias: bool = True
  norm_pre: bool = False
  qkv_bias: bool = True
  layer_scale: bool = False
  fc_norm: bool = False
  representation: bool = False
  projection: int = 0
  classes: int = 1000
  activation: str = vit_names.GELU
  epsilon: float = 1e-6

  def __str__(self) -> str:
    return ', '.join(self._described())

  def _described(self) -> Iterator[str]:
    yield (
      f'ViT of width {self.width}, depth {self.depth}, {self.heads} heads and '
      f'patches of {self.patch} pixels'
    )
    if not self.class_token:
      yield 'no class token'
    if self.registers:
      yield f'{self.registers} registers'
    for has, what in (
      (self.norm_pre, 'a norm before the blocks'),
      (self.layer_scale, 'LayerScale'),
      (self.fc_norm, 'the norm after the mean of tokens'),
      (self.representation, 'a layer before the logits'),
    ):
      if has:
        yield what
    if self.projection:
      yield f'a projection to {self.projection}'
    if self.classes:
      yield f'{self.classes} classes'
    yield f'activation {self.activation}'
    yield f'epsilon {self.epsilon:g}'

  @property
  def prefix(self) -> int:
    """How many tokens stand before those of patches."""
    return self.class_token + self.registers

  @property
  def placed_prefix(self) -> int:
    """How many of those have position embeddings."""
    return {
      PATCHES: 0,
      WITH_CLASS: int(self.class_token),
      ALL_TOKENS: self.prefix,
    }[self.positions]

  @property
  def averages(self) -> bool:
    """Whether the embedding is a mean of tokens, not the class token."""
    return self.fc_norm or not self.class_token


def of_width(width: int, heads: int) -> Architecture:
  """A ViT of twelve blocks, as those of Dosovitskiy et al. and DeiT."""
  return Architecture(width=width, depth=12, heads=heads, mlp=4 * width)


# The networks of the paper, and the two smaller ones.
NAMED = {
  'vit_ti16': of_width(192, 3),
  'vit_s16': of_width(384, 6),
  'vit_b16': of_width(768, 12),
}
SMALLEST = NAMED['vit_ti16']
# Their parts for surgical fine-tuning: patterns of layer names. Lee et al. tune
# the embedding, the first three and the last three blocks of a ViT-B/16; the
# six between are two parts more here.
BLOCKS = {
  'embedding': '(patches|cls|position)$',
  'blocks00_02': 'block0[0-2]_',
  'blocks03_05': 'block0[3-5]_',
  'blocks06_08': 'block0[6-8]_',
  'blocks09_11': '(block09_|block1|norm$|pre_logits$)',
}
_PARTS = 4  # Of any other network's blocks.


def blocks(network: Architecture) -> dict[str, str]:
  """Parts of a network, first to last: patterns of layer names.

  The embedding, and its blocks in four parts, or as many as there are blocks;
  what follows the blocks belongs to the last.
  """
  parts = min(_PARTS, network.depth)
  cuts = [network.depth * i // parts for i in range(parts + 1)]
  found = {'embedding': '(patches|cls|registers|position|norm_pre)$'}
  for start, stop in itertools.pairwise(cuts):
    names = [f'block{i:02d}_' for i in range(start, stop)]
    if stop == network.depth:
      names.append('(norm|fc_norm|pre_logits)$')
    found[f'blocks{start:02d}_{stop - 1:02d}'] = f'({"|".join(names)})'
  return found
