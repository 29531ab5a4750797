"""The command vtab-h2t: `vtab-h2t NAME FLAGS` runs the program NAME."""

import importlib
import sys

from . import common

_NAMES = (
  'table1',
  'affinity',
  'reproduce',
  'report',
  'companions',
  'toys',
  'adapt',
  'predict',
  'export',
  'doctor',
  'prepare',
)


def main() -> None:
  """Runs the program that the first argument names."""
  name = sys.argv[1] if len(sys.argv) > 1 else ''
  if name not in _NAMES:
    known = ', '.join(_NAMES)
    if name in ('-h', '--help'):
      print(
        f'vtab-h2t NAME FLAGS, where NAME is one of {known}.\n'
        'vtab-h2t NAME --help says what a program does.'
      )
      return
    common.fail(f'unknown program {name!r}; choose from {known}')
  module = importlib.import_module(f'{__package__}.{name}')
  sys.argv = [str(module.__file__), *sys.argv[2:]]
  common.run(module.main, getattr(module, 'FIRST', ()))


if __name__ == '__main__':
  main()
