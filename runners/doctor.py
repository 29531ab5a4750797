r"""Says whether data, weights and machine are ready, without starting a run.

For each task of VTAB-1k a line: prepared, downloadable, manual (the files named
have to be fetched by hand, or a package installed) or broken, and what to do.
With --backbone, and no --tasks, a line for its weights instead: trainable,
frozen only (their features can be read, but they cannot be trained) or broken.
The last lines are of the devices that compute, with the reason if that is no
GPU, and of the disk of --workdir: enough, low (less than 10 GiB) or, where
--backbone tells how large the features of its tasks are, too small. Exit status
1 if a task is not prepared, weights are broken, the disk is too small or cannot
be written to, or --require_gpu is given and there is none.

With --weights=FILE and no --backbone: what the file is, which network and whose
names of tensors it fits, what of it is left over, what the network takes and
gives, and the command that measures with it; or which network is nearest, if
any is near, and by what it differs (exit status 1). With --photos, the three
likeliest classes of each photograph by the weights' own head.

  python -m runners.doctor
  python -m runners.doctor --data_dir=DIR --tasks=resisc45,dtd
  python -m runners.doctor --data_source=archive --data_dir=DIR
  python -m runners.doctor --backbone=resnet50 --weights=imagenetr50.tar.gz
  python -m runners.doctor --backbone=efficientnet_lite0 --grid=paper
  python -m runners.doctor --weights=vit.safetensors --photos=photos/
"""

from collections.abc import Mapping, Sequence
import shlex
import sys

from absl import flags

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import machine
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import diagnosis as backbones
from vtab_h2t.backbones import identification
from vtab_h2t.backbones import registry
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import grids
from vtab_h2t.report import terminal
from vtab_h2t.tasks import diagnosis
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import vtab

from . import common
from . import shared_flags

_DATA_SOURCE = shared_flags.data_source()
_DATA_DIR = shared_flags.data_dir()
_TASKS = shared_flags.tasks()
_PLUGINS = shared_flags.plugins()
_BACKBONE = flags.DEFINE_string(
  'backbone', None, 'The network whose weights to look at; by default none.'
)
_WEIGHTS = shared_flags.weights(are_checked=False)
_TAPS = flags.DEFINE_string(
  'taps', backbone_lib.ALL_TAPS, 'A set of taps that the weights have.'
)
_IMAGE_SIZE = flags.DEFINE_integer(
  'image_size',
  224,
  'Side in pixels of what the network sees, for networks that take any.',
  lower_bound=32,
)
_WORKDIR = shared_flags.workdir()
_GRID = flags.DEFINE_enum(
  'grid',
  'quick',
  list(grids.SEARCHES),
  'The grid whose features the disk of --workdir has to hold.',
)
_REQUIRE_GPU = shared_flags.require_gpu()

_PHOTOS = flags.DEFINE_string(
  'photos',
  None,
  "A photograph, or a folder of them, for the weights' own head to classify.",
)

_TRAIN_IMAGES = 1000  # Of each task of VTAB-1k; those of test are not kept.


def main() -> None:
  paths = _photos()
  common.prepare_tensorflow()
  if _BACKBONE.value is None and _WEIGHTS.value is not None:
    if not _identify(_WEIGHTS.value, paths):
      sys.exit(1)
    if not _TASKS.value:
      if _REQUIRE_GPU.value:
        devices.check_gpu()
      return
  found = {}
  if _BACKBONE.value is None or _TASKS.value:
    found = diagnosis.diagnose(
      _TASKS.value, _DATA_DIR.value, _DATA_SOURCE.value
    )
  if _BACKBONE.value is not None:
    found[_BACKBONE.value] = backbones.diagnose(
      _BACKBONE.value, _WEIGHTS.value, _IMAGE_SIZE.value, _TAPS.value
    )
  needed = None
  name = _BACKBONE.value
  if name is not None and found[name][0] != backbones.BROKEN:
    needed = _feature_bytes(name) * len(_TASKS.value or vtab.ENTRIES)
  found['devices'] = devices.diagnose()
  found['disk'] = machine.disk(_WORKDIR.value, needed)
  is_ready = _tell(found)
  if name is not None and found[name][0] != backbones.BROKEN and paths:
    _classify(_load(name), paths)
  if not is_ready:
    sys.exit(1)


def _tell(found: Mapping[str, tuple[str, str]]) -> bool:
  """Prints what was found; returns whether all of it is ready.

  Args:
    found: status and advice by name; the devices among them.
  """
  lines = [
    (name, f'{status:12}', advice) for name, (status, advice) in found.items()
  ]
  print('\n'.join(terminal.entries(lines, _columns())))
  ready = {diagnosis.PREPARED, backbones.TRAINABLE, backbones.FROZEN}
  ready |= {machine.ENOUGH, machine.LOW, devices.GPU}
  if not _REQUIRE_GPU.value:
    ready.add(found['devices'][0])
  return all(status in ready for status, _ in found.values())


def _columns() -> int | None:
  """Of the terminal; None of output that programs may read, a line a thing."""
  return terminal.width() if sys.stdout.isatty() else None


def _photos() -> list[str]:
  """The photographs of --photos.

  Raises:
    errors.InputError: there are none, one cannot be read, or nothing is named
      that could classify them.
  """
  if _PHOTOS.value is None:
    return []
  if _BACKBONE.value is None and _WEIGHTS.value is None:
    raise errors.InputError('--photos needs --weights, or --backbone')
  paths = pictures.list_images(_PHOTOS.value)
  bad = pictures.unreadable(paths)
  if bad:
    raise errors.InputError(next(iter(bad.values())))
  return paths


def _identify(location: str, paths: Sequence[str]) -> bool:
  """Prints what weights are; returns whether a network takes them.

  Args:
    location: of a file, or of a SavedModel.
    paths: of photographs to classify.
  """
  size = _IMAGE_SIZE.value if flags.FLAGS['image_size'].present else None
  contents = identification.identify(location, size, _TAPS.value)
  lines = list(contents.described())
  backbone = contents.backbone
  if backbone is not None:
    lines += [
      ('taps', _taps(backbone)),
      ('training', _training(backbone)),
    ]
  columns = _columns()
  print('\n'.join(terminal.entries(lines, columns)))
  if backbone is not None:
    start = f'{"use":{max(len(name) for name, _ in lines)}}  '
    words = shlex.split(contents.command + _plugins())
    print(terminal.command(words, columns or sys.maxsize, start))
    if paths:
      _classify(backbone, paths)
  return backbone is not None


def _plugins() -> str:
  """The flag of the plugins, as a command needs it to know their networks."""
  if not _PLUGINS.value:
    return ''
  return ' ' + shlex.quote(f'--plugins={",".join(_PLUGINS.value)}')


def _taps(backbone: backbone_lib.Backbone) -> str:
  """How many taps, and how many features at the target sizes of --grid."""
  from vtab_h2t.features import extraction

  sizes = [size for size in _target_sizes(backbone.name) if size and size > 0]
  counts = (
    f'{extraction.layout_of(backbone, size).size:,} at target size {size}'
    for size in sizes
  )
  embedding = extraction.layout_of(backbone, extraction.EMBEDDING).size
  return (
    f'{len(backbone.taps)}, of which the embedding {backbone.embedding} has '
    f'{embedding:,} features; features in all: {", ".join(counts)}'
  )


def _training(backbone: backbone_lib.Backbone) -> str:
  """Whether the network can be trained, and by how many of the fast layers."""
  try:
    backbone.check_trainable()
    from vtab_h2t.training import layers

    on_cpu = all('CPU' in name for name in devices.names())
    copy = layers.copy_of(backbone.model, backbone.precision, on_cpu)
  except errors.InputError as e:
    return f'no: {e}'
  with_weights = [layer for layer in copy.layers if layer.weights]
  fast = sum(type(x).__module__ == layers.__name__ for x in with_weights)
  return (
    'yes, by all methods; faster convolutions and batch norms take the place '
    f'of {fast} of {len(with_weights)} layers with weights'
  )


def _classify(backbone: backbone_lib.Backbone, paths: Sequence[str]) -> None:
  """Prints the likeliest classes of photographs."""
  from vtab_h2t.backbones import own_head

  for path, guesses in own_head.best(backbone, paths):
    print(f'{path}: {", ".join(map(str, guesses))}')


def _target_sizes(name: str) -> list[int]:
  """The target sizes that the frozen methods read.

  Args:
    name: of the network.
  """
  space = grids.get(_GRID.value, name)
  sizes = {
    size
    for method in methods.FROZEN.values()
    for size in method.target_sizes(space)
  }
  return sorted(sizes)


def _feature_bytes(name: str) -> int:
  """How much the features of a task take that the frozen methods read.

  Args:
    name: of the network.
  """
  from vtab_h2t.features import store

  return store.size(_load(name), _target_sizes(name), _TRAIN_IMAGES)


def _load(name: str) -> backbone_lib.Backbone:
  """The network of this name with the weights that the flags say."""
  return registry.load(name, _WEIGHTS.value, _IMAGE_SIZE.value, _TAPS.value)


if __name__ == '__main__':
  common.run(main)
