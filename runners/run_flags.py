"""The flags of every runner of tables and figures, and what follows from them.

A runner makes them its own with `flags.adopt_module_key_flags(run_flags)`.
"""

from collections.abc import Sequence
import dataclasses
import pathlib
from typing import Any

from absl import flags

from runners import common
from runners import data_flags
from runners import plugin_flags
from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import pair
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import retapping
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.methods import base
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import accuracy
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import reproduction
from vtab_h2t.studies import base as study_lib
from vtab_h2t.tasks import registry as tasks_registry
from vtab_h2t.tasks import task as task_lib

MEASURED, PUBLISHED = 'measured', 'published'

SOURCE = flags.DEFINE_enum(
    'source', MEASURED, [MEASURED, PUBLISHED], 'measured: by this project, now '
    'if need be. published: from the numbers that the paper prints.')
_SUITE = flags.DEFINE_enum(
    'suite', 'embedded', tasks_registry.SUITES, 'embedded: ten tasks without '
    'download. vtab: VTAB-1k. own: those that --plugins registers.')
_DATA_SOURCE = data_flags.data_source()
_DATA_DIR = data_flags.data_dir()
_DOWNLOAD = data_flags.download()
_TASKS = data_flags.tasks()
plugin_flags.plugins()
_BACKBONE = plugin_flags.backbone()
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
    'that take any; by default 96 for embedded, else 224.', lower_bound=16)
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
_SCORE_SOLVER = flags.DEFINE_enum(
    'score_solver', base.ADAM, base.SCORE_SOLVERS, 'What ranks the features '
    'of head2toe and head2toe_ft. adam: a group-lasso head, as in the paper. '
    'convex: the group lasso solved, features in the order in which they '
    'enter; needs "vtab_h2t[convex]".')
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
_SMOOTHING = flags.DEFINE_float(
    'probe_smoothing', 0.1, 'Label smoothing while head_probe probes.',
    lower_bound=0, upper_bound=1)
_HIDDEN = flags.DEFINE_integer(
    'probe_hidden', 0, 'Units of a hidden layer in head_probe\'s head; 0: '
    'linear.', lower_bound=0)
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Comma-separated seeds of '
                           'the final heads.')
WORKDIR = flags.DEFINE_string('workdir', 'workdir', 'Where features, rows and '
                               'tables are kept.')
_MEMORY_GIB = flags.DEFINE_float('memory_gib', 8, 'Working memory for training '
                                 'heads, in GiB.', lower_bound=0)

_CONTROL = flags.DEFINE_string(
    'control', 'efficientnet_lite2:imagenet', 'The second network of Figures 4 '
    'and 8, as backbone:weights.')

EXECUTOR = flags.DEFINE_enum(
    'executor', 'local', ['local', 'ray'], 'local: one unit after the other, '
    'each on all cores. ray: on a Ray cluster.')
RAY_ADDRESS = flags.DEFINE_string(
    'ray_address', 'auto', 'The cluster\'s address; auto: the one that this '
    'machine belongs to.')
_UNIT_CPUS = flags.DEFINE_integer(
    'unit_cpus', 1, 'CPUs that a unit reserves on a cluster.', lower_bound=1)
_UNIT_GPUS = flags.DEFINE_float(
    'unit_gpus', 0, 'GPUs that a unit reserves on a cluster.', lower_bound=0)
_SHARD = flags.DEFINE_integer(
    'shard_index', 0, 'Which shard of --num_shards this process runs.',
    lower_bound=0)
_NUM_SHARDS = flags.DEFINE_integer(
    'num_shards', 1, 'Into how many shards the units are dealt, of which this '
    'process runs one.', lower_bound=1)

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


@flags.validator('control')
def _valid_control(value: str) -> bool:
  name, _, weights = value.partition(':')
  if name not in backbones.BACKBONES:
    raise flags.ValidationError(
        f'unknown backbone {name!r}; choose from '
        f'{", ".join(backbones.BACKBONES)}')
  try:
    backbones.BACKBONES[name].check_weights(weights)
  except errors.InputError as e:
    raise flags.ValidationError(str(e)) from e
  return True


@flags.validator('seeds', 'must be distinct whole numbers from 0')
def _valid_seeds(values: list[str]) -> bool:
  return bool(values) and all(v.isdecimal() for v in values) and len(
      set(map(int, values))) == len(values)


@flags.multi_flags_validator(['shard_index', 'num_shards', 'executor'])
def _valid_shard(values: dict[str, Any]) -> bool:
  if values['shard_index'] >= values['num_shards']:
    raise flags.ValidationError(
        f'--shard_index={values["shard_index"]} must be below --num_shards='
        f'{values["num_shards"]}')
  if values['num_shards'] > 1 and values['executor'] != 'local':
    raise flags.ValidationError('shards are for --executor=local')
  return True


def is_shard() -> bool:
  """Whether this process runs a part of the units."""
  return _NUM_SHARDS.value > 1


def shard(pieces: Sequence[tuple[tuple[str, ...], Any]]
          ) -> list[tuple[tuple[str, ...], Any]]:
  """Those of some (jobs, tasks) that this process runs, in order.

  In a shard what needs other tasks' rows is left for the run without shards.
  """
  if not is_shard():
    return list(pieces)
  alone = [p for p in pieces if reproduction.TRANSFER not in p[0]]
  return alone[_SHARD.value::_NUM_SHARDS.value]


def unit_needs() -> dict[str, float]:
  """What a unit reserves on a cluster."""
  return {'num_cpus': _UNIT_CPUS.value, 'num_gpus': _UNIT_GPUS.value,
          'memory': int(_MEMORY_GIB.value * 2**30)}


def tasks() -> list[task_lib.Task]:
  """The tasks to run on."""
  return tasks_registry.tasks(
      _SUITE.value, _TASKS.value, _DATA_DIR.value, _DATA_SOURCE.value,
      _DOWNLOAD.value)


def is_vit() -> bool:
  return backbones.BACKBONES[_BACKBONE.value].cls_token


def networks(job: reproduction.Job) -> list[tuple[str, str]]:
  """Name and weights of the network that a job wants, or of both of a pair.

  Raises:
    errors.InputError: the job wants a second network and it is the run's own.
  """
  own = _BACKBONE.value, _WEIGHTS.value
  name, _, weights = _CONTROL.value.partition(':')
  if job.network != reproduction.OWN and own == (name, weights):
    raise errors.InputError(
        f'--control={_CONTROL.value} is the run\'s own network; name another')
  return {reproduction.OWN: [own], reproduction.SECOND: [(name, weights)],
          reproduction.PAIR: [own, (name, weights)]}[job.network]


def weights_name(job: reproduction.Job) -> str:
  """The weights as in rows: a file's folder says nothing."""
  return '+'.join(pathlib.Path(weights).name for _, weights in networks(job))


def load_backbone(job: reproduction.Job) -> backbone_lib.Backbone:
  """The backbone in the form that a job wants."""
  def load(name, weights, taps, cls_pooling):
    size = _IMAGE_SIZE.value or tasks_registry.IMAGE_SIZES[_SUITE.value]
    return backbones.load(name, weights, size, taps, _RESIZE.value, cls_pooling)

  first, *rest = networks(job)
  if job.network == reproduction.SECOND:  # The flags are of the other.
    return load(*first, backbone_lib.ALL_TAPS, pooling.CLS_POOLED)
  backbone = load(*first, job.taps or _TAPS.value,
                  job.cls_pooling or _CLS_POOLING.value)
  for second in rest:
    backbone = pair.pair(backbone, load(
        *second, backbone_lib.ALL_TAPS, pooling.CLS_POOLED))
  return backbone


def settings(task: task_lib.Task, job: reproduction.Job,
             studies: Sequence[study_lib.Study], required: Sequence[str] = ()):
  """How a job runs on a task.

  Args:
    task: the task.
    job: the job.
    studies: to run in place of methods.
    required: methods to run besides those of the flags, where the job leaves
      the choice to them.

  Returns:
    A `protocol.unit.Settings`.
  """
  from vtab_h2t.protocol import unit
  shared = dict(
      protocol=_PROTOCOL.value, seeds=tuple(map(int, _SEEDS.value)),
      rule=_NORMALIZATION.value, memory_bytes=int(_MEMORY_GIB.value * 2**30))
  if studies:
    return unit.Settings((), grids.study(_BACKBONE.value), studies=studies,
                         **shared)
  name, _ = networks(job)[0]
  grid = grids.get(_GRID.value, name, task.name, _HPARAMS.value)
  grid = dataclasses.replace(grid, tuning=dataclasses.replace(
      grid.tuning, optimizer=_OPTIMIZER.value, unit_norm=_UNIT_NORM.value,
      head_init=_HEAD_INIT.value, snr=_SNR.value, smoothing=_SMOOTHING.value,
      hidden=_HIDDEN.value), score_solver=_SCORE_SOLVER.value)
  if _SCORE_SOLVER.value != base.ADAM:  # Runs are told apart by their grids.
    grid = dataclasses.replace(grid, name=f'{grid.name}-{_SCORE_SOLVER.value}')
  names = job.methods or _METHODS.value or [
      m.name for m in methods.available(grid)]
  wanted = methods.methods([*names, *(() if job.methods else required)])
  for method in wanted:
    method.candidates(grid)  # Fails early if the grid lacks something.
  return unit.Settings(tuple(m.name for m in wanted), grid, **shared)


def source_text() -> str:
  """Where numbers come from, for figures."""
  if SOURCE.value == PUBLISHED:
    return published.SOURCE
  return f'measured: {folder("").name}'


def folder(kind: str) -> pathlib.Path:
  """Where tables or figures go: everything that sets a run apart is named."""
  if SOURCE.value == PUBLISHED:
    return pathlib.Path(WORKDIR.value, kind, PUBLISHED)
  parts = [_SUITE.value, _BACKBONE.value,
           pathlib.Path(_WEIGHTS.value).name, _TAPS.value]
  parts += [str(flag.value) for flag in (
      _IMAGE_SIZE, _CLS_POOLING, _RESIZE, _SCORE_SOLVER)
            if flag.value != flag.default]
  parts += [_NORMALIZATION.value, _GRID.value, _HPARAMS.value, _PROTOCOL.value]
  return pathlib.Path(WORKDIR.value, kind, '-'.join(filter(None, parts)))
