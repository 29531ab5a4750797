"""Chooses a setting and how long to train, on images that are held out."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import tempfile

import numpy as np

from vtab_h2t.classifier import candidates
from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.classifier import judging
from vtab_h2t.classifier import learning
from vtab_h2t.classifier import trials as trials_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib

# How often in a row a head may have fewer right answers than before until its
# training ends.
PATIENCE = 4

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
    parts: how good the choice is where a part does not take part in it.
  """

  method: str
  setting: linear.Setting
  share: float
  held_out: held_out_lib.HeldOut
  parts: tuple[judging.Part, ...]


def choose(
  data: learning.Data,
  method: str,
  folds: Sequence[interface.Fold],
  space: space_lib.Space,
  tell: Tell = lambda *_: None,
) -> Choice:
  """Trains each setting of a method on each fold, and judges it on its rest.

  A setting is judged at `judging.CHECKPOINTS` points of its training. With one
  fold its training ends early where it gets worse.

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
  tells = parts(tell, f'choose {method}', len(sizes) * len(folds), 2)
  with tempfile.TemporaryFile(dir=data.folder) as file:
    answers = judging.Answers([len(f.val) for f in folds], data.classes, file)
    for size in sizes:
      for number, fold in enumerate(folds):
        rows, judged = data.rows(fold.train), np.sort(fold.val)
        first, second = next(tells), next(tells)
        with candidates.of_method(
          data, method, options, size, rows, len(judged), first
        ) as trials:
          for part in trials_lib.groups(data, trials):
            run = trials_lib.Run(data, part, rows, judged)
            _judge(
              run, answers, number, data.labels[judged], len(folds) == 1, second
            )
            del run  # What it keeps is free for the next.
    setting, checkpoint = answers.best()
    apart = answers.parts()
    logits = np.concatenate(
      [answers.logits(setting, f, checkpoint) for f in range(len(folds))]
    )
  examples = np.concatenate([np.sort(f.val) for f in folds])
  fold_of = np.repeat(np.arange(len(folds)), [len(f.val) for f in folds])
  order = np.argsort(examples)
  return Choice(
    method=method,
    setting=setting,
    share=(checkpoint + 1) / judging.CHECKPOINTS,
    held_out=held_out_lib.HeldOut(
      examples=examples[order], logits=logits[order], folds=fold_of[order]
    ),
    parts=apart,
  )


def file_bytes(
  folds: Sequence[interface.Fold],
  method: str,
  space: space_lib.Space,
  classes: int,
) -> int:
  """What `choose` takes on the disk besides features."""
  options = space.of(method)
  settings = len(options.learning_rates)
  for name in ('coefficients', 'fractions', 'target_sizes'):
    settings *= max(1, len(getattr(options, name, ())))
  sizes = [len(fold.val) for fold in folds]
  return judging.file_bytes(sizes, settings, classes)


def _judge(
  run: trials_lib.Run,
  answers: judging.Answers,
  fold: int,
  labels: np.ndarray,
  may_stop: bool,
  tell: Tell,
) -> None:
  """Trains and judges at each checkpoint; may stop where all get worse."""
  best: dict[linear.Setting, int] = {}
  waited: dict[linear.Setting, int] = {}
  for checkpoint in range(judging.CHECKPOINTS):
    run.train_to(
      (checkpoint + 1) / judging.CHECKPOINTS,
      functools.partial(tell, 'train heads'),
    )
    said = (
      (rows, [(trial.setting, logits) for trial, logits in each])
      for rows, each in run.logits()
    )
    # As if each had been trained alone, and had ended.
    ended = {s for s, n in waited.items() if may_stop and n == PATIENCE}
    for setting, right in answers.add(
      fold, checkpoint, labels, said, ended
    ).items():
      is_good = right >= best.get(setting, 0)
      waited[setting] = 0 if is_good else waited[setting] + 1
      best[setting] = max(right, best.get(setting, 0))
    if may_stop and min(waited.values()) == PATIENCE:
      return


def parts(tell: Tell, stage: str, *counts: int) -> Iterator[Tell]:
  """What tells of each of many equal parts of a stage, in percent of it."""
  total = int(np.prod(counts))

  def of(part: int) -> Tell:
    return lambda _, done, steps: tell(
      stage, int(100 * (part + done / steps) / total), 100
    )

  return (of(part) for part in range(total))
