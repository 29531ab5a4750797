"""The trials of a method: what settings it has, and what their heads read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools

import numpy as np

from vtab_h2t import files
from vtab_h2t.classifier import budget
from vtab_h2t.classifier import learning
from vtab_h2t.classifier import trials as trials_lib
from vtab_h2t.features import pooling
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import stacks
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib

_PENALTIES = {
  'linear': None,
  'all_l2': 'l2',
  'all_l1': 'l1',
  'all_l21': 'l21',
  'head2toe': None,
}

# How the folders of columns that were selected begin.
SELECTED = 'selected'

# Called with what is done, steps done, steps planned.
Tell = Callable[[str, int, int], None]


def least_bytes(
  layouts: Mapping[int | None, pooling.Layout],
  method: str,
  space: space_lib.Space,
  classes: int,
) -> int:
  """Memory that a method's heads take where nothing is kept.

  Args:
    layouts: of the network, by their target sizes.
    method: of `methods.registry.FROZEN`.
    space: the settings.
    classes: how many.
  """
  options = space.of(method)
  coefficients = getattr(options, 'coefficients', (0.0,))
  fractions = getattr(options, 'fractions', ())
  heads = len(options.learning_rates) * len(coefficients)
  found = 0
  for target in methods.FROZEN[method].target_sizes(space) or (None,):
    size = layouts[target].size
    one = stacks.head_bytes(size, classes)
    beside = max(one, trials_lib.SIDE_BY_SIDE)
    selected = int(4 * size * heads * sum(fractions))
    found = max(
      found,
      min(heads * max(1, sum(fractions)) * one, beside)
      + trials_lib.section_bytes(size, selected),
    )
  return int(found)


@contextlib.contextmanager
def of_method(
  data: learning.Data,
  method: str,
  options: linear.Options,
  size: int | None,
  rows: np.ndarray,
  judged: int,
  tell: Tell,
) -> Iterator[trials_lib.Trials]:
  """The trials of a method at a target size.

  Those of Head2Toe's second stage read what a first stage selects, which is
  trained on the rows. Where the selections do not fit in memory, the columns
  that any of them has are written to a file, so that each epoch reads little.

  Args:
    data: what is learned from.
    method: of `methods.registry.FROZEN`.
    options: of the method; how many steps they say does not count.
    size: the target size, or None for the embedding.
    rows: of the examples to train on, in the order of batches.
    judged: how many others are judged.
    tell: is told how far it is.
  """
  if not isinstance(options, head2toe.Options):
    coefficients = getattr(options, 'coefficients', (0.0,))
    yield trials_lib.Trials(
      every=_heads(options.learning_rates, coefficients, size, data.seed),
      size=size,
      penalty=_PENALTIES[method],
      features=data.features,
    )
    return
  trials = _second_stage(data, options, size, rows, tell)
  total = (len(rows) + judged) * trials.matrices_bytes()
  if total <= data.memory.left() - trials_lib.needed_bytes(data, trials):
    yield trials
    return
  with narrowed(data, trials) as narrow:
    yield narrow


@contextlib.contextmanager
def narrowed(
  data: learning.Data, trials: trials_lib.Trials
) -> Iterator[trials_lib.Trials]:
  """The same trials, that read a file of the columns that any of them has.

  They read the store as before where the disk has no room for the file.

  Args:
    data: what is learned from.
    trials: all of which read selections.
  """
  columns = np.unique(
    np.concatenate([t.columns for t in trials.every if t.columns is not None])
  )
  if 4 * len(data.labels) * len(columns) > budget.free(data.folder):
    yield trials
    return
  with files.temporary_directory(data.folder / SELECTED) as folder:
    narrow = data.features.narrowed(trials.size, columns, folder)
    yield dataclasses.replace(trials, features=narrow, columns=columns)


def known(
  data: learning.Data,
  method: str,
  setting: linear.Setting,
  columns: np.ndarray | None,
) -> trials_lib.Trials:
  """The trial of one setting, whose features are known.

  Args:
    data: what is learned from.
    method: of `methods.registry.FROZEN`.
    setting: of the method.
    columns: ascending indices of the features that it selects; None for all.
  """
  (spec,) = linear.stack_of(
    [setting.learning_rate], [setting.coefficient or 0.0], data.seed
  )
  if columns is not None:
    spec = _selected_head(data, setting)
  return trials_lib.Trials(
    every=[trials_lib.Trial(setting=setting, head=spec, columns=columns)],
    size=setting.target_size,
    penalty=_PENALTIES[method],
    features=data.features,
  )


def _heads(
  learning_rates: Sequence[float],
  coefficients: Sequence[float],
  size: int | None,
  seed: int,
) -> list[trials_lib.Trial]:
  """Heads on all features of a target size, or on the embedding if None."""
  return [
    trials_lib.Trial(
      setting=linear.Setting(
        learning_rate=spec.learning_rate,
        steps=0,
        target_size=size,
        coefficient=spec.coefficient if size is not None else None,
      ),
      head=spec,
    )
    for spec in linear.stack_of(learning_rates, coefficients, seed)
  ]


def _selected_head(
  data: learning.Data, setting: linear.Setting
) -> stacks.HeadSpec:
  """A head of the second stage."""
  return stacks.HeadSpec(setting.learning_rate, (data.seed, interface.SECOND))


def _second_stage(
  data: learning.Data,
  options: head2toe.Options,
  size: int | None,
  rows: np.ndarray,
  tell: Tell,
) -> trials_lib.Trials:
  """Trains the first stage, and gives the trials of what it selects."""
  first = trials_lib.Trials(
    every=_heads(options.learning_rates, options.coefficients, size, data.seed),
    size=size,
    penalty='l21',
    features=data.features,
  )
  every = []
  for part in trials_lib.groups(data, first):
    run = trials_lib.Run(data, part, rows)
    run.train_to(1, functools.partial(tell, 'select features'))
    trained = run.heads()
    del run  # What it keeps is free for the next.
    for trial, head in trained:
      scores = fraction_lib.relevance_scores(head.kernel)
      for share in options.fractions:
        every.append(
          trials_lib.Trial(
            setting=head2toe.Setting(
              **(vars(trial.setting) | {'fraction': share})
            ),
            head=_selected_head(data, trial.setting),
            columns=fraction_lib.select(scores, share),
          )
        )
  return trials_lib.Trials(
    every=every, size=size, penalty=None, features=data.features
  )
