r"""Writes an adapted model as one that needs nothing of this package.

  python -m runners.export --model=model/ --out=exported/
  python -m runners.export --model=model/ --out=exported/ --format=onnx,litert

In the folder are the class names and, for each format, `model.keras`,
`saved_model`, `model.onnx` or `model.tflite`. All take float32 images
[B, H, W, 3], pixels 0 to 255 of any size, and give probabilities [B, C].
"""

import pathlib

from absl import flags

from vtab_h2t import files
from vtab_h2t.classifier import formats

from . import common
from . import shared_flags
from . import stopping

_MODEL = flags.DEFINE_string(
  'model', None, 'Folder that adapt wrote.', required=True
)
_OUT = flags.DEFINE_string('out', None, 'Folder to write to.', required=True)
_FORMAT = flags.DEFINE_list(
  'format',
  list(formats.DEFAULT),
  f'Comma-separated, of {", ".join(formats.FORMATS)}.',
)
common.check_choices('format', list(formats.FORMATS))
_WEIGHTS = flags.DEFINE_string(
  'weights', None, "File of the network's weights, where they are not packaged."
)
shared_flags.plugins()


def main() -> None:
  files.check_is_new(_OUT.value)
  common.prepare_tensorflow()
  from vtab_h2t.classifier import artefact
  from vtab_h2t.classifier import exporting

  with stopping.keeping('nothing is kept'):
    model = artefact.load(_MODEL.value, _WEIGHTS.value)
    differences = exporting.export(model, _OUT.value, _FORMAT.value)
  for name, difference in differences.items():
    kind = formats.FORMATS[name]
    said = f'not compared, as {", ".join(kind.runtime)} is not installed'
    if difference is not None:
      said = f'its probabilities differ by at most {difference:.1g}'
    print(f'exported: {pathlib.Path(_OUT.value, kind.path)}; {said}')


if __name__ == '__main__':
  common.run(main)
