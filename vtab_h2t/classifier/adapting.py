"""Head2Toe for images of one's own: choose, train, and say how good it is."""

from collections.abc import Callable, Sequence
import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
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


@dataclasses.dataclass(frozen=True)
class Accuracy:
  """Correct answers on images that were held out, each once.

  Attributes:
    correct, total: counts.
    low, high: 95 % interval of the share (Wilson), 0 to 1.
  """

  correct: int
  total: int
  low: float
  high: float

  @classmethod
  def of(cls, correct: int, total: int) -> 'Accuracy':
    from scipy import stats

    interval = stats.binomtest(correct, total).proportion_ci(method='wilson')
    return cls(correct, total, float(interval.low), float(interval.high))

  def __str__(self) -> str:
    return (
      f'{100 * self.correct / self.total:.1f} % of {self.total} (95 % '
      f'interval {100 * self.low:.1f} to {100 * self.high:.1f})'
    )


@dataclasses.dataclass(frozen=True, eq=False)
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
  """

  classes: tuple[str, ...]
  backbone: backbone_lib.Backbone
  method: str
  setting: space_lib.Setting
  head: data_lib.FeatureHead
  accuracy: Accuracy
  linear: Accuracy

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
  total = sum(len(f.val) for f in folds)
  chosen: dict[str, space_lib.Setting] = {}
  accuracy: dict[str, Accuracy] = {}
  for i, name in enumerate(names):
    progress(f'choose {name}', i, len(names) + 1)
    results = methods.FROZEN[name].validate(data, folds, space, seed)
    chosen[name] = space_lib.choose(results)
    # A head on frozen features does not fail.
    accuracy[name] = Accuracy.of(
      sum(c for c in results[chosen[name]] if isinstance(c, int)), total
    )
  progress(f'train {method}', len(names), len(names) + 1)
  examples = np.random.default_rng(seed).permutation(len(split.ids))
  (head,) = methods.FROZEN[method].fit(
    data, examples, chosen[method], space, [seed]
  )
  return Adapted(
    tuple(classes),
    backbone,
    method,
    chosen[method],
    head,
    accuracy[method],
    accuracy['linear'],
  )
