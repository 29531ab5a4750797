"""What the README shows works."""

import pathlib
import re
import shlex

from absl import flags
import pytest

from runners import data_flags
from runners import table1

_README = (pathlib.Path(__file__).parents[1] / 'README.md').read_text()


def test_python_example_runs(capsys):
  blocks = re.findall(r'```python\n(.*?)```', _README, re.DOTALL)
  assert blocks
  for block in blocks:
    exec(block, {})
  assert 'stem.pool' in capsys.readouterr().out


@pytest.mark.parametrize(
    'command', re.findall(r'`python -m runners\.table1 ([^`]*)`', _README))
def test_flags_of_each_command_are_known(command):
  modules = flags.FLAGS.flags_by_module_dict()
  known = {flag.name: flag for module in (table1, data_flags)
           for flag in modules[module.__name__]}
  for argument in shlex.split(command):
    name, given, value = argument.removeprefix('--').partition('=')
    if name == 'help':
      continue
    assert name in known, argument
    if not given:
      assert known[name].boolean
    elif value != 'DIR' and not value.endswith('.npz'):
      known[name].parser.parse(value)
