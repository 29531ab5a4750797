"""Flags that several runners have; each defines those that it reads."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from vtab_h2t import errors
from vtab_h2t import plugins as plugins_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.tasks import registry

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


def weights() -> flags.FlagHolder[str]:
  """The network's weights."""
  return flags.DEFINE_string(
    'weights',
    'imagenet',
    "The network's weights: imagenet (of "
    'efficientnet_lite0), random for the control, the path of a file, or the '
    'path or URL of a SavedModel; see docs/backbones.md.',
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
    'Comma-separated modules or .py files, run at first, '
    'that register backbones and tasks; see docs/extending.md.',
  )

  @flags.validator('plugins')
  def _load(values: Sequence[str] | None) -> bool:
    for value in values or ():
      try:
        plugins_lib.load(value)
      except errors.InputError as e:
        raise flags.ValidationError(str(e)) from e
    return True

  return holder


def backbone() -> flags.FlagHolder[str]:
  """Define it after `plugins`, which may register what it names."""
  holder = flags.DEFINE_string(
    'backbone',
    'efficientnet_lite0',
    f'The network: {", ".join(backbones.BACKBONES)}, or one of --plugins.',
  )

  @flags.multi_flags_validator(['plugins', 'backbone'])
  def _known(values: dict[str, Any]) -> bool:
    if values['backbone'] not in backbones.BACKBONES:
      raise flags.ValidationError(
        f'unknown backbone {values["backbone"]!r}; choose from '
        f'{", ".join(backbones.BACKBONES)}'
      )
    return True

  return holder
