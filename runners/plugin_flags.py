"""Flags that name networks, and code of one's own that registers some."""

from collections.abc import Sequence
import importlib
import importlib.util
import pathlib
import sys
from typing import Any

from absl import flags

from vtab_h2t import errors
from vtab_h2t.backbones import registry as backbones

# The flags then belong to the runner that calls these, and are in its --help.
flags.disclaim_key_flags()


def plugins() -> None:
  """Its modules are imported as soon as the flags are parsed."""
  flags.DEFINE_list(
      'plugins', None, 'Comma-separated modules or .py files, run at first, '
      'that register backbones and tasks; see docs/extending.md.')

  @flags.validator('plugins')
  def _load(values: Sequence[str] | None) -> bool:
    for value in values or ():
      try:
        _import(value)
      except (errors.InputError, ModuleNotFoundError) as e:
        raise flags.ValidationError(f'{value}: {e}') from e
    return True


def backbone() -> flags.FlagHolder[str]:
  """Define it after `plugins`, which may register what it names."""
  holder = flags.DEFINE_string(
      'backbone', 'efficientnet_lite0', 'The frozen network: '
      f'{", ".join(backbones.BACKBONES)}, or one that --plugins registers.')

  @flags.multi_flags_validator(['plugins', 'backbone'])
  def _known(values: dict[str, Any]) -> bool:
    if values['backbone'] not in backbones.BACKBONES:
      raise flags.ValidationError(
          f'unknown backbone {values["backbone"]!r}; choose from '
          f'{", ".join(backbones.BACKBONES)}')
    return True

  return holder


def _import(plugin: str) -> None:
  """Runs a module, once in a process."""
  if not plugin.endswith('.py'):
    importlib.import_module(plugin)
    return
  path = pathlib.Path(plugin).resolve()
  name = f'vtab_h2t_plugin_{path.stem}'
  known = sys.modules.get(name)
  if known is not None and known.__file__ == str(path):
    return
  if not path.is_file():
    raise errors.InputError('there is no such file')
  spec = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  spec.loader.exec_module(module)
