"""Modules and files of the user's that register backbones and tasks."""

import importlib
import importlib.util
import pathlib
import sys

from vtab_h2t import errors


def load(plugin: str) -> None:
  """Imports a module, or runs a Python file, once in a process.

  Args:
    plugin: the name of a module, or the path of a .py file.

  Raises:
    errors.InputError: there is no such module or file.
  """
  if not plugin.endswith('.py'):
    try:
      importlib.import_module(plugin)
    except ModuleNotFoundError as e:
      raise errors.InputError(f'plugin {plugin}: {e}') from e
    return
  path = pathlib.Path(plugin).resolve()
  name = f'vtab_h2t_plugin_{path.stem}'
  known = sys.modules.get(name)
  if known is not None and known.__file__ == str(path):
    return
  spec = importlib.util.spec_from_file_location(name, path)
  if spec is None or spec.loader is None or not path.is_file():
    raise errors.InputError(f'plugin {plugin}: there is no such file')
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  try:
    spec.loader.exec_module(module)
  except BaseException:
    del sys.modules[name]
    raise
