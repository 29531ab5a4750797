"""Head2Toe for images of one's own: choose, train, and say how good it is."""

from collections.abc import Callable, Sequence
import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.classifier import calibration
from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.classifier import neighbours as neighbours_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.features import store
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import pandas as pd

FOLDS = 5
MEMORY_BYTES = 4 * 2**30


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Adapted:
  """A classifier on a frozen backbone, and what is known of it.

  Attributes:
    classes: names, in the order of the head's rows.
    backbone: the frozen network.
    method: id of the method.
    setting: what was chosen.
    head: the trained head.
    accuracy: of the method, cross-validated with the setting that was chosen
      on the same folds, and so a little too high.
    linear: the same of Linear.
    ids: names `[n]` of all images, in an order of their own.
    labels: their classes, int64 `[n]`.
    held_out: what heads of the chosen setting said of images that they were
      trained without.
    linear_held_out: the same of Linear.
    temperature: by which logits are to be divided before the softmax, above 0.
    neighbours: which images are alike.
    learning_curve: the accuracy with a quarter, a half and all of the images.
  """

  classes: tuple[str, ...]
  backbone: backbone_lib.Backbone
  method: str
  setting: space_lib.Setting
  head: data_lib.FeatureHead
  accuracy: held_out_lib.Accuracy
  linear: held_out_lib.Accuracy
  ids: tuple[str, ...]
  labels: np.ndarray
  held_out: held_out_lib.HeldOut
  linear_held_out: held_out_lib.HeldOut
  temperature: float
  neighbours: neighbours_lib.Neighbours
  learning_curve: tuple[held_out_lib.CurvePoint, ...]

  def taps(self) -> 'pd.DataFrame':
    """What the head takes from each tap.

    Returns:
      tap, `selected` and `features` (how many of how many), `share` of the
      squared kernel, 0 to 1; taps of which nothing is used are left out.
    """
    import pandas as pd

    layout = extraction.layout_of(self.backbone, self.head.target_size)
    columns = (
      np.arange(layout.size) if self.head.columns is None else self.head.columns
    )
    squared = (self.head.head.kernel.numpy() ** 2).sum(axis=0)
    edges = np.searchsorted(columns, layout.starts)
    found = [
      {
        'tap': b.tap,
        'selected': int(last - first),
        'features': b.size,
        'share': float(squared[first:last].sum() / squared.sum()),
      }
      for b, first, last in zip(layout.blocks, edges, edges[1:])
      if last > first
    ]
    return pd.DataFrame(found)


def folds_of(
  labels: np.ndarray, count: int, val_fraction: float | None, seed: int
) -> list[interface.Fold]:
  """Stratified folds; images of a class with one image are always trained on.

  Args:
    labels: integers `[n]`.
    count: of the folds; fewer if no class has so many images.
    val_fraction: instead of them, one fold that holds out so much.
    seed: of the draw.

  Raises:
    errors.InputError: no class has two images.
  """
  order = np.random.default_rng(seed).permutation(len(labels))
  sizes = np.bincount(labels)
  # One class after the other, each in the drawn order.
  dealt = order[np.argsort(labels[order], kind='stable')]
  dealt = dealt[sizes[labels[dealt]] > 1]
  if not len(dealt):
    raise errors.InputError(
      'no class has two images, so none can be held out; add images'
    )
  if val_fraction is None:
    count = min(count, int(sizes.max()))
    parts = [dealt[i::count] for i in range(count)]
  else:
    # At least one of each class, and at least one is left to train on.
    wanted = np.clip(np.round(sizes * val_fraction), 1, sizes - 1).astype(int)
    parts = [
      np.concatenate(
        [
          dealt[labels[dealt] == c][: wanted[c]]
          for c in np.unique(labels[dealt])
        ]
      )
    ]
  return [
    interface.Fold(i, order[~np.isin(order, held)], np.sort(held))
    for i, held in enumerate(parts)
  ]


def adapt(
  split: task_lib.Split,
  classes: Sequence[str],
  backbone: backbone_lib.Backbone,
  workdir: pathlib.Path,
  *,
  method: str = 'head2toe',
  space: space_lib.Space | None = None,
  val_fraction: float | None = None,
  seed: int = 0,
  memory_bytes: int = MEMORY_BYTES,
  progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Adapted:
  """Adapts a frozen backbone to labelled images.

  Args:
    split: the images; every class has at least one.
    classes: their names.
    backbone: the network.
    workdir: where features are kept.
    method: of `methods.registry.FROZEN`.
    space: the settings to choose from; the quick grid's by default.
    val_fraction: share of the images to hold out once; by default each image
      is held out once in five folds.
    seed: of folds and heads.
    memory_bytes: working memory for training heads.
    progress: called with (stage, done, total).

  Raises:
    errors.InputError: an unknown method, a bad image, or no image that can be
      held out.
  """
  if method not in methods.FROZEN:
    raise errors.InputError(
      f'unknown method {method!r}; choose from {", ".join(methods.FROZEN)}'
    )
  space = space or grids.quick(backbone.name)
  folds = folds_of(split.labels, FOLDS, val_fraction, seed)
  names = list(dict.fromkeys(('linear', method)))
  extractor = extraction.Extractor(
    backbone, methods.FROZEN[method].target_sizes(space)
  )
  features = store.open_or_compute(
    workdir / 'features',
    extractor,
    split,
    lambda done, total: progress('embed images', done, total),
  )
  data = data_lib.TrainingData(
    features, split.labels, len(classes), normalization.SELECTED, memory_bytes
  )
  chosen: dict[str, space_lib.Setting] = {}
  found: dict[str, held_out_lib.HeldOut] = {}
  for i, name in enumerate(names):
    progress(f'choose {name}', i, len(names) + 1)
    results = methods.FROZEN[name].validate(data, folds, space, seed)
    chosen[name] = space_lib.choose(results)
    found[name] = _held_out(data, folds, name, chosen[name], space, seed)
  progress(f'train {method}', len(names), len(names) + 1)
  examples = np.random.default_rng(seed).permutation(len(split.ids))
  (head,) = methods.FROZEN[method].fit(
    data, examples, chosen[method], space, [seed]
  )
  best = found[method]
  accuracy = best.accuracy(split.labels)
  return Adapted(
    classes=tuple(classes),
    backbone=backbone,
    method=method,
    setting=chosen[method],
    head=head,
    accuracy=accuracy,
    linear=found['linear'].accuracy(split.labels),
    ids=tuple(split.ids),
    labels=split.labels,
    held_out=best,
    linear_held_out=found['linear'],
    temperature=calibration.temperature(
      best.logits, split.labels[best.examples]
    ),
    neighbours=neighbours_lib.nearest(features.blocks(None)[0], split.labels),
    learning_curve=(held_out_lib.CurvePoint(len(split.ids), accuracy),),
  )


def _held_out(
  data: data_lib.TrainingData,
  folds: Sequence[interface.Fold],
  method: str,
  setting: space_lib.Setting,
  space: space_lib.Space,
  seed: int,
) -> held_out_lib.HeldOut:
  """Trains one setting on each fold and asks about its rest."""
  logits = []
  for fold in folds:
    (head,) = methods.FROZEN[method].fit(
      data, fold.train, setting, space, [seed]
    )
    matrix = data.matrix(head.target_size, fold.val, head.columns)
    logits.append(head.head.logits(matrix).numpy())
  examples = np.concatenate([f.val for f in folds])
  numbers = np.concatenate([np.full(len(f.val), f.number) for f in folds])
  order = np.argsort(examples)
  return held_out_lib.HeldOut(
    examples=examples[order],
    logits=np.concatenate(logits)[order],
    folds=numbers[order],
  )
