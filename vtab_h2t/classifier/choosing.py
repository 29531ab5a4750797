"""Chooses a setting and how long to train, on images that are held out."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import os
import tempfile
from typing import Any, IO

import numpy as np

from vtab_h2t import errors
from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.classifier import trials as trials_lib
from vtab_h2t.features import normalization
from vtab_h2t.heads import epochs as epochs_lib
from vtab_h2t.heads import stacks
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib

FOLDS = 5
# Up to so many images each is held out once; of more, some of them are.
MOST_FOLDED = 5000
# Of more: this share, but not more than so many. The interval of their accuracy
# is a point to either side at most.
HELD_OUT, MOST_HELD_OUT = 0.2, 10_000
# How often heads are judged in a training, and how often in a row one may have
# fewer right answers than before until its training ends.
CHECKPOINTS, PATIENCE = 10, 4

# Called with what is done, and how much of it, 0 to 100.
Tell = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
  """What did best.

  Attributes:
    method: of `methods.registry.FROZEN`.
    setting: of the method; its steps do not count.
    share: of the schedule, after which training ends.
    held_out: what its heads said.
  """

  method: str
  setting: linear.Setting
  share: float
  held_out: held_out_lib.HeldOut


def folds_of(
  labels: np.ndarray, val_fraction: float | None, seed: int
) -> list[interface.Fold]:
  """Stratified folds; images of a class with one image are always trained on.

  Args:
    labels: integers `[n]`.
    val_fraction: share to hold out once. By default there are `FOLDS` folds, or
      fewer if no class has so many images; and one fold that holds out a share
      of `HELD_OUT` if there are more than `MOST_FOLDED` images.
    seed: of the draw.

  Raises:
    errors.InputError: no class has two images.
  """
  if val_fraction is None and len(labels) > MOST_FOLDED:
    val_fraction = min(HELD_OUT, MOST_HELD_OUT / len(labels))
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
    count = min(FOLDS, int(sizes.max()))
    parts = [dealt[i::count] for i in range(count)]
  else:
    # At least one of each class, and at least one is left to train on.
    wanted = np.clip(np.round(sizes * val_fraction), 1, sizes - 1).astype(int)
    starts = np.searchsorted(labels[dealt], np.arange(len(sizes)))
    place = np.arange(len(dealt)) - starts[labels[dealt]]
    parts = [dealt[place < wanted[labels[dealt]]]]
  return [
    interface.Fold(i, order[~np.isin(order, held)], np.sort(held))
    for i, held in enumerate(parts)
  ]


def choose(
  data: trials_lib.Data,
  method: str,
  folds: Sequence[interface.Fold],
  space: space_lib.Space,
  tell: Tell = lambda *_: None,
) -> Choice:
  """Trains each setting of a method on each fold, and judges it on its rest.

  A setting is judged at `CHECKPOINTS` points of its training. With one fold its
  training ends early where it gets worse.

  Args:
    data: what is learned from.
    method: of `methods.registry.FROZEN`.
    folds: what is held out.
    space: the settings; how many steps they say does not count.
    tell: is told how far it is.

  Raises:
    errors.InputError: there is not enough memory.
  """
  options = space.of(method)
  sizes = methods.FROZEN[method].target_sizes(space) or (None,)
  tells = _parts(tell, f'choose {method}', len(sizes) * len(folds), 2)
  with tempfile.TemporaryFile(dir=data.folder) as file:
    answers = _Answers(len(folds), file)
    for size in sizes:
      for number, fold in enumerate(folds):
        rows, judged = data.rows(fold.train), np.sort(fold.val)
        first, second = next(tells), next(tells)
        with trials_lib.of_method(
          data, method, options, size, rows, len(judged), first
        ) as trials:
          for part in trials_lib.groups(data, trials):
            run = trials_lib.Run(data, part, rows, judged)
            _judge(
              run, answers, number, data.labels[judged], len(folds) == 1, second
            )
    setting, checkpoint = answers.best()
    logits = np.concatenate(
      [answers.logits(setting, f, checkpoint) for f in range(len(folds))]
    )
  examples = np.concatenate([np.sort(f.val) for f in folds])
  fold_of = np.repeat(np.arange(len(folds)), [len(f.val) for f in folds])
  order = np.argsort(examples)
  return Choice(
    method=method,
    setting=setting,
    share=(checkpoint + 1) / CHECKPOINTS,
    held_out=held_out_lib.HeldOut(
      examples=examples[order], logits=logits[order], folds=fold_of[order]
    ),
  )


def _judge(
  run: trials_lib.Run,
  answers: '_Answers',
  fold: int,
  labels: np.ndarray,
  may_stop: bool,
  tell: Tell,
) -> None:
  """Trains and judges at each checkpoint; may stop where all get worse."""
  best: dict[linear.Setting, int] = {}
  waited: dict[linear.Setting, int] = {}
  for checkpoint in range(CHECKPOINTS):
    run.train_to(
      (checkpoint + 1) / CHECKPOINTS, functools.partial(tell, 'train heads')
    )
    for trial, logits in run.logits():
      setting = trial.setting
      if may_stop and waited.get(setting) == PATIENCE:
        continue  # As if it had been trained alone, and had ended.
      right = int((logits.argmax(axis=1) == labels).sum())
      answers.add(setting, fold, checkpoint, right, logits)
      is_good = right >= best.get(setting, 0)
      waited[setting] = 0 if is_good else waited[setting] + 1
      best[setting] = max(right, best.get(setting, 0))
    if may_stop and min(waited.values()) == PATIENCE:
      return


class _Answers:
  """Right answers of settings at checkpoints, and logits, which are on disk.

  Of a setting it is the last checkpoint that counts, among those whose right
  answers are within a standard error of its most: what is better earlier by
  less is so by chance, and a schedule that has ended is the safer choice. Of
  one fold only that checkpoint's logits are kept.
  """

  def __init__(self, folds: int, file: IO[bytes]) -> None:
    self._folds = folds
    self._file = file
    self._right: dict[linear.Setting, np.ndarray] = {}
    self._images: dict[int, int] = {}
    self._places: dict[tuple[linear.Setting, int, int], tuple[int, Any]] = {}
    self._slots: dict[linear.Setting, int] = {}

  def add(
    self,
    setting: linear.Setting,
    fold: int,
    checkpoint: int,
    right: int,
    logits: np.ndarray,
  ) -> None:
    """Keeps what a head said, float32 `[m, C]`, and how often it was right."""
    counts = self._right.setdefault(
      setting, np.full((self._folds, CHECKPOINTS), -1)
    )
    counts[fold, checkpoint] = right
    self._images[fold] = len(logits)
    place = self._file.seek(0, os.SEEK_END)
    if self._folds == 1:
      if self._chosen(setting)[1] != checkpoint:
        return
      place = self._file.seek(self._slots.setdefault(setting, place))
    self._places[setting, fold, checkpoint] = place, logits.shape
    self._file.write(np.ascontiguousarray(logits, np.float32).data)

  def best(self) -> tuple[linear.Setting, int]:
    """The setting with the most right answers over all folds, and where.

    Of equal ones it is the first, as settings come from cheap to dear.
    """
    if not self._right:
      raise ValueError('nothing was judged')
    setting = max(self._right, key=lambda s: self._chosen(s)[0])
    return setting, self._chosen(setting)[1]

  def _chosen(self, setting: linear.Setting) -> tuple[int, int]:
    """A setting's right answers over all folds, and at which checkpoint."""
    counts = self._right[setting]
    total = np.where((counts < 0).any(axis=0), -1, counts.sum(axis=0))
    most, images = max(0, int(total.max())), sum(self._images.values())
    error = np.sqrt(most * (images - most) / images)
    last = int(np.flatnonzero(total >= max(0, most - error)).max(initial=0))
    return int(total[last]), last

  def logits(
    self, setting: linear.Setting, fold: int, checkpoint: int
  ) -> np.ndarray:
    """What was kept, float32 `[m, C]`."""
    place, shape = self._places[setting, fold, checkpoint]
    self._file.seek(place)
    data = self._file.read(4 * int(np.prod(shape)))
    return np.frombuffer(data, np.float32).reshape(shape).copy()


def fit(
  data: trials_lib.Data,
  choice: Choice,
  rows: np.ndarray,
  space: space_lib.Space,
  tell: Tell = lambda *_: None,
) -> data_lib.FeatureHead[stacks.Head]:
  """Trains the chosen setting, up to the chosen share of the schedule.

  Args:
    data: what is learned from.
    choice: what was chosen.
    rows: of the examples to train on, in the order of batches.
    space: where the setting is from.
    tell: is told how far it is.

  Returns:
    The head; its `measures` say after how many `steps`.
  """
  setting = choice.setting
  values = {
    'learning_rates': setting.learning_rate,
    'coefficients': setting.coefficient,
    'fractions': getattr(setting, 'fraction', None),
  }
  options = space.of(choice.method)
  options = dataclasses.replace(
    options,
    **{k: (v,) for k, v in values.items() if hasattr(options, k)},
  )
  first, second = _parts(tell, f'train {choice.method}', 1, 2)
  with trials_lib.of_method(
    data, choice.method, options, setting.target_size, rows, 0, first
  ) as trials:
    run = trials_lib.Run(data, trials, rows)
    run.train_to(choice.share, functools.partial(second, 'train heads'))
    ((trial, head),) = run.heads()
  return data_lib.FeatureHead(
    setting.target_size,
    trial.columns,
    head,
    normalization.SELECTED,
    {'steps': run.steps},
  )


def logits_of(
  data: trials_lib.Data,
  head: data_lib.FeatureHead[stacks.Head],
  examples: np.ndarray,
) -> np.ndarray:
  """What a head says of examples, float32 `[len(examples), C]`."""
  layout = data.features.layouts[head.target_size]
  count = epochs_lib.section_batches(layout.size) * stacks.BATCH_SIZE
  found = []
  for first in range(0, len(examples), count):
    matrix = normalization.design_matrix(
      data.features.rows(head.target_size, examples[first : first + count]),
      layout,
      None,
      head.columns,
    )
    found.append(head.head.logits(matrix).numpy())
  return np.concatenate(found)


def learning_curve(
  data: trials_lib.Data,
  choice: Choice,
  folds: Sequence[interface.Fold],
  space: space_lib.Space,
  shares: Sequence[float] = (0.25, 0.5),
  tell: Tell = lambda *_: None,
) -> tuple[held_out_lib.CurvePoint, ...]:
  """How good the chosen setting is with a part of the images, and with all.

  Args:
    data: what is learned from.
    choice: what was chosen, and what it said.
    folds: what is held out; the parts are of what is trained on.
    space: where the setting is from.
    shares: of the images, 0 to 1.
    tell: is told how far it is.
  """
  points = []
  for share in shares:
    right, images = 0, []
    tells = _parts(tell, f'learn from {share:.0%} of images', len(folds))
    for fold, own in zip(folds, tells):
      rows = data.part(data.rows(fold.train), share)
      head = fit(data, choice, rows, space, own)
      said = logits_of(data, head, fold.val).argmax(axis=1)
      right += int((said == data.labels[fold.val]).sum())
      images.append(len(rows))
    points.append(
      held_out_lib.CurvePoint(
        round(float(np.mean(images))),
        held_out_lib.Accuracy.of(right, sum(len(f.val) for f in folds)),
      )
    )
  whole = round(float(np.mean([len(f.train) for f in folds])))
  return (
    *points,
    held_out_lib.CurvePoint(whole, choice.held_out.accuracy(data.labels)),
  )


def _parts(tell: Tell, stage: str, *counts: int) -> Iterator[Tell]:
  """What tells of each of many equal parts of a stage, in percent of it."""
  total = int(np.prod(counts))

  def of(part: int) -> Tell:
    return lambda _, done, steps: tell(
      stage, int(100 * (part + done / steps) / total), 100
    )

  return (of(part) for part in range(total))
