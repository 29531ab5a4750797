"""What the tutorial's pages show happens, in the order of the pages."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PAGES = sorted((_ROOT / 'docs' / 'tutorial').glob('*.md'))
_BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r'\d+(?:,\d{3})*(?:\.\d+)?')


def _run(words, folder):
  """Runs Python in a page's folder; returns what it printed."""
  done = subprocess.run(
    [sys.executable, *words],
    cwd=folder,
    env=os.environ | {'PYTHONPATH': str(_ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout


def _numbers(line):
  return [float(n.replace(',', '')) for n in _NUMBER.findall(line)]


def _is_like(line, shown):
  """The same words, and numbers that another processor may give."""
  words, same = (
    ' '.join(_NUMBER.sub('#', text).split()) for text in (line, shown)
  )
  return words == same and all(
    abs(number - wanted) <= max(6, wanted / 10)
    for number, wanted in zip(_numbers(line), _numbers(shown))
  )


def _check(printed, shown):
  """All that is shown was printed, in order; `...` stands for any lines."""
  lines = iter([line for line in printed.splitlines() if line.strip()])
  skips = False
  for wanted in filter(str.strip, shown.splitlines()):
    if wanted == '...':
      skips = True
      continue
    found = next(lines, '')
    while skips and found and not _is_like(found, wanted):
      found = next(lines, '')
    assert _is_like(found, wanted), f'{wanted!r} is not in {printed}'
    skips = False


@pytest.mark.soak
@pytest.mark.parametrize('page', _PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_happens(page, tmp_path):
  printed = ''
  checked = 0
  for language, text in _BLOCK.findall(page.read_text('utf-8')):
    if language == 'text':
      _check(printed, text)
      checked += 1
    elif language == 'sh':
      _, *words = shlex.split(text.replace('\\\n', ''))
      printed = _run(words, tmp_path)
    elif named := re.match(r'# (\w+\.py)\n', text):
      (tmp_path / named[1]).write_text(text)
    else:
      printed = _run(['-c', text], tmp_path)
  assert checked >= 2


def test_pages_have_commands_programs_and_outputs():
  assert len(_PAGES) == 4
  for page in _PAGES:
    blocks = _BLOCK.findall(page.read_text('utf-8'))
    assert {language for language, _ in blocks} == {'sh', 'python', 'text'}
    for language, text in blocks:
      assert language != 'sh' or re.fullmatch(r'python (.*\\\n)*.*\n', text)
      if language == 'python':
        compile(text, page.name, 'exec')


def test_numbers_may_differ_a_little_and_words_may_not():
  shown = 'a table:\n...\n Linear   85.2  20.9\n'
  _check('a table:\n\nmore\n Linear 84.0 22.1\n', shown)
  for printed in (
    'a table:\n Linear 50.0 22.1\n',
    'a table:\n Head2Toe 85.2 20.9\n',
    'more\na table:\n Linear 85.2 20.9\n',
    'a table:\n',
  ):
    with pytest.raises(AssertionError):
      _check(printed, shown)
