"""VTAB-1k from TensorFlow Datasets (TFDS), prepared on this machine.

A data set is read from where TFDS prepared it, `<data_dir>/<name>/[<config>/]
<version>`, in the order in which its shards hold it, whatever the number of
readers. Nothing is downloaded unless that is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import io
import itertools
import logging
import os
import pathlib
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.tasks import encodings
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf
  import tensorflow_datasets as tfds

_LOG = logging.getLogger(__name__)

_TRAIN800, _VAL200, _TRAIN1000 = 800, 200, 1000


Slice = tuple[str, int, int]  # Split, first and end of some examples.


@dataclasses.dataclass(frozen=True)
class Source:
  """Where TFDS has a data set, and what VTAB-1k takes of it.

  Attributes:
    name, version, config: as TFDS names it; another version of the same major
      number is read where it is the one that was prepared.
    val: split of VTAB's 200 validation images, and where they start, in percent
      of it. VTAB's 800 training images are the first of 'train'.
    test: split of the test images, which are all from a percentage on.
    sizes: number of examples in each of TFDS's splits when VTAB was defined.
    manual: what must be in `<data_dir>/downloads/manual` before TFDS can
      prepare it, and where that is from; empty if TFDS downloads all.
    modules: what TFDS's builder imports besides TFDS's own requirements, to
      prepare it.
    scale: factor from stored pixel values to 0..255.
  """

  name: str
  version: str
  val: tuple[str, int]
  test: tuple[str, int]
  sizes: Mapping[str, int]
  _: dataclasses.KW_ONLY
  config: str | None = None
  manual: tuple[str, ...] = ()
  manual_from: str = ''
  modules: tuple[str, ...] = ()
  scale: int = 1

  @property
  def spec(self) -> str:
    """'name[/config]', as TFDS writes it."""
    return f'{self.name}/{self.config}' if self.config else self.name


@dataclasses.dataclass(frozen=True)
class Rule:
  """How a task gets its labels from examples.

  Attributes:
    features: the part of an example that is needed, as
      `tfds.decode.PartialDecoding` wants it.
    label: from that part, as numpy values, to a label.
    named: the ClassLabel feature whose classes are the task's, if one is.
  """

  features: Mapping[str, Any]
  label: Callable[[Mapping[str, Any]], int]
  named: str | None = None


def root(data_dir: str | os.PathLike[str] | None) -> pathlib.Path:
  """Where TFDS keeps its data: `data_dir`, or its own default.

  Raises:
    errors.InputError: it is something else than a directory; there need not be
      one yet.
  """
  if not data_dir:
    import tensorflow_datasets as tfds

    data_dir = tfds.core.constants.DATA_DIR
  found = pathlib.Path(data_dir).expanduser()
  if found.exists() and not found.is_dir():
    raise errors.InputError(
      f'{found} is not a directory; give the --data_dir that has the data'
    )
  return found


def find(source: Source, data_dir: pathlib.Path) -> pathlib.Path | None:
  """The prepared data set: the version named, or the newest of its major."""
  folder = data_dir / source.spec
  exact = folder / source.version
  if (exact / 'dataset_info.json').is_file():
    return exact
  major = source.version.split('.', maxsplit=1)[0]
  others = [
    p.parent
    for p in folder.glob(f'{major}.*.*/dataset_info.json')
    if p.parent.name.replace('.', '').isdecimal()
  ]
  return max(
    others, default=None, key=lambda p: [int(n) for n in p.name.split('.')]
  )


def missing_files(source: Source, data_dir: pathlib.Path) -> list[str]:
  """What the user has to put into place before TFDS can prepare the data."""
  manual = data_dir / 'downloads' / 'manual'
  return [
    str(manual / name) for name in source.manual if not (manual / name).exists()
  ]


def open_builder(
  source: Source, data_dir: pathlib.Path
) -> 'tfds.core.DatasetBuilder':
  """The builder of a prepared data set, after checking that it is whole.

  Raises:
    errors.InputError: it is not prepared, or is damaged.
  """
  from google.protobuf import json_format
  import tensorflow_datasets as tfds

  path = find(source, data_dir)
  if path is None:
    needed = missing_files(source, data_dir)
    if needed:
      raise errors.InputError(
        f'{source.spec} is not prepared in {data_dir} and TFDS cannot '
        f'download it; get {", ".join(needed)} from {source.manual_from}, '
        'then run again with --download'
      )
    raise errors.InputError(
      f'{source.spec} is not prepared in {data_dir}; run again with '
      '--download to fetch it, or give the --data_dir that has it'
    )
  try:
    builder = tfds.builder_from_directory(path)
    splits = builder.info.splits
    shards = {
      n: [pathlib.Path(f) for f in splits[n].filepaths] for n in source.sizes
    }
  except (
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    json_format.ParseError,
  ) as e:
    raise errors.InputError(
      f'{path} is damaged ({e}); delete it and prepare it again'
    ) from e
  for shard in itertools.chain.from_iterable(shards.values()):
    if not shard.is_file():
      raise errors.InputError(
        f'{shard} is missing; delete {path} and prepare it again'
      )
  return builder


def other_sizes(source: Source, builder: 'tfds.core.DatasetBuilder') -> str:
  """Says which splits have another size than VTAB's; empty if none has."""
  found = {n: builder.info.splits[n].num_examples for n in source.sizes}
  return ', '.join(
    f"{n} has {found[n]} examples, VTAB's has {size}"
    for n, size in source.sizes.items()
    if found[n] != size
  )


def slices_of(
  source: Source, builder: 'tfds.core.DatasetBuilder'
) -> dict[str, list[Slice]]:
  """Where the examples of VTAB-1k are: of train and of test.

  Train is the first 1000 of TFDS's, then VTAB's 200 for validation.

  Raises:
    errors.InputError: the data are too few.
  """
  sizes = {n: builder.info.splits[n].num_examples for n in source.sizes}
  start = {
    key: sizes[split] * percent // 100
    for key, (split, percent) in (('val', source.val), ('test', source.test))
  }
  if sizes['train'] < _TRAIN1000 or (
    sizes[source.val[0]] < start['val'] + _VAL200
  ):
    raise errors.InputError(
      f'{builder.data_path} has too few examples for VTAB-1k ({sizes}); '
      'delete it and prepare it again'
    )
  return {
    'train': [
      ('train', 0, _TRAIN1000),
      (source.val[0], start['val'], start['val'] + _VAL200),
    ],
    'test': [(source.test[0], start['test'], sizes[source.test[0]])],
  }


def _read(
  builder: 'tfds.core.DatasetBuilder',
  slices: Sequence[Slice],
  features: Mapping[str, Any],
  with_id: bool = False,
  decoders: Mapping[str, 'tfds.decode.Decoder'] | None = None,
) -> 'tf.data.Dataset':
  """The examples of slices, in stored order, with some features only."""
  import tensorflow_datasets as tfds

  # One file after the other: the order is the stored one. No cache: memory
  # does not grow with the data.
  config = tfds.ReadConfig(
    interleave_cycle_length=1, try_autocache=False, add_tfds_id=with_id
  )
  parts = [
    builder.as_dataset(
      split=f'{split}[{first}:{end}]',
      read_config=config,
      shuffle_files=False,
      decoders=tfds.decode.PartialDecoding(features, decoders=decoders),
    )
    for split, first, end in slices
  ]
  whole = parts[0]
  for part in parts[1:]:
    whole = whole.concatenate(part)
  return whole


def _split(
  source: Source,
  rule: Rule,
  builder: 'tfds.core.DatasetBuilder',
  slices: Sequence[Slice],
) -> task_lib.Split:
  """A split; its ids and labels are read now, its images when wanted."""
  import tensorflow as tf

  ids, labels = [], []
  try:
    for example in _read(
      builder, slices, rule.features, with_id=True
    ).as_numpy_iterator():
      ids.append(example['tfds_id'].decode())
      labels.append(rule.label(example))
  except tf.errors.OpError as e:
    raise errors.InputError(
      f'{builder.data_path} cannot be read ({e.message}); delete it and '
      'prepare it again'
    ) from e

  def pixels(example: Mapping[str, 'tf.Tensor']) -> 'tf.Tensor':
    image = example['image'] * np.uint8(source.scale)
    if image.shape[2] == 1:
      image = tf.image.grayscale_to_rgb(image)
    return image

  def dataset() -> 'tf.data.Dataset':
    return _read(builder, slices, {'image': True}).map(
      pixels, num_parallel_calls=tf.data.AUTOTUNE
    )

  def name_unreadable() -> None:
    images = iter(dataset())
    for name in ids:
      try:
        next(images)
      except (tf.errors.OpError, StopIteration) as e:
        raise errors.InputError(
          f'image {name} in {builder.data_path} cannot be read; delete that '
          'folder and prepare it again'
        ) from e

  info = builder.info
  return task_lib.Split(
    ids=tuple(ids),
    labels=np.array(labels, np.int64),
    images=dataset,
    # Shard sizes stand for contents: see `archive`.
    content=files.fingerprint(
      [
        info.full_name,
        source.scale,
        [
          (n, info.splits[n].shard_lengths, info.splits[n].num_bytes)
          for n in source.sizes
        ],
      ]
    ),
    name_unreadable=name_unreadable,
    encodings=functools.cache(
      functools.partial(_encodings, builder, slices, len(ids))
    ),
  )


def _encodings(
  builder: 'tfds.core.DatasetBuilder', slices: Sequence[Slice], count: int
) -> dict[str, int]:
  """How many of the images of slices are stored in which encoding.

  TFDS knows where a builder says so; else the stored images tell.
  """
  import tensorflow_datasets as tfds

  said = builder.info.features['image'].encoding_format
  if said:
    return {said.upper(): count}
  stored = _read(
    builder,
    slices,
    {'image': True},
    decoders={'image': tfds.decode.SkipDecoding()},
  )
  return encodings.count(
    io.BytesIO(example['image']) for example in stored.as_numpy_iterator()
  )


def check_classes(
  rule: Rule, builder: 'tfds.core.DatasetBuilder', classes: int
) -> None:
  """Raises InputError if the data names another number of classes."""
  if rule.named:
    found = builder.info.features[rule.named].num_classes
    if found != classes:
      raise errors.InputError(
        f'{builder.data_path} has {found} classes in {rule.named}, but the '
        f'task has {classes}; prepare the version that VTAB uses'
      )


def load(
  source: Source,
  rule: Rule,
  classes: int,
  data_dir: pathlib.Path,
) -> task_lib.Examples:
  """The examples of a task.

  Args:
    source: the data set.
    rule: how it is labelled.
    classes: number of classes.
    data_dir: TFDS's directory.

  Raises:
    errors.InputError: the data are not prepared, damaged, or not the task's.
  """
  builder = open_builder(source, data_dir)
  check_classes(rule, builder, classes)
  other = other_sizes(source, builder)
  if other:
    _LOG.warning('%s is not the data of VTAB-1k: %s', builder.data_path, other)
  slices = slices_of(source, builder)
  train = _split(source, rule, builder, slices['train'])
  test = _split(source, rule, builder, slices['test'])
  for split in (train, test):
    task_lib.check_labels(str(builder.data_path), split, classes)
  rows = np.arange(_TRAIN1000 + _VAL200)
  return task_lib.Examples(
    train, test, rows[:_TRAIN800], rows[_TRAIN1000:], rows[:_TRAIN1000]
  )


def encoded(
  source: Source, rule: Rule, classes: int, data_dir: pathlib.Path
) -> tuple[list[str] | None, dict[str, Iterator[tuple[bytes, int]]]]:
  """The images of VTAB-1k's splits as TFDS stores them, encoded.

  Only what VTAB itself rescales (dSprites) is encoded anew, as PNG.

  Returns:
    The classes' names, if the data have them; and an iterator of (encoded
    image, label) for each of 'train800', 'val200' and 'test'.

  Raises:
    errors.InputError: as `load`.
  """
  import tensorflow as tf
  import tensorflow_datasets as tfds

  builder = open_builder(source, data_dir)
  check_classes(rule, builder, classes)
  slices = slices_of(source, builder)
  (train, first, _), val = slices['train']
  wanted = {
    'train800': [(train, first, _TRAIN800)],
    'val200': [val],
    'test': slices['test'],
  }

  def read(part: Sequence[Slice]) -> Iterator[tuple[bytes, int]]:
    for example in _read(
      builder,
      part,
      {'image': True, **rule.features},
      decoders={'image': tfds.decode.SkipDecoding()},
    ).as_numpy_iterator():
      image = example['image']
      if source.scale != 1:
        pixels = tf.io.decode_png(image) * np.uint8(source.scale)
        image = tf.io.encode_png(pixels).numpy()
      yield image, rule.label(example)

  names = builder.info.features[rule.named].names if rule.named else None
  return names, {name: read(part) for name, part in wanted.items()}
