r"""Writes an adapted model as one that needs nothing of this package.

  python -m runners.export --model=model/ --out=exported/

In the folder are `model.keras`, a SavedModel and the class names. Both take
float32 images [B, H, W, 3], pixels 0 to 255, and give probabilities [B, C].
"""

from absl import flags

from . import common
from . import shared_flags

_MODEL = flags.DEFINE_string(
  'model', None, 'Folder that adapt wrote.', required=True
)
_OUT = flags.DEFINE_string('out', None, 'Folder to write to.', required=True)
_WEIGHTS = flags.DEFINE_string(
  'weights', None, "File of the network's weights, where they are not packaged."
)
shared_flags.plugins()


def main() -> None:
  common.prepare_tensorflow()
  from vtab_h2t.classifier import artefact
  from vtab_h2t.classifier import exporting

  model = artefact.load(_MODEL.value, _WEIGHTS.value)
  for path in exporting.export(model, _OUT.value):
    print(f'exported: {path}')


if __name__ == '__main__':
  common.run(main)
