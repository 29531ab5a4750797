"""Head2Toe with scikit-learn's conventions."""

from collections.abc import Sequence
import dataclasses
import os
import pathlib
import tempfile
from typing import Any, TYPE_CHECKING

import numpy as np
from sklearn import base as sklearn_base
from sklearn.utils import multiclass
from sklearn.utils import validation

from vtab_h2t import files
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import diagnosis
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf

Images = np.ndarray | Sequence[np.ndarray | str | os.PathLike[str]]


class Head2Toe(sklearn_base.ClassifierMixin, sklearn_base.BaseEstimator):
  """A classifier of images on a frozen pretrained network.

  Images are uint8 arrays `[n, H, W, 3]`, a sequence of `[H, W, 3]` arrays of
  any sizes, or a sequence of paths of image files.

  Attributes:
    classes_: the labels, sorted.
    adapted_: what was trained; see `adapting.Adapted`.
    n_features_in_: features before selection.
  """

  def __init__(
    self,
    backbone: str = 'efficientnet_lite0',
    weights: str | None = None,
    image_size: int = 224,
    method: str = 'head2toe',
    grid: str = 'quick',
    val_fraction: float | None = None,
    seed: int = 0,
    workdir: str | None = None,
    input: preprocessing.Input | None = None,  # noqa: A002  # As of a backbone.
  ) -> None:
    """Initialises.

    Args:
      backbone: a registered one.
      weights: of it: a name or a file; None for its default.
      image_size: side in pixels of what it sees, where it takes any.
      method: 'head2toe', 'linear', 'all_l2', 'all_l1' or 'all_l21'.
      grid: settings to choose from: 'quick' or 'paper'.
      val_fraction: share of the images to choose on; by default five folds.
      seed: of folds and heads.
      workdir: where features are kept between fits; by default nowhere.
      input: how images become its input; None for as its weights want it,
        shrunk with antialias; see `registry.for_photographs`.
    """
    self.backbone = backbone
    self.weights = weights
    self.image_size = image_size
    self.method = method
    self.grid = grid
    self.val_fraction = val_fraction
    self.seed = seed
    self.workdir = workdir
    self.input = input

  def fit(self, images: Images, labels: Sequence[Any]) -> 'Head2Toe':
    """Chooses a setting on held-out images and trains with it on all.

    Raises:
      errors.InputError: an unknown backbone, weights or method, a bad image, or
        no two images of a class.
      ValueError: labels of another length, or of one class.
    """
    given = np.asarray(labels)
    multiclass.check_classification_targets(given)
    self.classes_, numbers = np.unique(given, return_inverse=True)
    if len(given) != len(images) or len(self.classes_) < 2:
      raise ValueError(
        f'{len(images)} images and {len(given)} labels of '
        f'{len(self.classes_)} classes; there must be as many labels as '
        'images, of at least two classes'
      )
    self._weights = backbones.weights_of(self.backbone, self.weights)
    network = backbones.load(
      self.backbone, self._weights, self.image_size, input=self.input
    )
    if self.input is None:
      network = dataclasses.replace(
        network, input=backbones.for_photographs(network.input)
      )
    space = grids.get(self.grid, network.name)
    split = split_of(images, numbers.astype(np.int64))
    with tempfile.TemporaryDirectory() as temporary:
      self.adapted_ = adapting.adapt(
        split,
        tuple(map(str, self.classes_)),
        network,
        pathlib.Path(self.workdir or temporary),
        method=self.method,
        space=space,
        val_fraction=self.val_fraction,
        seed=self.seed,
      )
    self._images = images
    self._model = artefact.model_of(self.adapted_)
    self.n_features_in_ = self._model.readout.layout.size
    return self

  def predict_proba(self, images: Images) -> np.ndarray:
    """Probabilities `[n, classes]`, in the order of `classes_`."""
    validation.check_is_fitted(self)
    split = split_of(images, np.zeros(len(images), np.int64))
    return np.concatenate([p for _, p in self._model.probabilities(split)])

  def predict(self, images: Images) -> np.ndarray:
    """The most probable label of each image."""
    best = self.predict_proba(images).argmax(axis=1)
    return self.classes_[best]

  def diagnose(self) -> diagnosis.Diagnosis:
    """What is to be known of the images that it was fitted with.

    Wrong labels, near-duplicates, confused classes, how far probabilities can
    be believed and more, as tables; `save(folder)` writes them with a page.
    The images are looked at again: files must still be there.

    Raises:
      exceptions.NotFittedError: it was not fitted, or was read from a folder.
      errors.InputError: an image is no longer there.
    """
    validation.check_is_fitted(self, 'adapted_')
    return diagnosis.diagnose(self.adapted_, lambda i: _pixels(self._images[i]))

  def save(self, folder: str | os.PathLike[str]) -> None:
    """Writes the model as `runners.adapt` does; see `artefact.save`."""
    validation.check_is_fitted(self)
    artefact.save(self.adapted_, self._weights, folder)


def _pixels(image: np.ndarray | str | os.PathLike[str]) -> np.ndarray:
  """An image, uint8 `[H, W, 3]`, from its file where it is in one."""
  return image if isinstance(image, np.ndarray) else pictures.decode(image)


def split_of(images: Images, labels: np.ndarray) -> task_lib.Split:
  """Images in memory or in files as a split.

  Raises:
    ValueError: they are neither, or not uint8 RGB.
  """
  several: Sequence[Any] = list(images)
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
