"""Images and networks as scikit-learn's estimators are given them."""

from collections.abc import Sequence
import dataclasses
import os
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import input_names
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
    network, input=input_names.for_photographs(network.input)
  )


def only_images(tags: 'sklearn_utils.Tags') -> 'sklearn_utils.Tags':
  """Tags of an estimator that takes images, or names of files, and no table."""
  tags.input_tags.one_d_array = True
  tags.input_tags.two_d_array = False
  tags.input_tags.string = True
  tags.no_validation = True
  return tags


def split_of(images: Images, labels: np.ndarray) -> task_lib.Split:
  """Images in memory or in files as a split, whose features may be stored.

  Args:
    images: all of one kind.
    labels: int64 `[n]`.

  Raises:
    errors.InputError: a file cannot be read.
    ValueError: they are no images, or not uint8 RGB, or there is none.
  """
  several = as_list(images)
  if not isinstance(several[0], str):
    return _of_arrays(
      several,
      labels,
      files.fingerprint(
        [
          [image.shape, files.sha256(np.ascontiguousarray(image).data)]
          for image in several
        ]
      ),
    )
  try:
    return pictures.split_of(several, labels)
  except OSError as e:
    raise errors.InputError(
      f'image {e.filename} cannot be read ({e.strerror}); check the path'
    ) from e


def unlabelled(images: Images) -> task_lib.Split:
  """Images to be classified: nothing of them is hashed, as nothing is stored.

  Raises:
    ValueError: as `split_of`. A file is read when it is its turn.
  """
  several = as_list(images)
  labels = np.zeros(len(several), np.int64)
  if isinstance(several[0], str):
    return pictures.split_of(several, labels, [''] * len(several))
  return _of_arrays(several, labels, '')


def as_list(images: Images) -> list[Any]:
  """Images by their place: uint8 arrays `[H, W, 3]`, or paths as texts.

  Raises:
    ValueError: they are neither, or not uint8 RGB, or there is none.
  """
  if isinstance(images, (str, os.PathLike)):
    raise ValueError(
      f'images are several, as in [{os.fspath(images)!r}], and not one path'
    )
  # Iterating over a table would give the names of its columns.
  if getattr(images, 'ndim', 1) == 2:
    raise ValueError('images are one column of paths, and not a table')
  several: list[Any] = list(images)
  if not several:
    raise ValueError('there are no images')
  if all(isinstance(image, (str, os.PathLike)) for image in several):
    return [os.fspath(path) for path in several]
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
  return several


def _of_arrays(
  several: Sequence[np.ndarray], labels: np.ndarray, content: str
) -> task_lib.Split:
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
    content=content,
    in_order=lambda rows: split_of([several[r] for r in rows], labels[rows]),
  )
