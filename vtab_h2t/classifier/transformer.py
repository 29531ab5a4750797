"""Features of a pretrained network, for any classifier of scikit-learn's."""

from collections.abc import Sequence
from typing import Any, TYPE_CHECKING

import numpy as np
from sklearn import base as sklearn_base
from sklearn.utils import validation

from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing
from vtab_h2t.classifier import images as images_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization as normalization_lib

if TYPE_CHECKING:
  from sklearn import utils as sklearn_utils

  from vtab_h2t.tasks import task as task_lib

# `SELECTED` is `ONCE` where nothing is selected.
NORMALIZATIONS = (
  normalization_lib.ONCE,
  normalization_lib.FEATURE,
  normalization_lib.NONE,
)


class TapFeatures(sklearn_base.TransformerMixin, sklearn_base.BaseEstimator):
  """Images to the pooled, normalised taps that Head2Toe chooses from.

  Images are as `Head2Toe` takes them. The network is read when it is first
  needed, and left out of pickles.

  Attributes:
    layout_: which tap and pool each column is of.
    n_features_: columns.
    moments_: what 'feature' takes from and divides each column by, or None.
  """

  def __init__(
    self,
    backbone: str = 'efficientnet_lite0',
    weights: str | None = None,
    image_size: int = 224,
    target_size: int | None = 512,
    normalization: str = normalization_lib.ONCE,
    input: preprocessing.Input | None = None,  # noqa: A002  # As of a backbone.
  ) -> None:
    """Initialises.

    Args:
      backbone: a registered one.
      weights: of it: a name or a file; None for its default.
      image_size: side in pixels of what it sees, where it takes any.
      target_size: features of a tap to aim at; None for the embedding alone.
      normalization: 'once' scales each tap's part of an image to unit norm,
        'feature' standardises each column by the images that it was fitted
        with, 'none' leaves them.
      input: how images become its input; None for as its weights want it,
        shrunk with antialias.
    """
    self.backbone = backbone
    self.weights = weights
    self.image_size = image_size
    self.target_size = target_size
    self.normalization = normalization
    self.input = input

  def fit(
    self,
    images: images_lib.Images,
    labels: Sequence[Any] | None = None,
  ) -> 'TapFeatures':
    """Learns means and deviations for 'feature', and nothing otherwise.

    Raises:
      errors.InputError: an unknown backbone, weights or normalization, a target
        size below 1, or a bad image.
      ValueError: there are no images, or they are not as they must be.
    """
    if self.normalization not in NORMALIZATIONS:
      raise errors.InputError(
        f'unknown normalization {self.normalization!r}; choose from '
        f'{", ".join(NORMALIZATIONS)}'
      )
    if self.target_size is not None and self.target_size < 1:
      raise errors.InputError(
        f'a target size is at least 1, or None, not {self.target_size}'
      )
    split = images_lib.unlabelled(images)
    self._extractor = self._load()
    self.layout_ = self._extractor.layouts[self.target_size]
    self.n_features_ = self.layout_.size
    self.moments_ = None
    if self.normalization == normalization_lib.FEATURE:
      self.moments_ = normalization_lib.Moments.of(
        [self._read(split, normalization_lib.NONE)]
      )
    return self

  def transform(self, images: images_lib.Images) -> np.ndarray:
    """Float32 `[n, n_features_]`.

    Raises:
      errors.InputError: a bad image.
      ValueError: there are no images, or they are not as they must be.
    """
    validation.check_is_fitted(self)
    return self._read(images_lib.unlabelled(images), self.normalization)

  def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
    """Names `[n_features_]`: tap, size of the pool, and number within it."""
    validation.check_is_fitted(self)
    return np.array(
      [f'{b.name}_{i}' for b in self.layout_.blocks for i in range(b.size)],
      dtype=object,
    )

  def _load(self) -> extraction.Extractor:
    network = images_lib.network_of(
      self.backbone, self.weights, self.image_size, self.input
    )
    sizes = () if self.target_size is None else (self.target_size,)
    return extraction.Extractor(network, sizes)

  def _read(self, split: 'task_lib.Split', rule: str) -> np.ndarray:
    if not hasattr(self, '_extractor'):
      self._extractor = self._load()
    found = np.empty((len(split.ids), self.n_features_), np.float32)
    for done, batch in self._extractor(split):
      # By what it was fitted with, whatever its parameters are now.
      blocks = [batch[block.name] for block in self.layout_.blocks]
      x = normalization_lib.design_matrix(
        blocks, self.layout_, rule=rule, moments=self.moments_
      )
      found[done : done + len(x)] = x.numpy()
    return found

  def __getstate__(self) -> dict[str, Any]:
    state = super().__getstate__()
    return {k: v for k, v in state.items() if k != '_extractor'}

  def __sklearn_tags__(self) -> 'sklearn_utils.Tags':
    tags = images_lib.only_images(super().__sklearn_tags__())
    tags.transformer_tags.preserves_dtype = []
    return tags
