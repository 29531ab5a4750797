"""SavedModels of vision transformers, with the released code's endpoints."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import reading
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_taps
from vtab_h2t.backbones import vit_tensors

if TYPE_CHECKING:
  import keras

Build = Callable[
  [vit_architecture.Architecture, int, str, str],
  tuple['keras.Model', tuple[str, ...]],
]


def endpoints() -> dict[str, str]:
  """Names of the taps in the SavedModels that the released code reads."""
  names = {
    'unembedded': 'root_output_with_cls',
    'embedded': 'position_embedded_input',
    'norm': 'encoded_sequence',
  }
  for i in range(vit_architecture.SMALLEST.depth):
    for ours, theirs in (
      ('norm', 'pre_attn'),
      ('attention', 'attn'),
      ('mlp1', 'mlp_1'),
      ('mlp2', 'mlp_2'),
    ):
      names[f'block{i:02d}_{ours}'] = f'encoder_{i}_{theirs}'
  return names


def read(
  name: str,
  weights: str,
  image_size: int,
  tap_set: str,
  build: Build,
) -> backbone_lib.Backbone:
  """A SavedModel as a backbone.

  Args:
    name: of `vit_architecture.NAMED`.
    weights: where it is; see `saved_model.fetch`.
    image_size: side of the input in pixels.
    tap_set: of `vit_taps.SETS`.
    build: `vit.build`.

  Raises:
    errors.InputError: it cannot be read, or lacks endpoints.
  """
  plain = vit_architecture.NAMED[name]
  largest = dataclasses.replace(
    plain, representation=True, grid=image_size // plain.patch
  )

  def variants(
    arrays: reading.Arrays, shapes: Mapping[str, tuple[int, ...]]
  ) -> list[reading.Build]:
    del shapes
    head = arrays.get('head/bias')
    network = dataclasses.replace(
      plain,
      classes=1000 if head is None else len(np.atleast_1d(head)),
      representation='pre_logits/kernel' in arrays,
    )
    return [
      functools.partial(
        _built,
        build,
        dataclasses.replace(network, activation=activation),
        image_size,
        tap_set,
        name,
      )
      for activation in (vit_names.GELU_TANH, vit_names.GELU)
    ]

  folder = saved_model.fetch(weights)
  return reading.read(
    functools.partial(
      saved_model.backbone,
      name,
      folder,
      endpoints(),
      vit_taps.names(plain, tap_set),
      'pre_logits',
      image_size,
      preprocessing.HALF,
      tap_set,
    ),
    saved_variables.read(folder),
    weights,
    [
      reading.Scheme(
        anchor=vit_names.AUGREG.anchor,
        variants=variants,
        plan=lambda _: vit_tensors.plan(vit_names.AUGREG, largest),
        orders=functools.partial(vit_tensors.augreg_orders, plain.depth),
      )
    ],
    vit_architecture.BLOCKS,
  )


def _built(
  build: Build,
  network: vit_architecture.Architecture,
  image_size: int,
  tap_set: str,
  name: str,
) -> 'keras.Model':
  return build(network, image_size, tap_set, name)[0]
