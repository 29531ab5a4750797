"""Flags that several runners have; each defines those that it reads."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TYPE_CHECKING

from absl import flags

from vtab_h2t import errors
from vtab_h2t import plugins as plugins_lib
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.tasks import registry

if TYPE_CHECKING:
  from vtab_h2t.protocol import executors

# The flags then belong to the runner that calls these, and are in its --help.
flags.disclaim_key_flags()

MEASURED, PUBLISHED = 'measured', 'published'


def data_source() -> flags.FlagHolder[str]:
  """Form of the data of VTAB-1k."""
  return flags.DEFINE_enum(
    'data_source',
    registry.TFDS,
    registry.SOURCES,
    'Form of the data of '
    'VTAB-1k. tfds: as TensorFlow Datasets prepared them. archive: folders '
    'with train800.txt, val200.txt, test.txt.',
  )


def data_dir() -> flags.FlagHolder[str | None]:
  """Where the data of VTAB-1k are."""
  return flags.DEFINE_string(
    'data_dir',
    None,
    'Where the data of VTAB-1k are; for tfds by default '
    'TFDS_DATA_DIR or ~/tensorflow_datasets.',
  )


def download() -> flags.FlagHolder[bool]:
  """Whether data may be fetched."""
  return flags.DEFINE_bool(
    'download', False, 'Let TensorFlow Datasets fetch what is not prepared.'
  )


def tasks() -> flags.FlagHolder[list[str] | None]:
  """Which tasks."""
  return flags.DEFINE_list(
    'tasks', None, 'Comma-separated tasks; all by default.'
  )


def seeds(
  default: Sequence[str] | None, note: str = ''
) -> flags.FlagHolder[list[str] | None]:
  """Seeds of what is trained in the end; validated.

  Args:
    default: the seeds.
    note: what the help says besides.
  """
  holder = flags.DEFINE_list(
    'seeds',
    default,
    f'Comma-separated seeds of what is trained in the end{note}.',
  )

  @flags.validator('seeds', 'must be distinct whole numbers from 0')
  def _valid(values: list[str] | None) -> bool:
    return values is None or (
      bool(values)
      and all(v.isdecimal() for v in values)
      and len(set(map(int, values))) == len(values)
    )

  return holder


def weights(are_checked: bool = True) -> flags.FlagHolder[str | None]:
  """The network's weights; `backbones.weights_of` says which are meant.

  Args:
    are_checked: whether to raise InputError unless they are of --backbone,
      which is defined before.
  """
  holder = flags.DEFINE_string(
    'weights',
    None,
    "The network's weights: a name, or the path or URL of a file; "
    "docs/backbones.md lists them. By default the network's own.",
  )
  if are_checked:

    @flags.multi_flags_validator(['backbone', 'weights'])
    def _known(values: dict[str, Any]) -> bool:
      backbones.weights_of(values['backbone'], values['weights'])
      return True

  return holder


def _names(backbones_: Iterable[str]) -> str:
  """Names for a line of help: 'lite0, lite1' as 'lite0|1'."""
  found: dict[str, list[str]] = {}
  for name in backbones_:
    family = name.rstrip('0123456789')
    found.setdefault(family, []).append(name.removeprefix(family))
  return ', '.join(f + '|'.join(sizes) for f, sizes in found.items())


def input_scaling() -> flags.FlagHolder[str]:
  """What a network's input is."""
  return flags.DEFINE_enum(
    'input_scaling',
    input_names.USUAL_INPUT,
    input_names.INPUT_SCALINGS,
    "The network's input. usual: what its weights want. vtab, unit: 0 to 1. "
    'half: -1 to 1. pixels: 0 to 255.',
  )


def resize() -> flags.FlagHolder[str]:
  """How images are made square."""
  return flags.DEFINE_enum(
    'resize',
    input_names.USUAL_RESIZE,
    [input_names.USUAL_RESIZE, *preprocessing.RESIZES],
    "usual: as the weights want it. legacy: TensorFlow 1's, as released. "
    "antialias: Pillow's.",
  )


def crop(default: str) -> flags.FlagHolder[str]:
  """Which part of an image is seen; validated.

  Args:
    default: as `input_names.crop_of` reads it, or 'usual'.
  """
  holder = flags.DEFINE_string(
    'crop',
    default,
    'What is seen. square: all, squashed. 0.875: so much of the shorter side, '
    'in the middle. usual: as the weights want it.',
  )

  @flags.validator('crop')
  def _valid(value: str) -> bool:
    if value != input_names.USUAL_CROP:
      try:
        input_names.crop_of(value)
      except errors.InputError as e:
        raise flags.ValidationError(str(e)) from e
    return True

  return holder


def require_gpu() -> flags.FlagHolder[bool]:
  """Whether to go on without a GPU."""
  return flags.DEFINE_bool(
    'require_gpu', False, 'Fail, and say why, where TensorFlow sees no GPU.'
  )


def workdir() -> flags.FlagHolder[str]:
  """Where results are."""
  return flags.DEFINE_string(
    'workdir', 'workdir', 'Where features are kept, and a folder a run.'
  )


def source() -> flags.FlagHolder[str]:
  """Whose numbers."""
  return flags.DEFINE_enum(
    'source',
    MEASURED,
    [MEASURED, PUBLISHED],
    'measured: by this project, '
    'now if need be. published: from the numbers that the paper prints.',
  )


def plugins() -> flags.FlagHolder[list[str] | None]:
  """Its modules are imported as soon as the flags are parsed."""
  holder = flags.DEFINE_list(
    'plugins',
    None,
    'Comma-separated modules or .py files, run at first, that register '
    'backbones, methods and tasks; see docs/extending.md.',
  )

  # An InputError, here and below, is printed as it is. absl puts before a
  # ValidationError all the flags that it is about.
  @flags.validator('plugins')
  def _load(values: Sequence[str] | None) -> bool:
    for value in values or ():
      plugins_lib.load(value)
    return True

  return holder


def backbone() -> flags.FlagHolder[str]:
  """Define it after `plugins`, which may register what it names."""
  holder = flags.DEFINE_string(
    'backbone',
    'efficientnet_lite0',
    f'The network: {_names(backbones.BACKBONES)}, or one of --plugins.',
  )

  @flags.multi_flags_validator(['plugins', 'backbone'])
  def _known(values: dict[str, Any]) -> bool:
    backbones.check_name(values['backbone'])
    return True

  return holder


def ray_address() -> flags.FlagHolder[str]:
  """Where a Ray cluster is."""
  return flags.DEFINE_string(
    'ray_address',
    'auto',
    "The cluster's address; auto: the one that this machine belongs to.",
  )


def executor() -> Callable[[], 'executors.Cluster | None']:
  """Where photographs are read.

  Returns:
    What gives the cluster that the flags name; None for this process.
  """
  kind = flags.DEFINE_enum(
    'executor',
    'local',
    ['local', 'ray'],
    'local: images are read by this process. ray: in pieces on a Ray cluster.',
  )
  address = ray_address()

  def cluster() -> 'executors.Cluster | None':
    if kind.value == 'local':
      return None
    from vtab_h2t.protocol import executors

    return executors.Cluster(address=address.value)

  return cluster
