"""Modules and files of the user's: backbones, methods and tasks."""

import importlib
import importlib.util
import pathlib
import sys
import traceback

from vtab_h2t import errors

_PREFIX = 'vtab_h2t_plugin_'  # Of the names of files as modules.


def load(plugin: str) -> None:
  """Imports a module, or runs a Python file, once in a process.

  Args:
    plugin: the name of a module, or the path of a .py file.

  Raises:
    errors.InputError: there is no such module or file, or it raised an error,
      which is then its cause.
  """
  try:
    if plugin.endswith('.py'):
      _run(pathlib.Path(plugin).resolve())
    else:
      importlib.import_module(plugin)
  except (errors.InputError, ModuleNotFoundError) as e:
    raise errors.InputError(f'plugin {plugin}: {_where(e)}{e}') from e
  except Exception as e:
    raise errors.InputError(
      f'plugin {plugin}: {_where(e)}{type(e).__name__}: {e}'
    ) from e


def _run(path: pathlib.Path) -> None:
  """Runs a file as a module, unless it was run before."""
  if not path.is_file():
    raise errors.InputError('there is no such file')
  loaded = {
    name: getattr(module, '__file__', None)
    for name, module in sys.modules.items()
    if name.startswith(_PREFIX)
  }
  if str(path) in loaded.values():
    return
  name = f'{_PREFIX}{path.stem}'
  while name in loaded:  # A file of this name in another folder.
    name += '_'
  spec = importlib.util.spec_from_file_location(name, path)
  if spec is None or spec.loader is None:
    raise errors.InputError('it cannot be imported')
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module
  try:
    spec.loader.exec_module(module)
  except BaseException:
    del sys.modules[name]
    raise


def _where(error: Exception) -> str:
  """The plugin's file and line that raised, as 'mine.py, line 3: ', or ''.

  It is '' where the plugin did not begin to run: it is not there, or no Python.
  """
  frames = [
    frame
    for frame in traceback.extract_tb(error.__traceback__)
    if frame.filename not in (__file__, importlib.__file__)
    and not frame.filename.startswith('<frozen ')
  ]
  own = [frame for frame in frames if frame.filename == frames[0].filename]
  if not own:
    return ''
  return f'{pathlib.Path(own[-1].filename).name}, line {own[-1].lineno}: '
