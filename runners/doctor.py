r"""Says whether data and weights are ready, without starting a run.

For each task of VTAB-1k a line: prepared, downloadable, manual (the files named
have to be fetched by hand) or broken, and what to do. With --backbone, and no
--tasks, a line for its weights instead: trainable, frozen only (their features
can be read, but they cannot be trained) or broken. Exit status 1 if a task is
not prepared or weights are broken.

  python -m runners.doctor
  python -m runners.doctor --data_dir=DIR --tasks=resisc45,dtd
  python -m runners.doctor --data_source=archive --data_dir=DIR
  python -m runners.doctor --backbone=resnet50 --weights=imagenetr50.tar.gz
"""

import sys

from absl import flags

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import diagnosis as backbones
from vtab_h2t.tasks import diagnosis

from . import common
from . import shared_flags

_DATA_SOURCE = shared_flags.data_source()
_DATA_DIR = shared_flags.data_dir()
_TASKS = shared_flags.tasks()
shared_flags.plugins()
_BACKBONE = flags.DEFINE_string(
  'backbone', None, 'The network whose weights to look at; by default none.'
)
_WEIGHTS = flags.DEFINE_string(
  'weights',
  None,
  'Its weights: a name, or the path or URL of a file; docs/backbones.md lists '
  "them. By default the network's own.",
)
_TAPS = flags.DEFINE_string(
  'taps', backbone_lib.ALL_TAPS, 'A set of taps that the weights have.'
)
_IMAGE_SIZE = flags.DEFINE_integer(
  'image_size',
  224,
  'Side in pixels of what the network sees, for networks that take any.',
  lower_bound=32,
)


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
  width = max(len(name) for name in found)
  for name, (status, advice) in found.items():
    print(f'{name:{width}}  {status:12}  {advice}'.rstrip())
  ready = {diagnosis.PREPARED, backbones.TRAINABLE, backbones.FROZEN}
  if any(status not in ready for status, _ in found.values()):
    sys.exit(1)


if __name__ == '__main__':
  common.run(main)
