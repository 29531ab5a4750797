"""Trains heads of the setting that was chosen."""

from collections.abc import Sequence
import contextlib
import dataclasses
import functools

import numpy as np

from vtab_h2t.classifier import candidates
from vtab_h2t.classifier import choosing
from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.classifier import learning
from vtab_h2t.classifier import trials as trials_lib
from vtab_h2t.features import normalization
from vtab_h2t.heads import epochs as epochs_lib
from vtab_h2t.heads import stacks
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib


def fit(
  data: learning.Data,
  choice: choosing.Choice,
  rows: np.ndarray,
  space: space_lib.Space,
  tell: choosing.Tell = lambda *_: None,
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
  first, second = choosing.parts(tell, f'train {choice.method}', 1, 2)
  with candidates.of_method(
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
  data: learning.Data,
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
  data: learning.Data,
  choice: choosing.Choice,
  folds: Sequence[interface.Fold],
  space: space_lib.Space,
  shares: Sequence[float] = (0.25, 0.5),
  tell: choosing.Tell = lambda *_: None,
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
    tells = choosing.parts(
      tell, f'learn from {share:.0%} of images', len(folds)
    )
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


def say_of_all(
  data: learning.Data,
  choice: choosing.Choice,
  head: data_lib.FeatureHead[stacks.Head],
  folds: Sequence[interface.Fold],
  tell: choosing.Tell = lambda *_: None,
) -> held_out_lib.HeldOut:
  """What heads say of all images that were trained without them.

  Of images that were held out when the setting was chosen, it is what was said
  then; of the others what heads of the same setting say, one for each fold.
  They read the features that the final head reads, which were selected with
  all images.

  Args:
    data: what is learned from.
    choice: what was chosen, and what it said.
    head: the final one.
    folds: of the images that were not held out.
    tell: is told how far it is.
  """
  found = [choice.held_out]
  trials = candidates.known(data, choice.method, choice.setting, head.columns)
  tells = choosing.parts(tell, 'look for wrong labels', len(folds))
  with contextlib.ExitStack() as stack:
    if head.columns is not None:
      trials = stack.enter_context(candidates.narrowed(data, trials))
    for fold, own in zip(folds, tells):
      run = trials_lib.Run(data, trials, data.rows(fold.train), fold.val)
      run.train_to(choice.share, functools.partial(own, 'train heads'))
      logits = [said for _, ((_, said),) in run.logits()]
      del run
      found.append(
        held_out_lib.HeldOut(
          examples=fold.val,
          logits=np.concatenate(logits),
          folds=np.full(len(fold.val), fold.number),
        )
      )
  return held_out_lib.HeldOut.joined(found)
