"""Vision transformers (Dosovitskiy et al., 2021) as functional Keras models.

`vit_architecture` says what they differ in; `vit_names` whose files are read.

Taps (Head2Toe, Appendix C): the embedded tokens; in each block the first layer
norm, attention and both MLP layers (attention and the second before they are
scaled, if they are, and added to their input); the final norm; the class token,
or the mean of tokens (pre-logits); the logits, if there are any. A norm before
the blocks and a projection beside the logits are taps where there are such.
The released code's configuration lists others: no logits, but the tokens before
position embeddings, and the class token beside the pre-logits, which are the
same where a network has no layer between it and the logits. `vit_taps` has the
other sets.
"""

from collections.abc import Mapping, Sequence

import keras
from keras import layers
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_heads
from vtab_h2t.backbones import vit_layers
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_reading
from vtab_h2t.backbones import vit_saved
from vtab_h2t.backbones import vit_taps
from vtab_h2t.backbones import vit_tensors

# Any vision transformer; those of `vit_architecture.NAMED` are one each.
NAME = 'vit'
_ACTIVATIONS = {
  vit_names.GELU: 'gelu',
  vit_names.GELU_TANH: vit_layers.gelu_tanh,
  vit_names.QUICK_GELU: vit_layers.quick_gelu,
}


def build(
  network: vit_architecture.Architecture,
  image_size: int,
  tap_set: str = backbone_lib.ALL_TAPS,
  name: str = NAME,
) -> tuple[keras.Model, tuple[str, ...]]:
  """Builds a model with its taps, randomly initialised.

  Args:
    network: which one.
    image_size: side of the square input in pixels, a multiple of the patch's.
    tap_set: of `vit_taps.SETS`.
    name: of the model.

  Returns:
    The functional model (dict of outputs) and the tap names, by depth.

  Raises:
    errors.InputError: an image size that is no multiple of the patch's side, or
      taps that the network has not.
  """
  patch, width = network.patch, network.width
  if image_size < patch or image_size % patch:
    raise errors.InputError(
      f'{name} needs an image size that is a multiple of {patch}, not '
      f'{image_size}'
    )

  taps: dict[str, keras.KerasTensor] = {}
  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = layers.Conv2D(
    width, patch, patch, use_bias=network.patch_bias, name='patches'
  )(inputs)
  x = layers.Reshape((-1, width), name='patches_flat')(x)
  x = _with_tokens(network, x, taps)
  if network.norm_pre:
    x = taps['norm_pre'] = _norm(network, 'norm_pre')(x)
  for i in range(network.depth):
    x = _block(network, i, x, taps)
  if not network.fc_norm:
    # The last block is what goes through it first: see `transformer_blocks`.
    norm = _norm(network, 'norm')
    x = taps['norm'] = norm(x)
    last = network.depth - 1
    for i in vit_taps.normed(network, tap_set):
      taps[f'block{i:02d}_normed'] = (
        x if i == last else norm(taps[f'block{i:02d}_output'])
      )
  _head(network, x, taps)
  taps = {tap: taps[tap] for tap in vit_taps.names(network, tap_set)}
  # What no tap needs (the classifier, if logits are left out) is left out too.
  model = keras.Model(inputs, taps, name=name)
  model.trainable = False
  return model, tuple(taps)


def _norm(network: vit_architecture.Architecture, name: str) -> keras.Layer:
  return layers.LayerNormalization(epsilon=network.epsilon, name=name)


def _with_tokens(
  network: vit_architecture.Architecture,
  x: keras.KerasTensor,
  taps: dict[str, keras.KerasTensor],
) -> keras.KerasTensor:
  """All tokens with their positions, of those of patches `[B, n, C]`."""
  position = vit_layers.PositionEmbedding(name='position')
  if network.positions == vit_architecture.PATCHES:
    taps['unembedded'] = x
    x = position(x)
  if network.class_token:
    x = vit_layers.ClassToken(name='cls')(x)
  if network.positions == vit_architecture.WITH_CLASS:
    taps['unembedded'] = x
    x = position(x)
  if network.registers:
    x = vit_layers.Registers(
      network.registers, int(network.class_token), name='registers'
    )(x)
  if network.positions == vit_architecture.ALL_TOKENS:
    taps['unembedded'] = x
    x = position(x)
  taps['embedded'] = x
  return x


def _block(
  network: vit_architecture.Architecture,
  i: int,
  x: keras.KerasTensor,
  taps: dict[str, keras.KerasTensor],
) -> keras.KerasTensor:
  """What a block gives for tokens `[B, n, C]`."""
  block, width = f'block{i:02d}', network.width
  y = taps[f'{block}_norm'] = _norm(network, f'{block}_norm')(x)
  y = taps[f'{block}_attention'] = layers.MultiHeadAttention(
    network.heads, width // network.heads, name=f'{block}_attention'
  )(y, y)
  if network.layer_scale:
    y = vit_layers.LayerScale(name=f'{block}_scale1')(y)
  x = layers.Add(name=f'{block}_add1')([x, y])
  y = _norm(network, f'{block}_norm2')(x)
  y = taps[f'{block}_mlp1'] = layers.Dense(
    network.mlp, _ACTIVATIONS[network.activation], name=f'{block}_mlp1'
  )(y)
  y = taps[f'{block}_mlp2'] = layers.Dense(width, name=f'{block}_mlp2')(y)
  if network.layer_scale:
    y = vit_layers.LayerScale(name=f'{block}_scale2')(y)
  x = taps[f'{block}_output'] = layers.Add(name=f'{block}_add2')([x, y])
  return x


def _head(
  network: vit_architecture.Architecture,
  x: keras.KerasTensor,
  taps: dict[str, keras.KerasTensor],
) -> None:
  """Adds what follows the tokens `[B, n, C]`."""

  def pooled(name: str) -> keras.KerasTensor:
    if network.averages:
      return vit_layers.PatchMean(network.prefix, name=name)(x)
    return layers.Lambda(vit_layers.first_token, name=name)(x)

  taps['cls_embedded'] = pooled('cls_embedded')
  if network.fc_norm:
    taps['cls_embedded'] = _norm(network, 'fc_norm')(taps['cls_embedded'])
  if network.representation:
    y = layers.Dense(network.width, 'tanh', name='pre_logits')(
      taps['cls_embedded']
    )
  else:
    y = taps['cls_embedded'] if network.fc_norm else pooled('pre_logits')
  taps['pre_logits'] = y
  if network.projection:
    taps['projection'] = layers.Dense(
      network.projection, use_bias=False, name='projection'
    )(y)
  if network.classes:
    taps['logits'] = layers.Dense(network.classes, name='logits')(y)


def load(
  model: keras.Model,
  found: vit_reading.Reading,
  tensors: Mapping[str, np.ndarray],
  file: str,
) -> None:
  """Loads tensors; those of layers that no tap needs may be left over.

  Args:
    model: of `build`, of any image size.
    found: what the tensors are.
    tensors: by the names that the file has.
    file: where they are from, for messages.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  named = {name: tensors[stored] for name, stored in found.stored.items()}
  patches = model.get_layer('patches').output.shape
  plan = vit_tensors.plan(found.scheme, found.network, grid=patches[1])
  importing.load(
    model, plan, named, file, ignored={tensor.name for tensor in plan.values()}
  )


def _of_file(
  name: str, weights: str, image_size: int, tap_set: str
) -> backbone_lib.Backbone:
  """Builds the network that a file holds, with its tensors as weights."""
  stored = tensors_lib.read(weights)
  shapes = {name: array.shape for name, array in stored.arrays.items()}
  found = vit_reading.identify(shapes, weights)
  network = found.network
  if found.scheme is vit_names.TIMM and network.class_token:
    positions = stored.arrays[found.stored[vit_names.TIMM.weight('position')]]
    vit_heads.check_positions(positions, weights)
  fed, blocks = found.input(stored.within), vit_architecture.blocks(network)
  if name != NAME:
    vit_reading.check_named(found, name, tap_set, weights)
    if found.scheme is vit_names.TIMM:  # As these networks' files always were.
      fed = preprocessing.HALF
    blocks = vit_architecture.BLOCKS
  model, taps = build(network, image_size, tap_set, name)
  load(model, found, stored.arrays, weights)
  return _backbone(
    name,
    model,
    taps,
    image_size,
    fed,
    found.sha256(stored.sha256),
    tap_set,
    blocks,
  )


def _backbone(
  name: str,
  model: keras.Model,
  taps: Sequence[str],
  image_size: int,
  fed: preprocessing.Input,
  sha256: str,
  tap_set: str,
  blocks: Mapping[str, str],
) -> backbone_lib.Backbone:
  return backbone_lib.Backbone(
    name=name,
    model=model,
    taps=tuple(taps),
    embedding='pre_logits',
    image_size=image_size,
    input=fed,
    weights_sha256=sha256,
    tap_set=tap_set,
    blocks=blocks,
  )


def _random(name: str, image_size: int, tap_set: str) -> backbone_lib.Backbone:
  """With kernels of noise; `NAME` is then a ViT-Ti/16."""
  network = vit_architecture.NAMED.get(name, vit_architecture.SMALLEST)
  model, taps = build(network, image_size, tap_set, name)
  rng = np.random.default_rng(0)
  for weight in model.weights:
    if weight.name == 'kernel':
      value = rng.normal(0, 0.02, tuple(weight.shape))
      weight.assign(value.astype(np.float32))
  fed, blocks = preprocessing.HALF, vit_architecture.BLOCKS
  sha256 = backbone_lib.hash_weights(model)
  return _backbone(name, model, taps, image_size, fed, sha256, tap_set, blocks)


def vit(
  name: str, weights: str, image_size: int, tap_set: str = backbone_lib.ALL_TAPS
) -> backbone_lib.Backbone:
  """A ViT.

  Args:
    name: 'vit_ti16', 'vit_s16' or 'vit_b16'; or 'vit', which is whatever ViT a
      file holds.
    weights: 'random'; a file that `tensors.read` reads, with names of
      `vit_names.SCHEMES`; or, but of 'vit', a SavedModel with the endpoints
      that the released code reads, see `saved_model.fetch` and `reading.read`.
    image_size: side of the input in pixels.
    tap_set: of `vit_taps.SETS`.

  Raises:
    errors.InputError: the weights cannot be read or do not fit.
  """
  if weights == 'random':
    return _random(name, image_size, tap_set)
  if not saved_model.is_location(weights):
    return _of_file(name, weights, image_size, tap_set)
  if name == NAME:
    raise errors.InputError(
      f'{NAME} reads files of tensors; SavedModels are read as one of '
      f'{", ".join(vit_architecture.NAMED)}'
    )
  return vit_saved.read(name, weights, image_size, tap_set, build)
