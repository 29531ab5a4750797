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

from collections.abc import Callable, Mapping, Sequence
import dataclasses

import keras
from keras import layers
import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import saved_model

_EPSILON = 1e-6
_SCALE, _OFFSET = 1 / 127.5, -1.0
_PATCH, _DEPTH = 16, 12
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


def _timm_plan(heads: int) -> dict[str, importing.Tensor]:
  """timm's names: fused qkv, torch's order of axes."""
  tensor = importing.Tensor
  plan = {
    'cls/token': tensor('cls_token'),
    'position/embedding': tensor('pos_embed'),
  }

  def add(
    layer: str,
    name: str,
    kernel: str = 'kernel',
    bias: str = 'bias',
    convert: Callable[[np.ndarray], np.ndarray] = np.transpose,
  ) -> None:
    plan[f'{layer}/{kernel}'] = tensor(f'{name}.weight', convert)
    plan[f'{layer}/{bias}'] = tensor(f'{name}.bias')

  add(
    'patches',
    'patch_embed.proj',
    convert=lambda value: value.transpose(2, 3, 1, 0),
  )
  for i in range(_DEPTH):
    ours, theirs = f'block{i:02d}', f'blocks.{i}'
    add(f'{ours}_norm', f'{theirs}.norm1', 'gamma', 'beta')
    add(f'{ours}_norm2', f'{theirs}.norm2', 'gamma', 'beta')
    add(f'{ours}_mlp1', f'{theirs}.mlp.fc1')
    add(f'{ours}_mlp2', f'{theirs}.mlp.fc2')
    for part, name in enumerate(('query', 'key', 'value')):

      def kernel(value: np.ndarray, part: int = part) -> np.ndarray:
        value = np.split(value, 3)[part].T
        return value.reshape(len(value), heads, -1)

      def bias(value: np.ndarray, part: int = part) -> np.ndarray:
        return np.split(value, 3)[part].reshape(heads, -1)

      layer = f'{ours}_attention/{name}'
      plan[f'{layer}/kernel'] = tensor(f'{theirs}.attn.qkv.weight', kernel)
      plan[f'{layer}/bias'] = tensor(f'{theirs}.attn.qkv.bias', bias)
    add(
      f'{ours}_attention/attention_output',
      f'{theirs}.attn.proj',
      convert=lambda value: value.T.reshape(heads, -1, len(value)),
    )
  add('norm', 'norm', 'gamma', 'beta')
  add('logits', 'head')
  return plan


def _jax_plan() -> dict[str, importing.Tensor]:
  """Names of google-research/vision_transformer (AugReg): axes as in Keras."""
  tensor = importing.Tensor
  plan = {
    'cls/token': tensor('cls'),
    'position/embedding': tensor('Transformer/posembed_input/pos_embedding'),
  }

  def add(
    layer: str,
    name: str,
    kernel: str = 'kernel',
    weight: str = 'kernel',
    bias: str = 'bias',
  ) -> None:
    plan[f'{layer}/{kernel}'] = tensor(f'{name}/{weight}')
    plan[f'{layer}/{bias}'] = tensor(f'{name}/bias')

  add('patches', 'embedding')
  for i in range(_DEPTH):
    ours, theirs = f'block{i:02d}', f'Transformer/encoderblock_{i}'
    attention = f'{theirs}/MultiHeadDotProductAttention_1'
    add(f'{ours}_norm', f'{theirs}/LayerNorm_0', 'gamma', 'scale', 'beta')
    add(f'{ours}_norm2', f'{theirs}/LayerNorm_2', 'gamma', 'scale', 'beta')
    add(f'{ours}_mlp1', f'{theirs}/MlpBlock_3/Dense_0')
    add(f'{ours}_mlp2', f'{theirs}/MlpBlock_3/Dense_1')
    for part in ('query', 'key', 'value'):
      add(f'{ours}_attention/{part}', f'{attention}/{part}')
    add(f'{ours}_attention/attention_output', f'{attention}/out')
  add('norm', 'Transformer/encoder_norm', 'gamma', 'scale', 'beta')
  add('pre_logits', 'pre_logits')
  add('logits', 'head')
  return plan


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
  _load(model, _timm_plan(heads), tensors, file)


def load_jax(
  model: keras.Model, tensors: Mapping[str, np.ndarray], file: str
) -> None:
  """Loads tensors with the names of google-research/vision_transformer.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  _load(model, _jax_plan(), tensors, file)


def _from_npz(
  name: str, weights: str, image_size: int, tap_set: str
) -> tuple[keras.Model, tuple[str, ...]]:
  """Builds the variant that a file holds, and loads it."""
  tensors = importing.read_npz(weights)
  from_jax = any(n.startswith(('Transformer/', 'embedding/')) for n in tensors)
  head = tensors.get('head/bias' if from_jax else 'head.bias')
  variant = Variant(
    classes=1000 if head is None else len(np.atleast_1d(head)),
    representation='pre_logits/kernel' in tensors,
    approximate_gelu=from_jax,
  )
  model, taps = build(name, image_size, tap_set, variant)
  (load_jax if from_jax else load_timm)(model, tensors, weights)
  return model, taps


def vit(
  name: str, weights: str, image_size: int, tap_set: str = backbone_lib.ALL_TAPS
) -> backbone_lib.Backbone:
  """A ViT.

  Args:
    name: 'vit_ti16', 'vit_s16' or 'vit_b16'.
    weights: 'random'; an npz file with the names of timm or of
      google-research/vision_transformer (AugReg); or a SavedModel with the
      endpoints that the released code reads, see `saved_model.fetch`.
    image_size: side of the input in pixels.
    tap_set: of `TAP_SETS`.

  Raises:
    errors.InputError: the weights cannot be read or do not fit.
  """
  if saved_model.is_location(weights):
    return saved_model.backbone(
      name,
      saved_model.fetch(weights),
      _endpoints(),
      tap_names(tap_set),
      'pre_logits',
      image_size,
      _SCALE,
      _OFFSET,
      tap_set,
    )
  if weights == 'random':
    model, taps = build(name, image_size, tap_set)
    rng = np.random.default_rng(0)
    for weight in model.weights:
      if weight.name == 'kernel':
        value = rng.normal(0, 0.02, tuple(weight.shape))
        weight.assign(value.astype(np.float32))
    sha256 = backbone_lib.hash_weights(model)
  else:
    model, taps = _from_npz(name, weights, image_size, tap_set)
    sha256 = files.sha256_file(weights)
  return backbone_lib.Backbone(
    name=name,
    model=model,
    taps=taps,
    embedding='pre_logits',
    image_size=image_size,
    scale=_SCALE,
    offset=_OFFSET,
    weights_sha256=sha256,
    tap_set=tap_set,
    blocks=BLOCKS,
  )
