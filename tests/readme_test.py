"""What the README, the guide and the programs' help show works."""

import functools
import pathlib
import re
import shlex

import pytest

from runners import cli
from tests import testing
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import companions
from vtab_h2t.report import catalogue
from vtab_h2t.report import companion_claims
from vtab_h2t.tasks import shifted

_ROOT = pathlib.Path(__file__).parents[1]
_TEXTS = {
  path.name: path.read_text()
  for path in (
    _ROOT / 'README.md',
    *sorted((_ROOT / 'docs').glob('*.md')),
    *sorted((_ROOT / 'docs' / 'tutorial').glob('*.md')),
    *(_ROOT / 'runners' / f'{name}.py' for name in cli._NAMES),
  )
}
# The last two are the guide's own.
_METHODS = [*methods.METHODS, *methods.SETS, 'early', 'nearest_mean']
# What lists may have, by program and flag.
_LISTS = {
  ('table1', 'methods'): _METHODS,
  ('reproduce', 'methods'): _METHODS,
  ('reproduce', 'only'): catalogue.OUTPUTS,
  ('companions', 'only'): companions.NAMES,
}


@pytest.mark.parametrize(
  'document',
  [
    # Own images take a quarter of a minute.
    pytest.param(name, marks=pytest.mark.soak)
    if name == 'own_images.md'
    else name
    for name, text in _TEXTS.items()
    # What registers is run by shared_flags_test, tutorials by tutorial_test.
    if '```python' in text and name != 'extending.md' and '```sh' not in text
  ],
)
def test_python_examples_run_and_print(document, capsys):
  for block in re.findall(r'```python\n(.*?)```', _TEXTS[document], re.DOTALL):
    # Plugins are run by keras_hub_test and vit_reading_test.
    if 'register_backbone' not in block:
      exec(block, {})
  out = capsys.readouterr().out
  assert out.strip()
  if document == 'own_images.md':  # An accuracy.
    assert re.search(r'^(0\.9|1\.0)', out), out


def test_the_documents_show_python():
  for name in ('own_images.md', 'extending.md'):
    assert '```python' in _TEXTS[name], name


def _commands():
  """What the documents show: (document, program, arguments)."""
  shown = r'(?:python -m runners\.|vtab-h2t )(\w+)((?:[ \t]+[^`#\n]*)?)'
  found = {}
  for document, text in _TEXTS.items():
    text = re.sub(r'\\\n\s*', ' ', text)
    for name, arguments in re.findall(shown, text):
      found[document, name, arguments.strip()] = None
  return list(found)


@functools.cache
def _flags(program):
  """What --help says of each flag: (is boolean, default, choices)."""
  text = testing.run_runner(program, '--help').stdout
  found = {}
  for boolean, name, default, choices in re.findall(
    r'^  --(\[no\])?(\w+)(?:=(\S*))?  (?:<([^>]*)>)?', text, re.MULTILINE
  ):
    found[name] = bool(boolean), default, choices.split('|') if choices else ()
  return found


@pytest.mark.parametrize(
  'document, program, arguments',
  [pytest.param(*c, id=' '.join(c)) for c in _commands()],
)
def test_flags_of_each_command_are_known(document, program, arguments):
  del document
  assert program in cli._NAMES
  for argument in shlex.split(arguments):
    assert argument.startswith('--'), argument
    name, given, value = argument.removeprefix('--').partition('=')
    if name in ('help', 'flagfile'):
      continue
    known = _flags(program)
    if not given:
      name = name if name in known else name.removeprefix('no')
      assert known[name][0], argument
      continue
    boolean, default, choices = known[name]
    assert not boolean and value, argument
    if choices:
      assert value in choices, argument
    elif (program, name) in _LISTS:
      assert set(value.split(',')) <= set(_LISTS[program, name]), argument
    elif (program, name) == ('companions', 'tasks'):
      assert all(map(shifted.task, value.split(','))), argument
    elif re.fullmatch(r'[\d.]+', default):
      float(value)


def test_the_readme_is_short():
  lines = _TEXTS['README.md'].splitlines()
  assert len(lines) <= 150 and max(map(len, lines)) <= 120


def test_every_program_is_shown():
  shown = {
    program for document, program, _ in _commands() if document.endswith('.md')
  }
  assert shown >= set(cli._NAMES)


def test_tests_that_the_documents_name_exist():
  """`file_test.test_name`, or `test_name...` after it, in reliability.md."""
  claims = {claim.id for claim in companion_claims.CLAIMS}
  found = {p.stem: [] for p in (_ROOT / 'tests').rglob('*_test.py')}
  for path in (_ROOT / 'tests').rglob('*_test.py'):
    found[path.stem].append(path.read_text())
  names = [
    n
    for text in _TEXTS.values()
    for n in re.findall(r'`(\w+_test)(?:\.(test_\w+))?(\.\.\.)?`', text)
    if n[0] not in claims  # Of test images.
  ]
  assert len(names) > 15
  for file, test, more in names:
    assert file in found, file
    assert not test or any(
      f'def {test}{"" if more else "("}' in text for text in found[file]
    ), test
