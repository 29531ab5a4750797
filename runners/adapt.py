r"""Adapts a pretrained network to your own photographs.

Prints the chosen setting, the cross-validated accuracy with an interval beside
Linear's, the taps that matter, the size of what was written and what is to be
done about the photographs. `report.html` in the model's folder shows that.

  python -m runners.adapt --train_dir=photos/ --out=model/
  python -m runners.adapt --train_dir=list.csv --out=model/ --val_fraction=0.2
  python -m runners.adapt --train_dir=photos/ --out=model/ \
      --backbone=vit_ti16 --weights=FILE.npz
"""

import contextlib
import dataclasses
import functools
import pathlib
import sys
from typing import Any, TYPE_CHECKING

from absl import flags

from vtab_h2t import files
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import concerns
from vtab_h2t.tasks import labelled_pictures
from vtab_h2t.tasks import pictures

from . import common
from . import progress as progress_lib
from . import shared_flags
from . import stopping

if TYPE_CHECKING:
  from vtab_h2t.classifier import adapting
  from vtab_h2t.classifier import diagnosis

_TRAIN = flags.DEFINE_string(
  'train_dir',
  None,
  'Folder with one sub-folder of images for each class, '
  'or a CSV with the columns path and label.',
  required=True,
)
_OUT = flags.DEFINE_string(
  'out', None, 'Folder to write the model to.', required=True
)
_METHOD = flags.DEFINE_enum(
  'method',
  'head2toe',
  [*methods.FROZEN, 'best'],
  'How to adapt. best: by linear or head2toe, whichever is right more often '
  'on held-out images.',
)
_PLUGINS = shared_flags.plugins()
_BACKBONE = shared_flags.backbone()
_WEIGHTS = shared_flags.weights()
_REQUIRE_GPU = shared_flags.require_gpu()
_IMAGE_SIZE = flags.DEFINE_integer(
  'image_size',
  224,
  'Side in pixels of what the network sees, for networks that take any.',
  lower_bound=32,
)
_INPUT_SCALING = shared_flags.input_scaling()
_RESIZE = shared_flags.resize()
_CROP = shared_flags.crop(input_names.USUAL_CROP)
_GRID = flags.DEFINE_enum(
  'grid', 'quick', ['quick', 'paper'], 'Which settings to choose from.'
)
_VAL = flags.DEFINE_float(
  'val_fraction',
  None,
  'Hold out this share of the images once, instead of each once in five '
  'folds, or a fifth once where there are more than 5000.',
  lower_bound=0.01,
  upper_bound=0.9,
)
_BAD = flags.DEFINE_enum(
  'on_bad_image',
  pictures.FAIL,
  [pictures.FAIL, pictures.SKIP],
  'What to do about files that cannot be decoded.',
)
_SEED = flags.DEFINE_integer('seed', 0, 'Of folds and heads.', lower_bound=0)
_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'Where features are kept for the next time; by default they are not.',
)
_MEMORY = flags.DEFINE_float(
  'memory_gib',
  None,
  'Memory that the program may take, in GiB; by default what the machine has '
  'free, less a reserve.',
  lower_bound=0.1,
)
_FLOAT16 = flags.DEFINE_bool(
  'float16_features',
  False,
  'Keep features in half precision, which halves the disk that they take.',
)
_CLUSTER = shared_flags.executor()


def main() -> None:
  files.check_is_new(_OUT.value)
  kept = 'nothing is kept; with --workdir, finished features would be'
  if _WORKDIR.value is not None:
    kept = f'features that are finished are kept in {_WORKDIR.value}'
  with (
    stopping.keeping(kept),
    progress_lib.Progress(1, 'adapt') as progress,
  ):
    adapted, sizes, found = _adapt(progress)
  _show(adapted, sizes)
  print('what was found in the photographs:')
  for text in found.findings() or ['nothing stands out']:
    print(f'  {text}')
  print(f'report: {pathlib.Path(_OUT.value) / found.PAGE}')


def _read(progress: progress_lib.Progress) -> labelled_pictures.Pictures:
  """The images, after saying what is odd in them."""
  found = labelled_pictures.read(
    _TRAIN.value,
    _BAD.value,
    lambda done, total: progress.stage('read images', done, total),
  )
  for _, why in found.skipped:
    print(f'skipped: {why}')
  for concern in concerns.of(found):
    print(f'warning: {concern}', file=sys.stderr)
  print(f'{len(found.paths)} images of {len(found.classes)} classes')
  return found


def _adapt(
  progress: progress_lib.Progress,
) -> 'tuple[adapting.Adapted, dict[str, int], diagnosis.Diagnosis]':
  """Adapts, saves and diagnoses; returns all, and the bytes of each file."""
  found = _read(progress)
  common.prepare_tensorflow(_REQUIRE_GPU.value)
  from vtab_h2t.classifier import adapting
  from vtab_h2t.classifier import artefact
  from vtab_h2t.classifier import diagnosis
  from vtab_h2t.classifier import shards
  from vtab_h2t.features import extraction
  from vtab_h2t.features import store

  weights = backbones.weights_of(_BACKBONE.value, _WEIGHTS.value)
  backbone = backbones.load(_BACKBONE.value, weights, _IMAGE_SIZE.value)
  fed = input_names.scaled_input(
    input_names.for_photographs(backbone.input),
    _INPUT_SCALING.value,
    _RESIZE.value,
    _CROP.value,
  )
  backbone = dataclasses.replace(backbone, input=fed)
  space = grids.get(_GRID.value, backbone.name)
  cluster = _CLUSTER()
  extractor_of: Any = extraction.Extractor
  if cluster is not None:
    network = shards.Network(
      name=_BACKBONE.value,
      weights=weights,
      image_size=_IMAGE_SIZE.value,
      input=backbone.input,
      sha256=backbone.weights_sha256,
      plugins=tuple(_PLUGINS.value or ()),
    )
    extractor_of = functools.partial(shards.Extractor, cluster, network)
  common.say_devices()
  with contextlib.ExitStack() as stack:
    workdir = _WORKDIR.value or stack.enter_context(
      files.temporary_directory(f'{pathlib.Path(_OUT.value)}.features')
    )
    adapted = adapting.adapt(
      found.split(),
      found.classes,
      backbone,
      pathlib.Path(workdir),
      method=_METHOD.value,
      space=space,
      val_fraction=_VAL.value,
      seed=_SEED.value,
      memory_bytes=None
      if _MEMORY.value is None
      else int(_MEMORY.value * 2**30),
      dtype=store.FLOAT16 if _FLOAT16.value else store.FLOAT32,
      extractor_of=extractor_of,
      progress=progress.stage,
    )
  source = pathlib.Path(_TRAIN.value).resolve().name
  sizes = artefact.save(adapted, weights, _OUT.value, source)
  with stopping.keeping(f'the model is in {_OUT.value}, without its report'):
    progress.stage('diagnose', 0, 1)
    diagnosed = diagnosis.diagnose(
      adapted, lambda i: pictures.decode(found.paths[i])
    )
    diagnosed.save(_OUT.value)
  return adapted, sizes, diagnosed


def _show(adapted: 'adapting.Adapted', sizes: dict[str, int]) -> None:
  """Prints what was found."""
  from vtab_h2t.report import cost

  setting = ', '.join(f'{k} {v:g}' for k, v in adapted.setting.as_row().items())
  print(f'setting: {setting}')
  print(f'held-out accuracy of {adapted.method}: {adapted.accuracy}')
  for name, accuracy in adapted.tried.items():
    if name != adapted.method:
      print(f'held-out accuracy of {name}: {accuracy}')
  if adapted.linear.correct > adapted.accuracy.correct:
    print(
      'linear did better on these images: use --method=linear, or '
      '--method=best, which takes the better one'
    )
  print(
    '(of the settings that did best on the same images, so a little high; '
    f'chosen anew without the images that are judged: {adapted.apart})'
  )
  taps = adapted.taps().sort_values('share', ascending=False, kind='stable')
  print('taps that matter, by their share of the squared weights:')
  for row in taps.head(8).to_dict('records'):
    print(
      f'  {row["tap"]}: {row["share"]:.0%}, {row["selected"]} of '
      f'{row["features"]} features'
    )
  total = sum(sizes.values())
  whole = cost.network_bytes(adapted.backbone, len(adapted.classes))
  print(
    f'model: {_OUT.value}, {total:,} bytes, {total / whole:.2%} of a '
    f'fine-tuned copy of the network'
  )


if __name__ == '__main__':
  common.run(main)
