r"""Classifies images with an adapted model.

Prints for each image its path, the class and the probability of each class.

  python -m runners.predict --model=model/ --images=photos/
  python -m runners.predict --model=model/ --images=photo.jpg --format=json
"""

from collections.abc import Callable, Sequence
import csv
import json
import sys
from typing import TYPE_CHECKING

from absl import flags

from vtab_h2t import errors
from vtab_h2t.tasks import pictures

from . import common
from . import progress as progress_lib
from . import shared_flags

if TYPE_CHECKING:
  import numpy as np

_MODEL = flags.DEFINE_string(
  'model', None, 'Folder that adapt wrote.', required=True
)
_IMAGES = flags.DEFINE_string(
  'images', None, 'An image, or a folder of them.', required=True
)
_FORMAT = flags.DEFINE_enum(
  'format', 'csv', ['csv', 'json'], 'json: one object a line.'
)
_WEIGHTS = flags.DEFINE_string(
  'weights', None, "File of the network's weights, where they are not packaged."
)
shared_flags.plugins()
_REQUIRE_GPU = shared_flags.require_gpu()
_BAD = flags.DEFINE_enum(
  'on_bad_image',
  pictures.FAIL,
  [pictures.FAIL, pictures.SKIP],
  'What to do about files that cannot be decoded.',
)

# Of a path, its class and the probabilities of all.
_Write = Callable[[str, str, 'np.ndarray'], None]


def main() -> None:
  paths, skipped = _readable(pictures.list_images(_IMAGES.value))
  for why in skipped:
    print(f'skipped: {why}', file=sys.stderr)
  common.prepare_tensorflow(_REQUIRE_GPU.value)
  import numpy as np

  from vtab_h2t.classifier import artefact

  model = artefact.load(_MODEL.value, _WEIGHTS.value)
  split = pictures.split_of(paths, np.zeros(len(paths), np.int64))
  write = (
    _csv(model.classes) if _FORMAT.value == 'csv' else _json(model.classes)
  )
  common.say_devices()
  with progress_lib.Progress(len(paths), 'images') as progress:
    progress.start('predict')
    for done, probabilities in model.probabilities(split):
      for path, row in zip(paths[done:], probabilities):
        write(path, model.classes[int(row.argmax())], row)
      progress.stage('images', done + len(probabilities), len(paths))


def _readable(paths: Sequence[str]) -> tuple[list[str], list[str]]:
  """The paths that can be decoded, and why others cannot."""
  bad = pictures.unreadable(paths)
  if bad and _BAD.value == pictures.FAIL:
    raise errors.InputError(next(iter(bad.values())))
  good = [path for path in paths if path not in bad]
  if not good:
    raise errors.InputError(f'{_IMAGES.value} has no image that can be read')
  return good, list(bad.values())


def _csv(classes: Sequence[str]) -> _Write:
  """Writes a line with the probability of each class."""
  writer = csv.writer(sys.stdout, lineterminator='\n')
  writer.writerow(['path', 'class', *classes])
  return lambda path, name, row: writer.writerow(
    [path, name, *(f'{p:.6f}' for p in row)]
  )


def _json(classes: Sequence[str]) -> _Write:
  """Writes an object a line."""
  return lambda path, name, row: print(
    json.dumps(
      {
        'path': path,
        'class': name,
        'probabilities': {c: round(float(p), 6) for c, p in zip(classes, row)},
      }
    )
  )


if __name__ == '__main__':
  common.run(main)
