"""Head2Toe for the user's own images: choose, train, say how good it is."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.classifier import budget
from vtab_h2t.classifier import calibration
from vtab_h2t.classifier import candidates
from vtab_h2t.classifier import choosing
from vtab_h2t.classifier import fitting
from vtab_h2t.classifier import folds as folds_lib
from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.classifier import judging
from vtab_h2t.classifier import learning
from vtab_h2t.classifier import neighbours as neighbours_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import pandas as pd

BEST = 'best'  # As a method: Linear or Head2Toe.
METHODS = (*methods.FROZEN, BEST)


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
    apart: the same where the method, if there was a choice, the setting and how
      long it is trained are chosen anew for each part of the held-out images
      (each fold, or fifths of a single one), without it: not too high.
    linear: as `accuracy`, of Linear.
    tried: as `accuracy`, of each method that was tried, by its id.
    ids: names `[n]` of all images.
    labels: their classes, int64 `[n]`.
    held_out: what heads of the chosen setting said of images that they were
      trained without.
    linear_held_out: the same of Linear.
    said: as `held_out`, of as many images as were looked at for wrong labels:
      all of them, even where only a part was held out to choose on, unless a
      share was asked for.
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
  apart: held_out_lib.Accuracy
  linear: held_out_lib.Accuracy
  tried: Mapping[str, held_out_lib.Accuracy]
  ids: tuple[str, ...]
  labels: np.ndarray
  held_out: held_out_lib.HeldOut
  linear_held_out: held_out_lib.HeldOut
  said: held_out_lib.HeldOut
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
  memory_bytes: int | None = None,
  steps: int = learning.STEPS,
  dtype: str = store.FLOAT32,
  extractor_of: Callable[
    [backbone_lib.Backbone, Sequence[int]], extraction.Extractor
  ] = extraction.Extractor,
  progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Adapted:
  """Adapts a frozen backbone to labelled images.

  Args:
    split: the images; every class has at least one.
    classes: their names.
    backbone: the network.
    workdir: where features are kept.
    method: of `methods.registry.FROZEN`, or `BEST`: Linear or Head2Toe,
      whichever is right more often on what is held out.
    space: the settings to choose from; the quick grid's by default. How long
      heads are trained is not a part of it.
    val_fraction: share of the images to hold out once; by default as in
      `folds.folds_of`.
    seed: of folds and heads.
    memory_bytes: that the whole process may take; by default what the machine
      has free, less a reserve.
    steps: that heads are trained for at least.
    dtype: in which features are kept on disk, `store.FLOAT32` or `FLOAT16`.
    extractor_of: makes what computes features of the network, given it and
      target sizes.
    progress: called with (stage, done, total).

  Raises:
    errors.InputError: an unknown method, a bad image, no image that can be held
      out, or too little memory or disk.
  """
  if method not in METHODS:
    raise errors.InputError(
      f'unknown method {method!r}; choose from {", ".join(METHODS)}'
    )
  memory = (
    budget.Memory.of_machine()
    if memory_bytes is None
    else budget.Memory(memory_bytes)
  )
  space = space or grids.quick(backbone.name)
  # Examples that are beside each other on disk are a random sample, so that
  # batches are read as they lie there. The order is the same for every seed.
  count = len(split.ids)
  order = np.arange(count)
  if split.in_order is not None:
    order = np.random.default_rng(0).permutation(count)
    # Labels may have been replaced since the split was made.
    stored = dataclasses.replace(
      split.in_order(order), labels=split.labels[order]
    )
  else:
    stored = split
  folds = folds_lib.folds_of(stored.labels, val_fraction, seed)
  wanted = 'head2toe' if method == BEST else method
  names = list(dict.fromkeys(('linear', wanted)))
  extractor = extractor_of(backbone, methods.FROZEN[wanted].target_sizes(space))
  root = workdir / 'features'
  missing = store.missing_bytes(root, extractor, stored, dtype)
  answers = max(
    choosing.file_bytes(folds, name, space, len(classes)) for name in names
  )
  budget.check_disk(root, missing, answers)
  memory.check(
    max(
      extraction_bytes(backbone) if missing else 0,
      *(
        candidates.least_bytes(extractor.layouts, name, space, len(classes))
        for name in names
      ),
    )
  )
  features = store.open_or_compute(
    root,
    extractor,
    stored,
    lambda done, total: progress('embed images', done, total),
    dtype,
  )
  data = learning.Data(
    features=features,
    labels=stored.labels,
    order=np.arange(count)
    if split.in_order is not None
    else np.random.default_rng(seed).permutation(count),
    classes=len(classes),
    seed=seed,
    memory=memory,
    folder=workdir,
    steps=steps,
  )
  choices = {
    name: choosing.choose(data, name, folds, space, progress) for name in names
  }
  linear, chosen = choices['linear'], choices[wanted]
  if method == BEST and not _is_better(chosen, linear, stored.labels):
    chosen = linear
  of = [linear, choices[wanted]] if method == BEST else [chosen]
  curve = fitting.learning_curve(data, chosen, folds, space, tell=progress)
  head = fitting.fit(data, chosen, data.order, space, progress)
  said = chosen.held_out
  if val_fraction is None and len(folds) == 1:
    rest = folds_lib.others(stored.labels, folds[0], seed)
    said = fitting.say_of_all(data, chosen, head, rest, progress)
  progress('compare images', 0, 1)
  alike = neighbours_lib.nearest(features.blocks(None)[0], stored.labels)
  return Adapted(
    classes=tuple(classes),
    backbone=backbone,
    method=chosen.method,
    setting=dataclasses.replace(chosen.setting, steps=head.measures['steps']),
    head=head,
    accuracy=chosen.held_out.accuracy(stored.labels),
    apart=judging.accuracy_apart([choice.parts for choice in of]),
    linear=linear.held_out.accuracy(stored.labels),
    tried={
      name: choice.held_out.accuracy(stored.labels)
      for name, choice in choices.items()
    },
    ids=tuple(split.ids),
    labels=split.labels,
    held_out=chosen.held_out.renamed(order),
    linear_held_out=linear.held_out.renamed(order),
    said=said.renamed(order),
    temperature=calibration.temperature(
      chosen.held_out.logits, stored.labels[chosen.held_out.examples]
    ),
    neighbours=_alike_in_order(alike, order),
    learning_curve=curve,
  )


def extraction_bytes(backbone: backbone_lib.Backbone) -> int:
  """Memory that a batch takes in the network, whose taps are held together."""
  values = sum(math.prod(shape) for shape in backbone.tap_shapes().values())
  return 4 * extraction.BATCH_SIZE * values


def _is_better(
  one: choosing.Choice, other: choosing.Choice, labels: np.ndarray
) -> bool:
  """Whether one is right more often."""
  right, others = (c.held_out.accuracy(labels).correct for c in (one, other))
  return right > others


def _alike_in_order(
  found: neighbours_lib.Neighbours, order: np.ndarray
) -> neighbours_lib.Neighbours:
  """As `HeldOut.renamed`."""
  place = np.argsort(order)

  def renamed(places: np.ndarray) -> np.ndarray:
    return np.where(places < 0, -1, order[places])[place]

  return neighbours_lib.Neighbours(
    indices=renamed(found.indices),
    similarity=found.similarity[place],
    other=renamed(found.other),
    other_similarity=found.other_similarity[place],
    recall=found.recall,
  )
