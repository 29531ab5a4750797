r"""Regenerates Table 1: test accuracy of each method on each task.

With no flags: the embedded suite, EfficientNet-Lite0 with ImageNet weights, the
quick grid, three seeds; about six minutes on two cores. Rows, CSV and Markdown
are written below --workdir; what is there already is not measured again.

  python -m runners.table1
  python -m runners.table1 --weights=random            # the control
  python -m runners.table1 --grid=paper                # the full search
  python -m runners.table1 --methods=head2toe --grid=fixed \
      --hparams=lr=0.01,steps=500,target_size=256,fraction=0.05,l21=1e-5
  python -m runners.table1 --methods=linear,head2toe,finetune --grid=light \
      --image_size=32
  python -m runners.table1 --suite=vtab --backbone=vit_b16 --weights=FILE
  python -m runners.table1 --suite=vtab --data_source=archive --data_dir=DIR \
      --tasks=caltech101 --backbone=vit_ti16 --weights=FILE
"""

import dataclasses
import functools
import pathlib
import time

from absl import flags

from runners import common
from runners import data_flags
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import retapping
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import accuracy
from vtab_h2t.protocol import grids
from vtab_h2t.tasks import registry as tasks

_SUITE = flags.DEFINE_enum('suite', 'embedded', tasks.SUITES, 'embedded: ten '
                           'tasks without download. vtab: VTAB-1k.')
_DATA_SOURCE = data_flags.data_source()
_DATA_DIR = data_flags.data_dir()
_DOWNLOAD = data_flags.download()
_TASKS = data_flags.tasks()
_BACKBONE = flags.DEFINE_enum('backbone', 'efficientnet_lite0',
                              list(backbones.BACKBONES), 'The frozen network.')
_WEIGHTS = flags.DEFINE_string(
    'weights', 'imagenet', 'The network\'s weights: imagenet (of '
    'efficientnet_lite0), random for the control, the path of a file, or the '
    'path or URL of a SavedModel; see docs/backbones.md.')
_TAPS = flags.DEFINE_enum(
    'taps', 'all', ['all', 'released', 'figure6', *retapping.KINDS], 'all: the '
    'network\'s, as in the paper\'s Appendix C. released: those of the '
    'released code (ViTs). figure6: one for each unit (resnet50). The others '
    'are Table 6\'s.')
_IMAGE_SIZE = flags.DEFINE_integer(
    'image_size', None, 'Side in pixels of what the network sees, for networks '
    'that take any; by default 96 for embedded, 224 for vtab.', lower_bound=16)
_RESIZE = flags.DEFINE_enum(
    'resize', backbone_lib.BILINEAR, backbone_lib.RESIZES, 'bilinear: to a '
    'square, without antialias. legacy: as TensorFlow 1 did it, which the '
    'released code uses.')
_CLS_POOLING = flags.DEFINE_enum(
    'cls_pooling', pooling.CLS_POOLED, pooling.CLS_POOLINGS, 'What becomes of '
    'a ViT\'s class token. pooled: as the other tokens. only: no other token '
    'is used. both: beside the pooled others (Table 7).')
_METHODS = flags.DEFINE_list(
    'methods', None, f'Comma-separated methods of {", ".join(methods.METHODS)};'
    ' by default the frozen ones that the grid has settings for.')
_GRID = flags.DEFINE_enum(
    'grid', 'quick', grids.GRIDS, 'quick: one fold, 500 steps, smallest target '
    'size. light: the same with little tuning of the backbone. paper: Appendix '
    'A. published: Table 2, no search. fixed: --hparams, no search.')
_HPARAMS = flags.DEFINE_string(
    'hparams', '', 'The setting of --grid=fixed: lr, steps, target_size, '
    'fraction, l1, l2, l21 as key=value, comma-separated.')
_PROTOCOL = flags.DEFINE_enum(
    'protocol', accuracy.EXACT, accuracy.PROTOCOLS, 'exact: correct / total. '
    'official: the released evaluator\'s mean over padded batches of 50.')
_NORMALIZATION = flags.DEFINE_enum(
    'normalization', normalization.SELECTED, normalization.RULES,
    'selected: unit norm of each tap after selection, as released. once: '
    'before it, as the paper describes.')
_OPTIMIZER = flags.DEFINE_enum(
    'finetune_optimizer', 'sgd', ['sgd', 'adam'], 'Of scratch, finetune, '
    'head2toe_ft and head_probe. adam: as the released code.')
_UNIT_NORM = flags.DEFINE_bool(
    'finetune_unit_norm', True, 'Whether scratch and finetune scale the '
    'embedding to unit norm before the head, as the released code does.')
_HEAD_INIT = flags.DEFINE_enum(
    'head_init', 'fresh', ['fresh', 'head2toe'], 'What the head of head2toe_ft '
    'starts from. fresh: as the released code.')
_SNR = flags.DEFINE_enum(
    'snr', 'code', ['code', 'paper'], 'Which definition of the signal-to-noise '
    'ratio auto_snr goes by.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Comma-separated seeds of '
                           'the final heads.')
_WORKDIR = flags.DEFINE_string('workdir', 'workdir', 'Where features, rows and '
                               'tables are kept.')
_MEMORY_GIB = flags.DEFINE_float('memory_gib', 8, 'Working memory for training '
                                 'heads, in GiB.', lower_bound=0)


common.check_choices('methods', list(methods.METHODS))


@flags.multi_flags_validator(
    ['backbone', 'weights', 'taps', 'cls_pooling', 'image_size'])
def _valid_backbone(values: dict[str, str]) -> bool:
  entry = backbones.BACKBONES[values['backbone']]
  try:
    entry.check_weights(values['weights'])
    entry.check_tap_set(values['taps'])
    entry.check_cls_pooling(values['cls_pooling'])
    entry.check_image_size(values['image_size'])
  except errors.InputError as e:
    raise flags.ValidationError(str(e)) from e
  return True


@flags.validator('seeds', 'must be distinct whole numbers from 0')
def _valid_seeds(values: list[str]) -> bool:
  return bool(values) and all(v.isdecimal() for v in values) and len(
      set(map(int, values))) == len(values)


def _settings(task):
  """What to run on a task."""
  from vtab_h2t.protocol import unit
  grid = grids.get(_GRID.value, _BACKBONE.value, task.name, _HPARAMS.value)
  grid = dataclasses.replace(grid, tuning=dataclasses.replace(
      grid.tuning, optimizer=_OPTIMIZER.value, unit_norm=_UNIT_NORM.value,
      head_init=_HEAD_INIT.value, snr=_SNR.value))
  wanted = methods.methods(_METHODS.value) if _METHODS.value else \
      methods.available(grid)
  for method in wanted:
    method.candidates(grid)  # Fails early if the grid lacks something.
  return unit.Settings(
      tuple(m.name for m in wanted), grid, _PROTOCOL.value,
      tuple(map(int, _SEEDS.value)), _NORMALIZATION.value,
      int(_MEMORY_GIB.value * 2**30))


def _tables_folder(weights: str) -> pathlib.Path:
  """Where the tables of a run go: everything that sets it apart is named."""
  parts = [_SUITE.value, _BACKBONE.value, weights, _TAPS.value]
  parts += [str(flag.value) for flag in (_IMAGE_SIZE, _CLS_POOLING, _RESIZE)
            if flag.value != flag.default]
  parts += [_NORMALIZATION.value, _GRID.value, _HPARAMS.value, _PROTOCOL.value]
  return pathlib.Path(_WORKDIR.value, 'tables', '-'.join(filter(None, parts)))


def main() -> None:
  chosen = tasks.tasks(
      _SUITE.value, _TASKS.value, _DATA_DIR.value, _DATA_SOURCE.value,
      _DOWNLOAD.value)
  settings = {t.name: _settings(t) for t in chosen}
  common.prepare_tensorflow()
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.protocol import unit
  from vtab_h2t.report import statistics
  from vtab_h2t.report import tables
  ledger = ledger_lib.Ledger(_WORKDIR.value)
  weights = pathlib.Path(_WEIGHTS.value).name  # A file's folder says nothing.
  rows, failures = [], []
  with common.Progress(len(chosen), 'tasks') as progress:
    progress.start(_BACKBONE.value)
    progress.stage('load', 0, 1)
    backbone = backbones.load(
        _BACKBONE.value, _WEIGHTS.value,
        _IMAGE_SIZE.value or tasks.IMAGE_SIZES[_SUITE.value], _TAPS.value,
        _RESIZE.value, _CLS_POOLING.value)
    extractor_for = functools.cache(
        lambda sizes: extraction.Extractor(backbone, sizes))
    for together in tasks.sharing_images(chosen):
      started = time.monotonic()
      names = ', '.join(t.name for t in together)
      progress.start(names)
      try:
        rows += unit.run(together, backbone, weights, settings,
                         ledger, extractor_for, progress.stage)
      except errors.InputError as e:
        failures.append(f'{names}: {e}')
        progress.finish(f'{names}: failed', len(together))
      else:
        progress.finish(f'{names}: {time.monotonic() - started:.0f} s',
                        len(together))
  if rows:
    summary = statistics.summarise(rows)
    csv, md = tables.save(summary, _tables_folder(weights))
    tables.print_terminal(summary)
    print(f'rows:     {ledger.workdir / "rows"}\ncsv:      {csv}\n'
          f'markdown: {md}')
  if failures:
    raise errors.InputError('; '.join(failures))


if __name__ == '__main__':
  common.run(main)
