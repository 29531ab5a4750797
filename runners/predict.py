r"""Classifies images with an adapted model, or with an exported one.

Prints for each image its path, the class and the probability of each class.

  python -m runners.predict --model=model/ --images=photos/
  python -m runners.predict --model=model/ --images=list.csv --top=5 \
      --min_confidence=0.9 --on_bad_image=report
  python -m runners.predict --model=exported/ --images=a.jpg --format=json
"""

from collections.abc import Callable, Iterator
import csv
import functools
import io
import json
import sys
from typing import TYPE_CHECKING

from absl import flags

from vtab_h2t import errors
from vtab_h2t.tasks import image_files
from vtab_h2t.tasks import pictures

from . import common
from . import progress as progress_lib
from . import shared_flags
from . import stopping

if TYPE_CHECKING:
  import numpy as np

  from vtab_h2t.classifier import answers as answers_lib
  from vtab_h2t.classifier import artefact
  from vtab_h2t.classifier import exporting

_REPORT = 'report'

_MODEL = flags.DEFINE_string(
  'model', None, 'Folder that adapt or export wrote.', required=True
)
_IMAGES = flags.DEFINE_string(
  'images',
  None,
  'An image, a folder of them, or a CSV with the column path.',
  required=True,
)
_FORMAT = flags.DEFINE_enum(
  'format', 'csv', ['csv', 'json'], 'json: one object a line.'
)
_TOP = flags.DEFINE_integer(
  'top',
  None,
  'Print only so many classes of each image, the likeliest first.',
  lower_bound=1,
)
_MIN_CONFIDENCE = flags.DEFINE_float(
  'min_confidence',
  None,
  'Mark images whose class is less probable, for a person to look at.',
  lower_bound=0.0,
  upper_bound=1.0,
)
_BAD = flags.DEFINE_enum(
  'on_bad_image',
  pictures.FAIL,
  [pictures.FAIL, pictures.SKIP, _REPORT],
  'What to do about files that cannot be decoded. report: print a line for '
  'each, with what is wrong.',
)
_WEIGHTS = flags.DEFINE_string(
  'weights', None, "File of the network's weights, where they are not packaged."
)
_PLUGINS = shared_flags.plugins()
_REQUIRE_GPU = shared_flags.require_gpu()
_CLUSTER = shared_flags.executor()

# Of files, and what is filled with what is wrong with them: batches of
# probabilities, each with the number of files before it.
_Batches = Callable[
  [tuple[str, ...], dict[int, str]], 'Iterator[tuple[int, np.ndarray]]'
]


def main() -> None:
  found = image_files.listed(_IMAGES.value)
  passed_over = image_files.describe(found.passed_over)
  if passed_over:
    print(f'passed over {passed_over}', file=sys.stderr)
  common.prepare_tensorflow(_REQUIRE_GPU.value)
  from vtab_h2t.classifier import answers as answers_lib

  model = _load()
  answers = answers_lib.Answers(
    classes=model.classes,
    top=_TOP.value,
    min_confidence=_MIN_CONFIDENCE.value,
    has_errors=_BAD.value == _REPORT,
  )
  common.say_devices()
  with (
    stopping.keeping('what was printed is right; the rest is not begun'),
    # On a terminal the answers themselves show how far it is.
    progress_lib.Progress(
      1, 'predict', has_bar=not sys.stdout.isatty()
    ) as progress,
  ):
    _classify(_batches(model), found.paths, answers, progress)


def _batches(model: 'artefact.Model | exporting.Exported') -> _Batches:
  """What classifies files, here or on a cluster."""
  cluster = _CLUSTER()
  if cluster is None:
    return lambda paths, wrong: model.probabilities(
      pictures.unlabelled(paths, wrong)
    )
  from vtab_h2t.classifier import exporting
  from vtab_h2t.classifier import shards

  if isinstance(model, exporting.Exported):
    raise errors.InputError(
      f'{_MODEL.value} is an export; --executor=ray takes a folder that adapt '
      'wrote'
    )
  return functools.partial(
    shards.probabilities,
    cluster,
    _MODEL.value,
    _WEIGHTS.value,
    tuple(_PLUGINS.value or ()),
  )


def _load() -> 'artefact.Model | exporting.Exported':
  """The model, whichever program wrote it."""
  from vtab_h2t.classifier import artefact
  from vtab_h2t.classifier import exporting

  if exporting.is_exported(_MODEL.value):
    if _WEIGHTS.value is not None:
      raise errors.InputError(
        f'{_MODEL.value} is an export, which holds its network; leave out '
        '--weights'
      )
    return exporting.load(_MODEL.value)
  return artefact.load(_MODEL.value, _WEIGHTS.value)


def _classify(
  batches: _Batches,
  paths: tuple[str, ...],
  answers: 'answers_lib.Answers',
  progress: progress_lib.Progress,
) -> None:
  """Prints a line for each image, and at last how many need a look."""
  write, write_error = _writers(answers)
  wrong: dict[int, str] = {}
  unsure = 0
  for start, batch in batches(paths, wrong):
    for i, row in enumerate(batch, start):
      if i not in wrong:
        write(paths[i], row)
        unsure += answers.is_unsure(row)
      elif _BAD.value == pictures.FAIL:
        raise errors.InputError(
          f'{wrong[i]}; or go on with --on_bad_image={_REPORT}'
        )
      elif _BAD.value == pictures.SKIP:
        print(f'skipped: {wrong[i]}', file=sys.stderr)
      else:
        write_error(paths[i], wrong[i])
    sys.stdout.flush()  # Who reads it through a pipe has it now.
    progress.stage('classify images', start + len(batch), len(paths))
  if len(wrong) == len(paths) and _BAD.value != _REPORT:
    raise errors.InputError(f'{_IMAGES.value} has no image that can be read')
  if answers.min_confidence is not None:
    print(
      f'{unsure:,} of {len(paths) - len(wrong):,} images are for a person to '
      f'look at: their class is less probable than {answers.min_confidence:g}',
      file=sys.stderr,
    )


def _writers(
  answers: 'answers_lib.Answers',
) -> 'tuple[Callable[[str, np.ndarray], object], Callable[[str, str], object]]':
  """What prints an image's answer, and what is wrong with one."""
  if _FORMAT.value == 'csv':
    # A name of a file need not be text in any encoding.
    if isinstance(sys.stdout, io.TextIOWrapper):
      sys.stdout.reconfigure(errors='surrogateescape')
    writer = csv.writer(sys.stdout, lineterminator='\n')
    writer.writerow(answers.header())
    return (
      lambda path, row: writer.writerow(answers.cells(path, row)),
      lambda path, why: writer.writerow(answers.error_cells(path, why)),
    )
  return (
    lambda path, row: print(json.dumps(answers.fields(path, row))),
    lambda path, why: print(json.dumps({'path': path, 'error': why})),
  )


if __name__ == '__main__':
  common.run(main)
