"""Images and networks as scikit-learn's estimators are given them."""

from collections.abc import Sequence
import dataclasses
import os
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from sklearn import utils as sklearn_utils
  import tensorflow as tf

# uint8 arrays `[n, H, W, 3]`, a sequence of `[H, W, 3]` of any sizes, or paths.
Images = np.ndarray | Sequence[np.ndarray | str | os.PathLike[str]]


def network_of(
  name: str,
  weights: str | None,
  image_size: int,
  input: preprocessing.Input | None,  # noqa: A002  # As of a backbone.
) -> backbone_lib.Backbone:
  """A registered network, for photographs unless its input is given.

  Raises:
    errors.InputError: as `registry.load`.
  """
  network = backbones.load(name, weights, image_size, input=input)
  if input is not None:
    return network
  return dataclasses.replace(
    network, input=backbones.for_photographs(network.input)
  )


def only_images(tags: 'sklearn_utils.Tags') -> 'sklearn_utils.Tags':
  """Tags of an estimator that takes images, or names of files, and no table."""
  tags.input_tags.one_d_array = True
  tags.input_tags.two_d_array = False
  tags.input_tags.string = True
  tags.no_validation = True
  return tags


def split_of(images: Images, labels: np.ndarray) -> task_lib.Split:
  """Images in memory or in files as a split.

  Raises:
    ValueError: they are neither, or not uint8 RGB, or there is none.
  """
  several: Sequence[Any] = list(images)
  if not several:
    raise ValueError('there are no images')
  if several and isinstance(several[0], (str, os.PathLike)):
    return pictures.split_of([os.fspath(p) for p in several], labels)
  for image in several:
    if (
      not isinstance(image, np.ndarray)
      or image.dtype != np.uint8
      or (image.ndim != 3 or image.shape[2] != 3)
    ):
      raise ValueError(
        'images must be uint8 arrays [H, W, 3] or paths, not '
        f'{getattr(image, "dtype", type(image).__name__)} '
        f'{getattr(image, "shape", "")}'
      )

  def dataset() -> 'tf.data.Dataset':
    import tensorflow as tf

    return tf.data.Dataset.from_generator(
      lambda: iter(several),
      output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
    )

  return task_lib.Split(
    ids=tuple(map(str, range(len(several)))),
    labels=labels,
    images=dataset,
    content=files.fingerprint(
      [
        [image.shape, files.sha256(np.ascontiguousarray(image).data)]
        for image in several
      ]
    ),
    in_order=lambda rows: split_of([several[r] for r in rows], labels[rows]),
  )
