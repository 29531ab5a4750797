"""Heads of vision transformers, which shapes tell in JAX's files alone."""

import numpy as np

from vtab_h2t import errors

_HEAD = 64  # Width of a head, if the width of tokens is not one of these.
# Heads of published networks whose heads are wider, by the width of tokens:
# SigLIP's SO400M, ViT-H, ViT-g, SigLIP 2's giant, ViT-bigG and ViT-e. DINOv2's
# ViT-g has 24 heads at 1536, but SwiGLU, which is refused.
_HEADS = {1152: 16, 1280: 16, 1408: 16, 1536: 16, 1664: 16, 1792: 16}
# timm's smallest ones, for its tests, have two heads; of usual ones it is one.
_TESTED = 64
# timm's first ViT-S: width, MLP, and whether queries have biases. It has eight
# heads, whose products are scaled by the width of all of them.
_FIRST_SMALL = 768, 2304, False
# MoCo v3's ViT-S has twelve heads, DeiT's and all others of this width six.
_MOCO = 384


def count(*, width: int, mlp: int, qkv_bias: bool, file: str) -> int:
  """How many heads an attention has.

  Args:
    width: of tokens.
    mlp: width within an MLP.
    qkv_bias: whether queries, keys and values have biases.
    file: what the network is from, for messages.

  Raises:
    errors.InputError: networks of such shapes have other numbers, or none that
      is known has these.
  """
  if width in _HEADS:
    return _HEADS[width]
  if width % _HEAD:
    why = f'it is no multiple of the usual {_HEAD} of a head'
  elif width == _TESTED:
    why = 'networks of this width have one or two'
  elif (width, mlp, qkv_bias) == _FIRST_SMALL:
    why = "timm's first ViT-S of these shapes scales its attention otherwise"
  else:
    return width // _HEAD
  raise errors.InputError(
    f'{file} holds a ViT of width {width}: tensors do not tell its heads, and '
    f'{why}; it is not read'
  )


def check_positions(positions: np.ndarray, file: str) -> None:
  """Raises InputError if they are those of MoCo v3's ViT-S.

  They are sines and cosines, with zeros for the class token, as MAE has them at
  widths where the number of heads is no question.

  Args:
    positions: position embeddings `[..., n, C]`, the class token's first.
    file: what the network is from, for messages.
  """
  rows = positions.reshape(-1, positions.shape[-1])
  if rows.shape[1] == _MOCO and rows.any() and not rows[0].any():
    raise errors.InputError(
      f"{file} has fixed positions, as MoCo v3's ViT-S, whose twelve heads "
      f'tensors do not tell from the usual {_MOCO // _HEAD}; it is not read'
    )
