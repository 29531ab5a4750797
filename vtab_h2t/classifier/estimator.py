"""Head2Toe with scikit-learn's conventions."""

from collections.abc import Sequence
import dataclasses
import os
import pathlib
import tempfile
from typing import Any, Self, TYPE_CHECKING

import numpy as np
from sklearn import base as sklearn_base
from sklearn import exceptions
from sklearn.utils import multiclass
from sklearn.utils import validation

from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import diagnosis
from vtab_h2t.classifier import exporting
from vtab_h2t.classifier import facts as facts_lib
from vtab_h2t.classifier import formats as formats_lib
from vtab_h2t.classifier import images as images_lib
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import pictures

if TYPE_CHECKING:
  from sklearn import utils as sklearn_utils

Images = images_lib.Images
_WITH_NETWORK = ('_model', 'adapted_')


class Head2Toe(sklearn_base.ClassifierMixin, sklearn_base.BaseEstimator):
  """A classifier of images on a frozen pretrained network.

  Images are uint8 arrays `[n, H, W, 3]`, a sequence of `[H, W, 3]` arrays of
  any sizes, or a sequence of paths of image files.

  It keeps what it was fitted with, for `diagnose`. Pickles have neither these
  images nor the network, whose weights are read again, and have to be the same.

  Attributes:
    classes_: the labels, sorted.
    adapted_: what was trained; see `adapting.Adapted`.
    n_features_: features of an image, before selection.
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
      method: 'head2toe', 'linear', 'all_l2', 'all_l1', 'all_l21', or 'best':
        Linear or Head2Toe, whichever is right more often on what is held out.
      grid: settings to choose from: 'quick' or 'paper'.
      val_fraction: share of the images to choose on; by default five folds.
      seed: of folds and heads.
      workdir: where features are kept between fits; by default nowhere.
      input: how images become its input; None for as its weights want it,
        shrunk with antialias; see `input_names.for_photographs`.
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
    given = validation.column_or_1d(labels, warn=True)
    multiclass.check_classification_targets(given)
    self.classes_, numbers = np.unique(given, return_inverse=True)
    several = images_lib.as_list(images)
    if len(given) != len(several) or len(self.classes_) < 2:
      raise ValueError(
        f'{len(several)} images and {len(given)} labels of '
        f'{len(self.classes_)} classes; there must be as many labels as '
        'images, of at least two classes'
      )
    weights = backbones.weights_of(self.backbone, self.weights)
    network = images_lib.network_of(
      self.backbone, weights, self.image_size, self.input
    )
    space = grids.get(self.grid, network.name)
    split = images_lib.split_of(several, numbers.astype(np.int64))
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
    self._images = several
    self._model = artefact.model_of(
      self.adapted_,
      weights,
      label_type=facts_lib.label_type(self.classes_),
    )
    self.n_features_ = self._model.readout.layout.size
    return self

  def predict_proba(self, images: Images) -> np.ndarray:
    """Probabilities `[n, classes]`, in the order of `classes_`."""
    validation.check_is_fitted(self)
    split = images_lib.unlabelled(images)
    return np.concatenate([p for _, p in self._model.probabilities(split)])

  def predict(self, images: Images) -> np.ndarray:
    """The most probable label of each image."""
    best = self.predict_proba(images).argmax(axis=1)
    return self.classes_[best]

  def diagnose(self, images: Images | None = None) -> diagnosis.Diagnosis:
    """What is to be known of the images that it was fitted with.

    Wrong labels, near-duplicates, confused classes, how far probabilities can
    be believed and more, as tables; `save(folder)` writes them with a page.
    The images are looked at again: files must still be there.

    Args:
      images: those that it was fitted with, in their order. They are only
        needed of an estimator that was pickled, as they are not in pickles.

    Raises:
      exceptions.NotFittedError: it was not fitted, or was read from a folder.
      errors.InputError: an image is no longer there.
      ValueError: the images are missing, or others.
    """
    validation.check_is_fitted(self)
    if not hasattr(self, 'adapted_'):
      raise exceptions.NotFittedError(
        'this Head2Toe was read from a folder, which does not tell what was '
        'said of held-out images; report.html, which adapt writes there, does, '
        'and so does diagnose() after fit()'
      )
    several = self._images if images is None else images_lib.as_list(images)
    count = len(self.adapted_.ids)
    if several is None or len(several) != count:
      raise ValueError(
        f'diagnose needs the {count} images that it was fitted with, which are '
        'not in a pickle; give them as diagnose(images)'
      )
    return diagnosis.diagnose(self.adapted_, lambda i: _pixels(several[i]))

  def save(self, folder: str | os.PathLike[str]) -> None:
    """Writes the model as `runners.adapt` does; see `artefact.write`."""
    validation.check_is_fitted(self)
    artefact.write(self._model, folder)

  def export(
    self,
    folder: str | os.PathLike[str],
    formats: Sequence[str] = formats_lib.DEFAULT,
  ) -> None:
    """Writes it for those who have not this package; see `exporting.export`."""
    validation.check_is_fitted(self)
    exporting.export(self._model, folder, formats)

  @classmethod
  def load(
    cls, folder: str | os.PathLike[str], weights: str | None = None
  ) -> Self:
    """Reads a model that `save` or `runners.adapt` wrote.

    It predicts; what it was fitted with is not there. The parameters are those
    that the folder tells of, and the others are as by default.

    Args:
      folder: the model.
      weights: path of the network's weights, where they are not packaged.

    Raises:
      errors.InputError: as `artefact.load`.
    """
    model = artefact.load(folder, weights)
    facts = model.facts
    loaded = cls(
      backbone=facts['backbone'],
      weights=weights or facts['weights'],
      image_size=facts['image_size'],
      method=facts['method'],
      input=model.backbone.input,
    )
    loaded.classes_ = np.array(facts_lib.labels_of(facts))
    loaded.n_features_ = model.readout.layout.size
    loaded._model = model
    return loaded

  def __getstate__(self) -> dict[str, Any]:
    """Without the images, and without the network, which is read again."""
    state = super().__getstate__() | {'_images': None}
    return state | {
      name: dataclasses.replace(state[name], backbone=None)
      for name in _WITH_NETWORK
      if name in state
    }

  def __setstate__(self, state: dict[str, Any]) -> None:
    super().__setstate__(state)
    if '_model' not in state:
      return
    network = artefact.network_of(self._model.facts, self.weights, 'the pickle')
    for name in _WITH_NETWORK:
      if name in state:
        whole = dataclasses.replace(state[name], backbone=network)
        setattr(self, name, whole)

  def __sklearn_tags__(self) -> 'sklearn_utils.Tags':
    return images_lib.only_images(super().__sklearn_tags__())


def _pixels(image: np.ndarray | str | os.PathLike[str]) -> np.ndarray:
  """An image, uint8 `[H, W, 3]`, from its file where it is in one."""
  return image if isinstance(image, np.ndarray) else pictures.decode(image)
