"""Layers and functions of vision transformers that Keras has not."""

from collections.abc import Sequence
from typing import Any

import keras

# Saved models name these functions as they are registered.
_PACKAGE = 'vtab_h2t'


@keras.saving.register_keras_serializable(package=_PACKAGE)
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


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Registers(keras.layers.Layer):
  """Puts learned tokens between others `[B, n, C]` (Darcet et al., 2024).

  Attributes:
    count: how many.
    after: behind how many tokens.
  """

  def __init__(self, count: int, after: int = 1, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.count, self.after = count, after

  def build(self, shape: Sequence[int | None]) -> None:
    self.tokens = self.add_weight(
      shape=(1, self.count, shape[-1]), initializer='zeros', name='tokens'
    )

  def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
    batch = keras.ops.shape(x)[0]
    tokens = keras.ops.broadcast_to(
      self.tokens, (batch, self.count, x.shape[-1])
    )
    return keras.ops.concatenate(
      [x[:, : self.after], tokens, x[:, self.after :]], axis=1
    )

  def get_config(self) -> dict[str, Any]:
    return super().get_config() | {'count': self.count, 'after': self.after}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class PositionEmbedding(keras.layers.Layer):
  """Adds a learned vector to each of `[B, n, C]` tokens."""

  def build(self, shape: Sequence[int | None]) -> None:
    self.embedding = self.add_weight(
      shape=(1, *shape[1:]), initializer='zeros', name='embedding'
    )

  def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
    return x + self.embedding


@keras.saving.register_keras_serializable(package=_PACKAGE)
class LayerScale(keras.layers.Layer):
  """Multiplies each channel by a learned number (Touvron et al., 2021)."""

  def build(self, shape: Sequence[int | None]) -> None:
    self.scale = self.add_weight(
      shape=(shape[-1],), initializer='ones', name='scale'
    )

  def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
    return x * self.scale


@keras.saving.register_keras_serializable(package=_PACKAGE)
class PatchMean(keras.layers.Layer):
  """The mean `[B, C]` of the tokens `[B, n, C]` of patches.

  Attributes:
    prefix: how many tokens stand before those.
  """

  def __init__(self, prefix: int, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.prefix = prefix

  def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.mean(x[:, self.prefix :], axis=1)

  def get_config(self) -> dict[str, Any]:
    return super().get_config() | {'prefix': self.prefix}


@keras.saving.register_keras_serializable(package=_PACKAGE, name='_first_token')
def first_token(x: keras.KerasTensor) -> keras.KerasTensor:
  """The first `[B, C]` of tokens `[B, n, C]`."""
  return x[:, 0]


@keras.saving.register_keras_serializable(package=_PACKAGE, name='_gelu_tanh')
def gelu_tanh(x: keras.KerasTensor) -> keras.KerasTensor:
  """The tanh approximation of GELU."""
  return keras.activations.gelu(x, approximate=True)


@keras.saving.register_keras_serializable(package=_PACKAGE)
def quick_gelu(x: keras.KerasTensor) -> keras.KerasTensor:
  """The sigmoid approximation of GELU, of OpenAI's CLIP."""
  return x * keras.ops.sigmoid(1.702 * x)
