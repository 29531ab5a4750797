"""Exported models: files that need nothing of this package.

An exported folder has the files of one format or several, `classes.txt`, a line
for each class in the order of the probabilities, and `export.json`, which says
what is there and what it takes.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import facts as facts_lib
from vtab_h2t.classifier import formats as formats_lib
from vtab_h2t.classifier import images as images_lib
from vtab_h2t.classifier import standalone
from vtab_h2t.tasks import task as task_lib

FORMAT = 1
_JSON, _CLASSES = 'export.json', 'classes.txt'
_BATCH = 32
# A conversion that is wrong is so by more. What is right differs by rounding.
_SAME = 0.01
_PIXELS = 2**24  # Of a batch of more than one image: 200 MB as float32.
_INPUT = 'float32 [B, H, W, 3]: RGB, pixels 0 to 255, of any height and width'
_OUTPUT = 'float32 [B, C]: probabilities, in the order of the classes'
# Of the model that was exported.
_FACTS = (
  'method',
  'backbone',
  'weights',
  'weights_sha256',
  'image_size',
  'resize',
  'crop',
  'accuracy',
)


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
  """An exported model, ready for use.

  Attributes:
    classes: names.
    form: of `formats.FORMATS`, the one that is used.
    run: from float32 `[B, H, W, 3]` to float32 `[B, C]`.
  """

  classes: tuple[str, ...]
  form: str
  run: Callable[[np.ndarray], np.ndarray]

  def probabilities(
    self, split: task_lib.Split
  ) -> Iterator[tuple[int, np.ndarray]]:
    """Class probabilities of images, batch by batch, in order.

    Images that follow each other and have one size are a batch, as far as they
    are not large.

    Yields:
      (number of images before the batch, float32 `[batch, C]`).

    Raises:
      errors.InputError: an image cannot be decoded.
    """
    done = 0
    waiting: list[np.ndarray] = []
    for image in _images(split):
      if waiting and (
        image.shape != waiting[0].shape
        or len(waiting) == _BATCH
        or (len(waiting) + 1) * image.shape[0] * image.shape[1] > _PIXELS
      ):
        yield done, self._run_on(waiting)
        done += len(waiting)
        waiting = []
      waiting.append(image)
    if waiting:
      yield done, self._run_on(waiting)

  def _run_on(self, images: Sequence[np.ndarray]) -> np.ndarray:
    return self.run(np.stack(images).astype(np.float32))


def _images(split: task_lib.Split) -> Iterator[np.ndarray]:
  """uint8 `[H, W, 3]` each."""
  import tensorflow as tf

  try:
    for image in split.images().prefetch(2):
      yield image.numpy()
  except tf.errors.OpError:
    split.name_unreadable()
    raise


def export(
  model: artefact.Model,
  folder: str | os.PathLike[str],
  formats: Sequence[str] = formats_lib.DEFAULT,
) -> dict[str, float | None]:
  """Writes a model in some formats, the class names, and `export.json`.

  What is written is read again and compared, where its runtime is installed.

  Args:
    model: an adapted model.
    folder: where to; it appears whole, and must not be there yet.
    formats: of `formats.FORMATS`.

  Returns:
    Format to the largest difference of a probability from the model's, on a few
    images of noise; None where it was not compared.

  Raises:
    errors.InputError: as `standalone.build` raises, a format is unknown, needs
      a package that is not installed or cannot hold this network, or the folder
      is there already.
  """
  folder = pathlib.Path(folder)
  if folder.exists():
    raise errors.InputError(f'{folder} is there already; choose another --out')
  chosen = {name: _format(name) for name in formats}
  if not chosen:
    raise errors.InputError(
      f'name a format to export to: {", ".join(formats_lib.FORMATS)}'
    )
  for kind in chosen.values():
    kind.check_packages(kind.packages)
    layer = standalone.foreign(model.backbone) if kind.own_layers else None
    if layer:
      others = [n for n, f in formats_lib.FORMATS.items() if not f.own_layers]
      raise errors.InputError(
        f'{model.backbone.name} has a layer {layer} with code that is not '
        f"Keras' own, which {kind.path} cannot hold; export it as "
        f'{" or ".join(others)}'
      )
  whole = standalone.build(model)
  differences: dict[str, float | None] = {}
  with files.atomic_directory(folder) as temporary:
    for name, kind in chosen.items():
      kind.write(whole, temporary / kind.path)
      differences[name] = _difference(model, name, temporary)
    (temporary / _CLASSES).write_text(
      ''.join(f'{name}\n' for name in model.classes), 'utf-8'
    )
    facts = {
      'format': FORMAT,
      'classes': list(model.classes),
      'input': _INPUT,
      'output': _OUTPUT,
      'formats': {name: kind.path for name, kind in chosen.items()},
      'differences': differences,
      'sha256': _checksums(temporary),
      'model': {n: model.facts[n] for n in _FACTS if n in model.facts},
    }
    (temporary / _JSON).write_text(
      json.dumps(facts, indent=1, sort_keys=True) + '\n', 'utf-8'
    )
  return differences


def _difference(
  model: artefact.Model, name: str, folder: pathlib.Path
) -> float | None:
  """How far a file's probabilities are from a model's.

  Args:
    model: what was written.
    name: of the format.
    folder: where it is.

  Returns:
    The largest difference; None if the runtime is not installed.

  Raises:
    errors.InputError: it cannot be run, or computes something else. Converters
      do not find out all that they cannot convert.
  """
  kind = formats_lib.FORMATS[name]
  if not kind.is_readable:
    return None
  rng = np.random.default_rng(0)
  size = model.backbone.image_size
  split = images_lib.unlabelled(
    [
      rng.integers(0, 256, (size + more, size + 9, 3), np.uint8)
      for more in (5, 5, 0)
    ]
  )
  try:
    written = Exported(model.classes, name, kind.read(folder / kind.path))
    found = [p for _, p in written.probabilities(split)]
  # Each runtime has kinds of its own.
  except Exception as e:
    why = (str(e).strip() or type(e).__name__).splitlines()[0]
    raise errors.InputError(
      f'{kind.path} was written, but cannot be run ({why}); export another '
      'format'
    ) from e
  wanted = [p for _, p in model.probabilities(split)]
  difference = float(
    np.abs(np.concatenate(found) - np.concatenate(wanted)).max()
  )
  if not difference <= _SAME:
    raise errors.InputError(
      f'{kind.path} was written, but gives other probabilities than the model '
      f'(by {difference:.2g}); export another format'
    )
  return difference


def is_exported(folder: str | os.PathLike[str]) -> bool:
  """Whether it is an exported model, of this or an earlier version."""
  folder = pathlib.Path(folder)
  return (folder / _JSON).exists() or (
    (folder / _CLASSES).exists() and not (folder / facts_lib.FILE).exists()
  )


def load(folder: str | os.PathLike[str], form: str | None = None) -> Exported:
  """Reads an exported model.

  Args:
    folder: what `export` wrote.
    form: of `formats.FORMATS`; by default the first of them that is there and
      whose packages are installed.

  Raises:
    errors.InputError: a file is missing or was changed, the folder is of
      another version, or a package is missing.
  """
  folder = pathlib.Path(folder)
  facts = _read_json(folder / _JSON)
  there = [
    name
    for name, kind in formats_lib.FORMATS.items()
    if name in facts['formats'] and (folder / kind.path).exists()
  ]
  if not there:
    raise errors.InputError(
      f'{folder} has none of the files that {_JSON} names; export again'
    )
  if form is None:
    form = next(
      (n for n in there if formats_lib.FORMATS[n].is_readable),
      there[0],
    )
  if form not in there:
    raise errors.InputError(
      f'{folder} has no {form}; it has {", ".join(there)}'
    )
  kind = formats_lib.FORMATS[form]
  kind.check_packages(kind.runtime)
  wanted = {
    name: digest
    for name, digest in facts['sha256'].items()
    if pathlib.PurePosixPath(name).parts[0] == kind.path
  }
  if not wanted or _checksums(folder, kind.path) != wanted:
    raise errors.InputError(
      f'{folder / kind.path} is not as it was written; export again'
    )
  return Exported(tuple(facts['classes']), form, kind.read(folder / kind.path))


def _format(name: str) -> formats_lib.Format:
  if name not in formats_lib.FORMATS:
    raise errors.InputError(
      f'unknown format {name!r}; choose from {", ".join(formats_lib.FORMATS)}'
    )
  return formats_lib.FORMATS[name]


def _checksums(folder: pathlib.Path, pattern: str = '*') -> dict[str, str]:
  """sha256 of files by their path in a folder.

  Args:
    folder: whose.
    pattern: of the files and folders whose content is wanted.
  """
  found = sorted(
    path
    for top in folder.glob(pattern)
    for path in (top, *top.rglob('*'))
    if path.is_file()
  )
  return {
    path.relative_to(folder).as_posix(): files.sha256_file(path)
    for path in found
  }


def _read_json(path: pathlib.Path) -> dict[str, Any]:
  """What `export.json` says, checked."""
  try:
    facts = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError as e:
    raise errors.InputError(
      f'{path.parent} has no {path.name}: it is no exported model, or one of '
      'an earlier version; export again'
    ) from e
  except (OSError, ValueError, RecursionError) as e:
    raise errors.InputError(f'{path} is damaged ({e}); export again') from e
  if not isinstance(facts, dict) or facts.get('format') != FORMAT:
    raise errors.InputError(
      f'{path} is not of format {FORMAT}; export again with this version'
    )
  classes, kinds, sums = (
    facts.get(name) for name in ('classes', 'formats', 'sha256')
  )
  if (
    not isinstance(classes, list)
    or not classes
    or not all(isinstance(name, str) for name in classes)
    or not isinstance(kinds, dict)
    or not set(kinds) & set(formats_lib.FORMATS)
    or not isinstance(sums, dict)
  ):
    raise errors.InputError(
      f'{path}: classes, formats or sha256 are not as they must be'
    )
  return facts
