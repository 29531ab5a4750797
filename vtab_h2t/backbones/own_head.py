"""What a network's own head says of photographs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.tasks import imagenet
from vtab_h2t.tasks import pictures

LOGITS = 'logits'  # The tap, in every network that has a head.
_BATCH = 16
# What so many classes are, of published networks.
_LABELS = {
  imagenet.CLASSES: "ImageNet's, in the order of their synsets' numbers",
  imagenet.CLASSES + 1: "ImageNet's after one for the background",
  21843: "ImageNet-21k's, as of AugReg's and BiT's networks",
  21841: "ImageNet-22k's, as of timm's 'in22k'",
}


class Guess(NamedTuple):
  """A class of the head.

  Attributes:
    number: of the class, from 0.
    name: the class's name, if it is known; else ''.
    probability: softmax of the logits.
  """

  number: int
  name: str
  probability: float

  def __str__(self) -> str:
    name = f' {self.name}' if self.name else ''
    return f'{self.number}{name} {self.probability:.1%}'


def labels(classes: int) -> str:
  """What the classes of a head presumably are; '' if so many are not known."""
  return _LABELS.get(classes, '')


def names(classes: int) -> tuple[str, ...]:
  """Names of the classes of a head; none if they are not known."""
  if classes == imagenet.CLASSES:
    return imagenet.names()
  if classes == imagenet.CLASSES + 1:
    return ('background', *imagenet.names())
  return ()


def best(
  backbone: backbone_lib.Backbone, paths: Sequence[str], count: int = 3
) -> Iterator[tuple[str, list[Guess]]]:
  """The likeliest classes of photographs.

  Args:
    backbone: with the tap `LOGITS`.
    paths: of image files.
    count: how many classes of each.

  Yields:
    A path, and its classes, the likeliest first.

  Raises:
    errors.InputError: the network has no head, or an image cannot be decoded.
  """
  import keras

  if LOGITS not in backbone.taps:
    raise errors.InputError(
      f'these weights of {backbone.name} have no head, so that photographs '
      'cannot be classified with them; adapt a classifier to some, python -m '
      'runners.adapt'
    )
  model = keras.Model(backbone.model.input, backbone.model.output[LOGITS])
  known = names(model.output.shape[-1])
  for start in range(0, len(paths), _BATCH):
    some = paths[start : start + _BATCH]
    images = [np.asarray(backbone.preprocess(pictures.decode(p))) for p in some]
    logits = np.asarray(model(np.stack(images), training=False), np.float64)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    for path, row in zip(some, weights):
      order = np.argsort(-row, kind='stable')[:count]
      yield (
        path,
        [
          Guess(int(i), known[i] if known else '', float(row[i])) for i in order
        ],
      )
