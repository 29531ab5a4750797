"""The 19 tasks of VTAB-1k (Zhai et al., 2019), one entry each.

Sources, splits and label rules are those of google-research/task_adaptation at
d7630d3; groups and classes those of Head2Toe's Table 5. TFDS no longer makes
two of the versions named there: oxford_iiit_pet is read at 4.0.0 and kitti at
3.3.0 (whose splits are 3.1.0's).
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import logging
import os
import pathlib

import numpy as np

from vtab_h2t import errors
from vtab_h2t.tasks import archive
from vtab_h2t.tasks import encodings
from vtab_h2t.tasks import labels
from vtab_h2t.tasks import preparing
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.tasks import tfds_source

_LOG = logging.getLogger(__name__)

_Source = tfds_source.Source

_CV2 = ('cv2',)  # Their builders decode and resize with OpenCV.

_LABEL = tfds_source.Rule({'label': True}, lambda e: int(e['label']), 'label')


def _factor(
  name: str, rule: Callable[[np.ndarray], np.ndarray] | None = None
) -> tfds_source.Rule:
  """A label that is one factor of a rendered image; raw if no rule is given."""
  return tfds_source.Rule(
    {name: True},
    lambda e: int(rule(e[name]) if rule else e[name]),
    None if rule else name,
  )


_CLEVR = _Source(
  'clevr',
  '3.1.0',
  ('train', 90),
  ('validation', 0),
  {'train': 70000, 'validation': 15000},
)
_DSPRITES = _Source(
  'dsprites',
  '2.0.0',
  ('train', 80),
  ('train', 90),
  {'train': 737280},
  scale=255,
)
_SMALLNORB = _Source(
  'smallnorb',
  '2.0.0',
  ('test', 0),
  ('test', 50),
  {'train': 24300, 'test': 24300},
)
_COUNT = tfds_source.Rule(
  {'objects': {'size': True}},
  lambda e: labels.count_all(len(e['objects']['size'])),
)
_DISTANCE = tfds_source.Rule(
  {'objects': {'pixel_coords': True}},
  lambda e: labels.closest_object_distance(e['objects']['pixel_coords'][:, 2]),
)
_VEHICLE = tfds_source.Rule(
  {'objects': {'type': True, 'location': True}},
  lambda e: labels.closest_vehicle_distance(
    e['objects']['type'], e['objects']['location'][:, 2]
  ),
)


@dataclasses.dataclass(frozen=True)
class Entry:
  """A task of VTAB-1k.

  Attributes:
    group: natural, specialized or structured.
    classes: number of classes.
    folder: its name in archives.
    source: where TFDS has it.
    rule: how it is labelled.
  """

  group: str
  classes: int
  folder: str
  source: _Source
  rule: tfds_source.Rule = _LABEL


ENTRIES = {
  'cifar100': Entry(
    'natural',
    100,
    'cifar',
    _Source(
      'cifar100',
      '3.0.2',
      ('train', 90),
      ('test', 0),
      {'train': 50000, 'test': 10000},
    ),
  ),
  'caltech101': Entry(
    'natural',
    102,
    'caltech101',
    _Source(
      'caltech101',
      '3.0.2',
      ('train', 90),
      ('test', 0),
      {'train': 3060, 'test': 6084},
    ),
  ),
  'dtd': Entry(
    'natural',
    47,
    'dtd',
    _Source(
      'dtd',
      '3.0.1',
      ('validation', 0),
      ('test', 0),
      {'train': 1880, 'validation': 1880, 'test': 1880},
    ),
  ),
  'flowers102': Entry(
    'natural',
    102,
    'oxford_flowers102',
    _Source(
      'oxford_flowers102',
      '2.1.1',
      ('validation', 0),
      ('test', 0),
      {'train': 1020, 'validation': 1020, 'test': 6149},
    ),
  ),
  'pets': Entry(
    'natural',
    37,
    'oxford_iiit_pet',
    _Source(
      'oxford_iiit_pet',
      '4.0.0',
      ('train', 80),
      ('test', 0),
      {'train': 3680, 'test': 3669},
    ),
  ),
  'svhn': Entry(
    'natural',
    10,
    'svhn',
    _Source(
      'svhn_cropped',
      '3.1.0',
      ('train', 90),
      ('test', 0),
      {'train': 73257, 'test': 26032},
    ),
  ),
  'sun397': Entry(
    'natural',
    397,
    'sun397',
    _Source(
      'sun397',
      '4.0.0',
      ('validation', 0),
      ('test', 0),
      {'train': 76128, 'validation': 10875, 'test': 21750},
      config='tfds',
      modules=_CV2,
    ),
  ),
  'camelyon': Entry(
    'specialized',
    2,
    'patch_camelyon',
    _Source(
      'patch_camelyon',
      '2.0.0',
      ('validation', 0),
      ('test', 0),
      {'train': 262144, 'validation': 32768, 'test': 32768},
    ),
  ),
  'eurosat': Entry(
    'specialized',
    10,
    'eurosat',
    _Source(
      'eurosat',
      '2.0.0',
      ('train', 60),
      ('train', 80),
      {'train': 27000},
      config='rgb',
    ),
  ),
  'resisc45': Entry(
    'specialized',
    45,
    'resisc45',
    _Source(
      'resisc45',
      '3.0.0',
      ('train', 60),
      ('train', 80),
      {'train': 31500},
      manual=('NWPU-RESISC45',),
      manual_from='https://1drv.ms/u/s!AmgKYzARBl5ca3HNaHIlzp_IXjs (a RAR '
      'archive, to be unpacked there)',
    ),
  ),
  'retinopathy': Entry(
    'specialized',
    5,
    'diabetic_retinopathy',
    _Source(
      'diabetic_retinopathy_detection',
      '3.0.0',
      ('validation', 0),
      ('test', 0),
      {'train': 35126, 'validation': 10906, 'test': 42670},
      config='btgraham-300',
      manual=('sample', 'train', 'test', 'trainLabels.csv'),
      manual_from='https://www.kaggle.com/c/diabetic-retinopathy-detection/'
      'data (the zip files, to be unpacked there)',
      modules=_CV2,
    ),
  ),
  'clevr_count': Entry('structured', 8, 'clevr_count', _CLEVR, _COUNT),
  'clevr_dist': Entry('structured', 6, 'clevr_dist', _CLEVR, _DISTANCE),
  'dmlab': Entry(
    'structured',
    6,
    'dmlab',
    _Source(
      'dmlab',
      '2.0.1',
      ('validation', 0),
      ('test', 0),
      {'train': 65550, 'validation': 22628, 'test': 22735},
    ),
  ),
  'kitti_dist': Entry(
    'structured',
    4,
    'kitti',
    _Source(
      'kitti',
      '3.3.0',
      ('validation', 0),
      ('test', 0),
      {'train': 6347, 'validation': 423, 'test': 711},
      modules=_CV2,
    ),
    _VEHICLE,
  ),
  'dsprites_loc': Entry(
    'structured',
    16,
    'dsprites_loc',
    _DSPRITES,
    _factor('label_x_position', labels.location),
  ),
  'dsprites_ori': Entry(
    'structured',
    16,
    'dsprites_ori',
    _DSPRITES,
    _factor('label_orientation', labels.orientation),
  ),
  'snorb_azim': Entry(
    'structured', 18, 'smallnorb_azi', _SMALLNORB, _factor('label_azimuth')
  ),
  'snorb_elev': Entry(
    'structured', 9, 'smallnorb_ele', _SMALLNORB, _factor('label_elevation')
  ),
}

# Data sets whose images are stored without loss, and why: what the builders of
# TFDS 4.9.10 hand to `tfds.features.Image`, which writes arrays as PNG unless
# it is told otherwise, and files as they are. All others are JPEG, among them
# dmlab (encoding_format='jpeg') and eurosat/rgb (files that are JPEG).
LOSSLESS = {
  'cifar100': 'arrays from a binary file',
  'svhn_cropped': 'arrays from a .mat file',
  'patch_camelyon': "arrays from HDF5, encoding_format='png'",
  'clevr': 'files that are PNG',
  'kitti': 'arrays, decoded from PNG',
  'dsprites': 'arrays from HDF5',
  'smallnorb': 'arrays from a binary file',
}


def lossy_copy(name: str, counts: Mapping[str, int]) -> str:
  """Says in a line that images are lossy copies of lossless ones, if they are.

  Args:
    name: task id; of own tasks nothing is known.
    counts: how many images have which encoding; see `encodings.count`.
  """
  entry = ENTRIES.get(name)
  found = encodings.lossy(counts)
  if not found or entry is None or entry.source.spec not in LOSSLESS:
    return ''
  return (
    f'{sum(found.values())} of {sum(counts.values())} images are '
    f'{", ".join(found)}, but those of {entry.source.spec} have no loss: '
    'accuracies will differ from those of VTAB-1k '
    '(https://github.com/ZhangYuanhan-AI/NOAH/pull/29); python -m '
    f'runners.prepare --tasks={name} --out=ELSEWHERE makes one without loss'
  )


def _task(
  name: str, load: Callable[[], task_lib.Examples], images: str | None = None
) -> task_lib.Task:
  entry = ENTRIES[name]
  # A class may be absent from 1000 examples: SUN397 has 325 of its 397.
  return task_lib.Task(
    'vtab',
    name,
    entry.group,
    entry.classes,
    load,
    every_class=False,
    images=images,
  )


def from_tfds(
  name: str, data_dir: pathlib.Path, may_download: bool
) -> task_lib.Task:
  """A task, read from TFDS's directory when it is used."""
  entry = ENTRIES[name]
  return _task(
    name,
    functools.partial(_load, entry, data_dir, may_download),
    entry.source.spec,
  )


def _load(
  entry: Entry, data_dir: pathlib.Path, may_download: bool
) -> task_lib.Examples:
  if may_download:
    preparing.download(entry.source, data_dir)
  return tfds_source.load(entry.source, entry.rule, entry.classes, data_dir)


def from_archive(
  name: str, data_dir: pathlib.Path, warns: bool = True
) -> task_lib.Task:
  """A task, read from its archive when it is used.

  Args:
    name: task id.
    data_dir: where archives are.
    warns: whether to log a warning then if the images are lossy copies.
  """
  entry = ENTRIES[name]
  images = (
    entry.source.spec
    if sum(e.source is entry.source for e in ENTRIES.values()) > 1
    else None
  )
  return _task(
    name,
    functools.partial(
      _load_archive, name, data_dir / entry.folder, images, warns
    ),
    images,
  )


def _load_archive(
  name: str, folder: pathlib.Path, images: str | None, warns: bool
) -> task_lib.Examples:
  examples = archive.load(folder, ENTRIES[name].classes, images)
  if warns and ENTRIES[name].source.spec in LOSSLESS:
    # The training images suffice: an archive is written in one way.
    found = lossy_copy(name, examples.train.encodings())
    if found:
      _LOG.warning('%s: %s', folder, found)
  return examples


def names(wanted: Sequence[str] | None) -> list[str]:
  """Task ids in order, all or some of them.

  Raises:
    errors.InputError: unknown task.
  """
  for name in wanted or ():
    if name not in ENTRIES:
      raise errors.InputError(
        f'unknown task {name!r}; choose from {", ".join(ENTRIES)}'
      )
  return [name for name in ENTRIES if not wanted or name in wanted]


def sources(wanted: Sequence[str]) -> list[tfds_source.Source]:
  """The data sets of tasks, each once, in order."""
  found = {ENTRIES[name].source.spec: ENTRIES[name].source for name in wanted}
  return list(found.values())


def folder_of(name: str) -> str:
  """Folder of a task in archives; that of an own task is its name."""
  return ENTRIES[name].folder if name in ENTRIES else name


def write_archive(
  name: str,
  data_dir: str | os.PathLike[str] | None,
  out: pathlib.Path,
) -> tuple[pathlib.Path, bool]:
  """Writes a task's archive from TFDS, unless its folder is there.

  Args:
    name: task id.
    data_dir: TFDS's directory; None for its default.
    out: where archives go.

  Returns:
    The folder, and whether it was written.

  Raises:
    errors.InputError: the data are not prepared, or damaged.
  """
  entry, folder = ENTRIES[name], out / ENTRIES[name].folder
  if folder.exists():
    return folder, False
  root = tfds_source.root(data_dir)
  names_of_classes, splits = tfds_source.encoded(
    entry.source, entry.rule, entry.classes, root
  )
  archive.write(folder, names_of_classes, splits)
  return folder, True


def own_names(data_dir: pathlib.Path) -> list[str]:
  """Names of the other folders in the form of an archive, sorted."""
  folders = {e.folder for e in ENTRIES.values()}
  return sorted(
    p.name
    for p in data_dir.iterdir()
    if p.name not in folders and p.name not in ENTRIES and archive.is_archive(p)
  )


def own(name: str, data_dir: pathlib.Path) -> task_lib.Task:
  """A folder of the user's as a task.

  Raises:
    errors.InputError: its lists are damaged.
  """
  folder = data_dir / name
  classes = archive.count_classes(folder)
  return task_lib.Task(
    'vtab',
    name,
    'own',
    classes,
    functools.partial(archive.load, folder, classes),
    every_class=False,
  )
