"""Vision transformers (Dosovitskiy et al., 2021) as functional Keras models.

Pre-norm blocks, learned position embeddings, a class token, exact GELU, layer
norm epsilon 1e-6; inputs are `pixel / 127.5 - 1`.

Taps (Head2Toe, Appendix C): the embedded patches; in each block the first layer
norm, attention and both MLP layers (attention and the second before they are
added to their input); the final norm; the class token (pre-logits); the logits.
The released code's configuration lists others: no logits, but the tokens before
position embeddings, and the class token beside the pre-logits, which are the
same where a network has no layer between it and the logits.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools

import keras
from keras import layers
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import reading
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.backbones import vit_names

_EPSILON = 1e-6
_PATCH, _DEPTH = 16, vit_names.DEPTH
# Of each set of taps, those of the model that it leaves out.
_LEFT_OUT = {
  backbone_lib.ALL_TAPS: ('unembedded', 'cls_embedded'),
  'released': ('logits',),
}
TAP_SETS = tuple(_LEFT_OUT)
# Lee et al. tune the embedding, the first three and the last three blocks of a
# ViT-B/16; the six between are two parts more here.
BLOCKS = {
  'embedding': '(patches|cls|position)$',
  'blocks00_02': 'block0[0-2]_',
  'blocks03_05': 'block0[3-5]_',
  'blocks06_08': 'block0[6-8]_',
  'blocks09_11': '(block09_|block1|norm$|pre_logits$)',
}
_WIDTHS = {'vit_ti16': (192, 3), 'vit_s16': (384, 6), 'vit_b16': (768, 12)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
  """What differs between published ViTs of one size.

  Attributes:
    classes: of the logits.
    representation: whether a tanh layer is between the class token and them.
    approximate_gelu: whether GELU is the tanh approximation, as in JAX.
  """

  classes: int = 1000
  representation: bool = False
  approximate_gelu: bool = False


@keras.saving.register_keras_serializable(package='vtab_h2t')
class ClassToken(keras.layers.Layer):
  """Puts a learned token before `[B, n, C]` tokens."""

  def build(self, shape: Sequence[int | None]) -> None:
    self.token = self.add_weight(
      shape=(1, 1, shape[-1]), initializer='zeros', name='token'
    )

  def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
    batch = keras.ops.shape(x)[0]
    token = keras.ops.broadcast_to(self.token, (batch, 1, x.shape[-1]))
    return keras.ops.concatenate([token, x], axis=1)


@keras.saving.register_keras_serializable(package='vtab_h2t')
class PositionEmbedding(keras.layers.Layer):
  """Adds a learned vector to each of `[B, n, C]` tokens."""

  def build(self, shape: Sequence[int | None]) -> None:
    self.embedding = self.add_weight(
      shape=(1, *shape[1:]), initializer='zeros', name='embedding'
    )

  def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
    return x + self.embedding


def build(
  name: str,
  image_size: int,
  tap_set: str = backbone_lib.ALL_TAPS,
  variant: Variant = Variant(),
) -> tuple[keras.Model, tuple[str, ...]]:
  """Builds a model with its taps, randomly initialised.

  Args:
    name: 'vit_ti16', 'vit_s16' or 'vit_b16'.
    image_size: side of the square input, a multiple of 16 pixels.
    tap_set: 'all' (the paper's) or 'released' (the released code's).
    variant: its head and activation.

  Returns:
    The functional model (dict of outputs) and the tap names, by depth.

  Raises:
    errors.InputError: an image size that is no multiple of 16.
  """
  if image_size < _PATCH or image_size % _PATCH:
    raise errors.InputError(
      f'{name} needs an image size that is a multiple of {_PATCH}, not '
      f'{image_size}'
    )
  width, heads = _WIDTHS[name]

  def norm(name: str) -> keras.Layer:
    return layers.LayerNormalization(epsilon=_EPSILON, name=name)

  taps = {}
  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = layers.Conv2D(width, _PATCH, _PATCH, name='patches')(inputs)
  x = layers.Reshape((-1, width), name='patches_flat')(x)
  x = taps['unembedded'] = ClassToken(name='cls')(x)
  x = taps['embedded'] = PositionEmbedding(name='position')(x)
  for i in range(_DEPTH):
    block = f'block{i:02d}'
    y = taps[f'{block}_norm'] = norm(f'{block}_norm')(x)
    y = taps[f'{block}_attention'] = layers.MultiHeadAttention(
      heads, width // heads, name=f'{block}_attention'
    )(y, y)
    x = layers.Add(name=f'{block}_add1')([x, y])
    y = norm(f'{block}_norm2')(x)
    y = taps[f'{block}_mlp1'] = layers.Dense(
      4 * width,
      _gelu_tanh if variant.approximate_gelu else 'gelu',
      name=f'{block}_mlp1',
    )(y)
    y = taps[f'{block}_mlp2'] = layers.Dense(width, name=f'{block}_mlp2')(y)
    x = layers.Add(name=f'{block}_add2')([x, y])
  x = taps['norm'] = norm('norm')(x)
  taps['cls_embedded'] = layers.Lambda(_first_token, name='cls_embedded')(x)
  if variant.representation:
    x = layers.Dense(width, 'tanh', name='pre_logits')(taps['cls_embedded'])
  else:
    x = layers.Lambda(_first_token, name='pre_logits')(x)
  taps['pre_logits'] = x
  taps['logits'] = layers.Dense(variant.classes, name='logits')(x)
  taps = {tap: taps[tap] for tap in tap_names(tap_set)}
  # What no tap needs (the classifier, if logits are left out) is left out too.
  model = keras.Model(inputs, taps, name=name)
  model.trainable = False
  return model, tuple(taps)


@keras.saving.register_keras_serializable(package='vtab_h2t')
def _first_token(x: keras.KerasTensor) -> keras.KerasTensor:
  return x[:, 0]


@keras.saving.register_keras_serializable(package='vtab_h2t')
def _gelu_tanh(x: keras.KerasTensor) -> keras.KerasTensor:
  return keras.activations.gelu(x, approximate=True)


def tap_names(tap_set: str) -> tuple[str, ...]:
  """The taps of a set, by depth."""
  names = ['unembedded', 'embedded']
  for i in range(_DEPTH):
    names += [
      f'block{i:02d}_{part}' for part in ('norm', 'attention', 'mlp1', 'mlp2')
    ]
  names += ['norm', 'cls_embedded', 'pre_logits', 'logits']
  return tuple(n for n in names if n not in _LEFT_OUT[tap_set])


def _endpoints() -> dict[str, str]:
  """Names of the taps in the SavedModels that the released code reads."""
  names = {
    'unembedded': 'root_output_with_cls',
    'embedded': 'position_embedded_input',
    'norm': 'encoded_sequence',
  }
  for i in range(_DEPTH):
    for ours, theirs in (
      ('norm', 'pre_attn'),
      ('attention', 'attn'),
      ('mlp1', 'mlp_1'),
      ('mlp2', 'mlp_2'),
    ):
      names[f'block{i:02d}_{ours}'] = f'encoder_{i}_{theirs}'
  return names


def _load(
  model: keras.Model,
  plan: Mapping[str, importing.Tensor],
  tensors: Mapping[str, np.ndarray],
  file: str,
) -> None:
  """Loads a model; the classifier's tensors may be left over (see `build`)."""
  importing.load(
    model,
    plan,
    tensors,
    file,
    ignored=[plan[f'logits/{kind}'].name for kind in ('kernel', 'bias')],
  )


def load_timm(
  model: keras.Model, tensors: Mapping[str, np.ndarray], file: str
) -> None:
  """Loads tensors with timm's names.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  heads = model.get_layer('block00_attention').num_heads
  _load(model, vit_names.timm(heads), tensors, file)


def load_jax(
  model: keras.Model, tensors: Mapping[str, np.ndarray], file: str
) -> None:
  """Loads tensors with the names of google-research/vision_transformer.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  _load(model, vit_names.jax(), tensors, file)


def _variant(
  tensors: Mapping[str, np.ndarray],
  head: np.ndarray | None,
  approximate_gelu: bool,
) -> Variant:
  """What tensors tell of their network; `head` is the logits' bias, if any."""
  return Variant(
    classes=1000 if head is None else len(np.atleast_1d(head)),
    representation='pre_logits/kernel' in tensors,
    approximate_gelu=approximate_gelu,
  )


def _from_file(
  name: str, weights: str, image_size: int, tap_set: str
) -> tuple[keras.Model, tuple[str, ...], str]:
  """Builds the variant that a file holds, loads it, and hashes the file."""
  stored = tensors_lib.read(weights)
  tensors = stored.arrays
  from_jax = any(n.startswith(('Transformer/', 'embedding/')) for n in tensors)
  head = tensors.get('head/bias' if from_jax else 'head.bias')
  variant = _variant(tensors, head, approximate_gelu=from_jax)
  model, taps = build(name, image_size, tap_set, variant)
  (load_jax if from_jax else load_timm)(model, tensors, weights)
  return model, taps, stored.sha256


def _from_saved_model(
  name: str, weights: str, image_size: int, tap_set: str
) -> backbone_lib.Backbone:
  """Of `vit`'s SavedModels."""

  def build_one(variant: Variant) -> keras.Model:
    return build(name, image_size, tap_set, variant)[0]

  def variants(
    arrays: reading.Arrays, shapes: Mapping[str, tuple[int, ...]]
  ) -> list[reading.Build]:
    del shapes
    return [
      functools.partial(
        build_one,
        _variant(arrays, arrays.get('head/bias'), approximate_gelu=approximate),
      )
      for approximate in (True, False)
    ]

  folder = saved_model.fetch(weights)
  return reading.read(
    functools.partial(
      saved_model.backbone,
      name,
      folder,
      _endpoints(),
      tap_names(tap_set),
      'pre_logits',
      image_size,
      preprocessing.HALF,
      tap_set,
    ),
    saved_variables.read(folder),
    weights,
    [
      reading.Scheme(
        anchor=vit_names.JAX_ANCHOR,
        variants=variants,
        plan=lambda _: vit_names.jax(),
        orders=vit_names.jax_orders,
      )
    ],
    BLOCKS,
  )


def vit(
  name: str, weights: str, image_size: int, tap_set: str = backbone_lib.ALL_TAPS
) -> backbone_lib.Backbone:
  """A ViT.

  Args:
    name: 'vit_ti16', 'vit_s16' or 'vit_b16'.
    weights: 'random'; a file that `tensors.read` reads, with the names of timm
      or of google-research/vision_transformer (AugReg); or a SavedModel with
      the endpoints that the released code reads, see `saved_model.fetch` and
      `reading.read`.
    image_size: side of the input in pixels.
    tap_set: of `TAP_SETS`.

  Raises:
    errors.InputError: the weights cannot be read or do not fit.
  """
  if saved_model.is_location(weights):
    return _from_saved_model(name, weights, image_size, tap_set)
  if weights == 'random':
    model, taps = build(name, image_size, tap_set)
    rng = np.random.default_rng(0)
    for weight in model.weights:
      if weight.name == 'kernel':
        value = rng.normal(0, 0.02, tuple(weight.shape))
        weight.assign(value.astype(np.float32))
    sha256 = backbone_lib.hash_weights(model)
  else:
    model, taps, sha256 = _from_file(name, weights, image_size, tap_set)
  return backbone_lib.Backbone(
    name=name,
    model=model,
    taps=taps,
    embedding='pre_logits',
    image_size=image_size,
    input=preprocessing.HALF,
    weights_sha256=sha256,
    tap_set=tap_set,
    blocks=BLOCKS,
  )
