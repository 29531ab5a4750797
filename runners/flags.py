"""The flags of tables and figures, and the one run that follows from them.

A runner makes them its own with absl's `adopt_module_key_flags`; those of
`executor_flags` are among them.
"""

from collections.abc import Sequence
import pathlib
from typing import Any

from absl import flags

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import retapping
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import accuracy
from vtab_h2t.protocol import executors
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.tasks import registry as tasks_registry
from vtab_h2t.tasks import shifted

from . import common
from . import executor_flags
from . import shared_flags

flags.adopt_module_key_flags(executor_flags)

MEASURED, PUBLISHED = shared_flags.MEASURED, shared_flags.PUBLISHED

_TASKS = shared_flags.tasks()
_METHODS = flags.DEFINE_list(
  'methods',
  None,
  "Comma-separated methods; paper: Table 1's nine; all: all but vqt. By "
  f'default of {", ".join(methods_registry.FROZEN)} those that the grid sets.',
)
_SEEDS = shared_flags.seeds(['0', '1', '2'])
_GRID = flags.DEFINE_enum(
  'grid',
  'quick',
  grids.GRIDS,
  "quick: 1 fold, 500 steps. paper: Appendix A with Table 2's T, F. "
  'appendix_a: as printed. published: Table 2. fixed: --hparams.',
)
_HPARAMS = flags.DEFINE_string(
  'hparams',
  '',
  'Setting of --grid=fixed, as lr=0.1,...: lr, steps, target_size, fraction, '
  'l1, l2, l21; for networks ft_lr, ft_steps, epochs, batch, block, tau; '
  'others in docs/protocol.md.',
)
WORKDIR = shared_flags.workdir()
RUN_NAME = flags.DEFINE_string(
  'run_name',
  None,
  "Name of the run's folder in --workdir; by default made "
  'from what the run is.',
)
SOURCE = shared_flags.source()

_SUITE = flags.DEFINE_enum(
  'suite',
  'embedded',
  # Tasks with shifts are for runners.companions.
  [s for s in tasks_registry.SUITES if s != shifted.SUITE],
  'embedded: ten tasks without '
  'download. vtab: VTAB-1k. own: those that --plugins registers.',
)
_DATA_SOURCE = shared_flags.data_source()
_DATA_DIR = shared_flags.data_dir()
_DOWNLOAD = shared_flags.download()
_PLUGINS = shared_flags.plugins()
_BACKBONE = shared_flags.backbone()
_WEIGHTS = shared_flags.weights()
_IMAGE_SIZE = flags.DEFINE_integer(
  'image_size',
  None,
  'Side in pixels of what the network sees, for networks '
  'that take any; by default 64 for embedded, else 224.',
  lower_bound=16,
)

_TAPS = flags.DEFINE_string(
  'taps',
  backbone_lib.ALL_TAPS,
  "Which tensors are read. all: Appendix C's. released: the released code's. "
  'docs/backbones.md has the others.',
)
_RESIZE = shared_flags.resize()
# All of it: tasks ask for what is at the border, too.
_CROP = shared_flags.crop(input_names.WHOLE)
_CLS_POOLING = flags.DEFINE_enum(
  'cls_pooling',
  pooling.CLS_POOLED,
  pooling.CLS_POOLINGS,
  "A ViT's class "
  'token. pooled: as the other tokens. only: no other token is used. both: '
  'beside the pooled others (Table 7).',
)
_INPUT_SCALING = shared_flags.input_scaling()
_PRECISION = flags.DEFINE_enum(
  'precision',
  backbone_lib.FLOAT32,
  backbone_lib.PRECISIONS,
  'What networks compute in. mixed_bfloat16 is for accelerators; how numbers '
  'then differ is in docs/scaling.md.',
)
_PROTOCOL = flags.DEFINE_enum(
  'protocol',
  accuracy.EXACT,
  accuracy.PROTOCOLS,
  'exact: correct / total. '
  "official: the released evaluator's mean over padded batches of 50.",
)
_NORMALIZATION = flags.DEFINE_enum(
  'normalization',
  normalization.SELECTED,
  normalization.RULES,
  'selected: unit norm of each tap after selection, as released. once: before '
  'it. feature: each standardised. none: as pooled.',
)
_OPTIMIZER = flags.DEFINE_enum(
  'finetune_optimizer',
  'sgd',
  ['sgd', 'adam'],
  'Of scratch, finetune, linearized, '
  'head2toe_ft and head_probe. adam: as released.',
)
_UNIT_NORM = flags.DEFINE_bool(
  'finetune_unit_norm',
  True,
  'Whether scratch, finetune and linearized '
  'scale the embedding to unit norm before the head, as released.',
)
_HEAD_INIT = flags.DEFINE_enum(
  'head_init',
  'fresh',
  ['fresh', 'head2toe'],
  'What the head of head2toe_ft starts from. fresh: as the released code.',
)
_SNR = flags.DEFINE_enum(
  'snr',
  'code',
  ['code', 'paper'],
  'Which definition of the signal-to-noise ratio auto_snr goes by.',
)
_SMOOTHING = flags.DEFINE_float(
  'probe_smoothing',
  0.1,
  'Label smoothing while head_probe probes.',
  lower_bound=0,
  upper_bound=1,
)
_HIDDEN = flags.DEFINE_integer(
  'probe_hidden',
  0,
  "Units of a hidden layer in head_probe's head; 0: linear.",
  lower_bound=0,
)
_AS_RELEASED = flags.DEFINE_bool(
  'as_released',
  False,
  "Makes the released code's choices: its resize, input, taps, normalization, "
  'fine-tuning and evaluator; docs/protocol.md lists them.',
)
_CONTROL = flags.DEFINE_string(
  'control',
  'efficientnet_lite2:imagenet',
  'The second network of Figures 4 and 8, as backbone:weights.',
)


@flags.multi_flags_validator(['plugins', 'methods'])
def _valid_methods(values: dict[str, Any]) -> bool:
  for name in values['methods'] or ():
    if name not in methods_registry.SETS:
      methods_registry.check_name(name)
  return True


# What --as_released sets: flag to value. Of backbones that do not offer the
# released taps, those are all, as of the ResNet-50, or there are none.
_RELEASED: dict[str, Any] = {
  'resize': preprocessing.LEGACY,
  'crop': input_names.WHOLE,
  'input_scaling': input_names.USUAL_INPUT,
  'taps': backbones.RELEASED_TAPS,
  'cls_pooling': pooling.CLS_POOLED,
  'precision': backbone_lib.FLOAT32,
  'normalization': normalization.SELECTED,
  'finetune_optimizer': 'adam',
  'finetune_unit_norm': True,
  'head_init': 'fresh',
  'protocol': accuracy.OFFICIAL,
}


def _released(name: str) -> Any:
  """What --as_released sets a flag to, for the backbone."""
  offered = backbones.BACKBONES[_BACKBONE.value].tap_sets
  if name == _TAPS.name and backbones.RELEASED_TAPS not in offered:
    return backbone_lib.ALL_TAPS
  return _RELEASED[name]


def _value(flag: flags.FlagHolder[Any]) -> Any:
  """The value of one of the flags that --as_released sets."""
  return _released(flag.name) if _AS_RELEASED.value else flag.value


# What most people need; --help shows these first.
FIRST = (
  'tasks',
  'methods',
  'seeds',
  'grid',
  'hparams',
  'workdir',
  'run_name',
  'suite',
  'data_dir',
  'data_source',
  'download',
  'backbone',
  'weights',
  'image_size',
  'source',
)


@flags.multi_flags_validator(['backbone', 'taps', 'cls_pooling', 'image_size'])
def _valid_backbone(values: dict[str, Any]) -> bool:
  name = values['backbone']
  entry = backbones.BACKBONES[name]
  try:
    entry.check_tap_set(values['taps'])
    entry.check_cls_pooling(values['cls_pooling'])
    entry.check_image_size(values['image_size'])
  except errors.InputError as e:
    raise errors.InputError(f'{name}: {e}') from e
  return True


def _spelled(name: str, value: Any) -> str:
  """A flag as it is given."""
  if isinstance(value, bool):
    return f'--{"" if value else "no"}{name}'
  return f'--{name}={value}'


def _valid_as_released(values: dict[str, Any]) -> bool:
  """Checks --as_released and one of the flags that it sets."""
  (name,) = set(values) - {'as_released', 'backbone'}
  flag, wanted = flags.FLAGS[name], _released(name)
  is_given = not flag.using_default_value or values[name] != flag.default
  if values['as_released'] and is_given and values[name] != wanted:
    raise flags.ValidationError(
      f'--as_released sets {_spelled(name, wanted)}, and '
      f'{_spelled(name, values[name])} is given beside it; leave out one'
    )
  return True


for _name in _RELEASED:
  flags.register_multi_flags_validator(
    ['as_released', 'backbone', _name], _valid_as_released
  )


@flags.validator('control')
def _valid_control(value: str) -> bool:
  try:
    _named(value)
  except errors.InputError as e:
    raise errors.InputError(f'--control={value}: {e}') from e
  return True


@flags.validator('run_name')
def _valid_run_name(value: str | None) -> bool:
  if value in ('features', 'toys', common.PUBLISHED_FOLDER):
    raise flags.ValidationError(f'{value!r} is taken in a work directory')
  try:
    if value is not None:
      files.check_name('run', value)
  except errors.InputError as e:
    raise flags.ValidationError(str(e)) from e
  return True


def _own() -> tuple[str, str]:
  """The network: its id, and its weights."""
  name = _BACKBONE.value
  return name, backbones.weights_of(name, _WEIGHTS.value)


def _named(network: str) -> tuple[str, str]:
  """The same of a network as backbone:weights, or as backbone.

  Raises:
    errors.InputError: there is none.
  """
  name, _, weights = network.partition(':')
  return name, backbones.weights_of(name, weights or None)


def space() -> space_lib.Space:
  """What is tried.

  Raises:
    errors.InputError: --grid and --hparams do not go together, or the paper has
      no settings for the backbone.
  """
  optimizer = {'optimizer': _value(_OPTIMIZER)}
  unit_norm = {'unit_norm': _value(_UNIT_NORM)}
  return grids.get(_GRID.value, _BACKBONE.value, _HPARAMS.value).changed(
    {
      'scratch': optimizer | unit_norm,
      'finetune': optimizer | unit_norm,
      'linearized': optimizer | unit_norm,
      'head2toe_ft': optimizer | {'head_init': _value(_HEAD_INIT)},
      'auto_snr': {'snr': _SNR.value},
      'head_probe': optimizer
      | {'smoothing': _SMOOTHING.value, 'hidden': _HIDDEN.value},
    }
  )


def run() -> run_lib.Run:
  """The run: all flags that determine numbers.

  It loads the network, whose weights are part of it.

  Raises:
    errors.InputError: as `space` raises, or the weights cannot be read.
  """
  size = (
    backbones.BACKBONES[_BACKBONE.value].image_size
    or _IMAGE_SIZE.value
    or tasks_registry.IMAGE_SIZES[_SUITE.value]
  )
  tried = space()
  taps = _value(_TAPS)
  fed = input_names.scaled_input(
    run_lib.usual_input(*_own(), size, taps),
    _value(_INPUT_SCALING),
    _value(_RESIZE),
    _value(_CROP),
  )
  return run_lib.Run(
    suite=_SUITE.value,
    data_source=(
      _DATA_SOURCE.value if _SUITE.value == tasks_registry.VTAB else None
    ),
    network=run_lib.network(
      *_own(),
      size,
      taps,
      _value(_INPUT_SCALING),
    ),
    image_size=size,
    resize=fed.resize,
    crop=fed.crop,
    taps=taps,
    cls_pooling=_value(_CLS_POOLING),
    precision=_value(_PRECISION),
    normalization=_value(_NORMALIZATION),
    protocol=_value(_PROTOCOL),
    space=tried,
    chosen_name=RUN_NAME.value,
  )


def check_second() -> None:
  """Raises InputError if the second network is the run's own."""
  if _named(_CONTROL.value) == _own():
    raise errors.InputError(
      f"--control={_CONTROL.value} is the run's own network; name another"
    )


def second(own: run_lib.Run) -> run_lib.Network:
  """The second network of Figures 4 and 8; it is loaded.

  Raises:
    errors.InputError: it is the run's own, or cannot be read.
  """
  check_second()
  return run_lib.network(*_named(_CONTROL.value), own.image_size)


def methods(tried: space_lib.Space, required: Sequence[str]) -> list[str]:
  """The methods to measure and show, in the table's order.

  Args:
    tried: what the run tries.
    required: those that an output needs besides.
  """
  names = _METHODS.value or methods_registry.available(
    next(iter(tried.by_task.values()), tried)
  )
  names = [m for n in names for m in methods_registry.SETS.get(n, (n,))]
  return methods_registry.with_required([*names, *required])


def seeds() -> tuple[int, ...]:
  """Of what is trained in the end."""
  return tuple(map(int, _SEEDS.value or ()))


def task_names() -> list[str] | None:
  """The tasks that were asked for; None for all."""
  return _TASKS.value


def is_vit() -> bool:
  """Whether the backbone has a class token."""
  return backbones.BACKBONES[_BACKBONE.value].cls_token


def has_taps(jobs: Sequence[str]) -> bool:
  """Whether the backbone offers the sets of taps that jobs are named after."""
  return set(jobs).intersection(retapping.KINDS) <= set(
    backbones.BACKBONES[_BACKBONE.value].tap_sets
  )


def has_usual_taps() -> bool:
  """Whether taps and class token are those of the paper's main results."""
  return (
    _value(_TAPS) in backbones.PAPER_TAPS
    and _value(_CLS_POOLING) == pooling.CLS_POOLED
  )


def suite_and_source() -> tuple[str, str]:
  """Which tasks, and in which form."""
  return _SUITE.value, _DATA_SOURCE.value


def places() -> executors.Places:
  """Where this machine has what the run names.

  Raises:
    errors.InputError: two files of weights have one name.
  """
  weights = [_own()[1], _named(_CONTROL.value)[1]]
  if len({pathlib.Path(w).name for w in weights}) < len(set(weights)):
    raise errors.InputError(
      f'--weights={weights[0]} and those of --control have one file name; '
      'rename one of the files'
    )
  return executors.Places(
    data_dir=_DATA_DIR.value,
    download=_DOWNLOAD.value,
    weights={pathlib.Path(w).name: w for w in weights},
    plugins=tuple(_PLUGINS.value or ()),
    memory_bytes=executor_flags.memory_bytes(),
    require_gpu=executor_flags.require_gpu(),
  )
