"""What the README shows works."""

import pathlib
import re
import shlex

from absl import flags
import pytest

from runners import run_flags

_ROOT = pathlib.Path(__file__).parents[1]
_README = (_ROOT / 'README.md').read_text()


@pytest.mark.parametrize('text, said', [
    (_README, r'stem\.pool'),
    ((_ROOT / 'docs' / 'own_images.md').read_text(), r'^(0\.9|1\.0)')],
                         ids=['README', 'own_images'])
def test_python_examples_run(text, said, capsys):
  blocks = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
  assert blocks
  for block in blocks:
    exec(block, {})
  assert re.search(said, capsys.readouterr().out)


@pytest.mark.parametrize(
    'command', re.findall(r'`python -m runners\.table1 ([^`]*)`', _README))
def test_flags_of_each_command_are_known(command):
  own = flags.FLAGS.flags_by_module_dict()[run_flags.__name__]
  known = {flag.name: flag for flag in own}
  for argument in shlex.split(command):
    name, given, value = argument.removeprefix('--').partition('=')
    if name == 'help':
      continue
    assert name in known, argument
    if not given:
      assert known[name].boolean
    elif value != 'DIR' and not value.endswith('.npz'):
      known[name].parser.parse(value)


def test_tests_that_the_documents_name_exist():
  """`file_test.test_name`, or `test_name...` after it, in reliability.md."""
  text = (_ROOT / 'docs' / 'reliability.md').read_text()
  found = {p.stem: p.read_text() for p in (_ROOT / 'tests').rglob('*_test.py')}
  names = re.findall(r'`(\w+_test)(?:\.(test_\w+))?(\.\.\.)?`', text)
  assert len(names) > 15
  for file, test, more in names:
    assert file in found, file
    assert not test or f'def {test}{"" if more else "("}' in found[file], test
