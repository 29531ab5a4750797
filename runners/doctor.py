r"""Says whether data, weights and machine are ready, without starting a run.

For each task of VTAB-1k a line: prepared, downloadable, manual (the files named
have to be fetched by hand, or a package installed) or broken, and what to do.
With --backbone, and no
--tasks, a line for its weights instead: trainable, frozen only (their features
can be read, but they cannot be trained) or broken. The last lines are of the
devices that compute, with the reason if that is no GPU, and of the disk of
--workdir: enough, low (less than 10 GiB) or, where --backbone tells how large
the features of its tasks are, too small. Exit status 1 if a task is not
prepared, weights are broken, the disk is too small or cannot be written to, or
--require_gpu is given and there is none.

  python -m runners.doctor
  python -m runners.doctor --data_dir=DIR --tasks=resisc45,dtd
  python -m runners.doctor --data_source=archive --data_dir=DIR
  python -m runners.doctor --backbone=resnet50 --weights=imagenetr50.tar.gz
  python -m runners.doctor --backbone=efficientnet_lite0 --grid=paper
"""

import sys

from absl import flags

from vtab_h2t import devices
from vtab_h2t import machine
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import diagnosis as backbones
from vtab_h2t.backbones import registry
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import diagnosis
from vtab_h2t.tasks import vtab

from . import common
from . import shared_flags

_DATA_SOURCE = shared_flags.data_source()
_DATA_DIR = shared_flags.data_dir()
_TASKS = shared_flags.tasks()
shared_flags.plugins()
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

_TRAIN_IMAGES = 1000  # Of each task of VTAB-1k; those of test are not kept.


def main() -> None:
  common.prepare_tensorflow()
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
  width = max(len(name) for name in found)
  for name, (status, advice) in found.items():
    print(f'{name:{width}}  {status:12}  {advice}'.rstrip())
  ready = {diagnosis.PREPARED, backbones.TRAINABLE, backbones.FROZEN}
  ready |= {machine.ENOUGH, machine.LOW, devices.GPU}
  if not _REQUIRE_GPU.value:
    ready.add(found['devices'][0])
  if any(status not in ready for status, _ in found.values()):
    sys.exit(1)


def _feature_bytes(name: str) -> int:
  """How much the features of a task take that the frozen methods read.

  Args:
    name: of the network.
  """
  from vtab_h2t.features import store

  backbone = registry.load(name, _WEIGHTS.value, _IMAGE_SIZE.value, _TAPS.value)
  space = grids.get(_GRID.value, name)
  sizes = {
    size
    for method in methods.FROZEN.values()
    for size in method.target_sizes(space)
  }
  return store.size(backbone, sorted(sizes), _TRAIN_IMAGES)


if __name__ == '__main__':
  common.run(main)
