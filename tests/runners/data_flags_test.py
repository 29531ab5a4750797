"""Each runner has the flags that it reads, in its --help."""

import pytest

from tests import testing


@pytest.mark.parametrize('runner, has, has_not', [
    ('table1', ['tasks', 'data_dir', 'data_source', '[no]download'], []),
    ('prepare', ['tasks', 'data_dir', '[no]download', 'out'], ['data_source']),
    ('doctor', ['tasks', 'data_dir', 'data_source'], ['[no]download'])])
def test_help(runner, has, has_not):
  text = testing.run_runner(runner, '--help').stdout
  for name in has:
    assert f'--{name}:' in text
  for name in has_not:
    assert f'--{name}:' not in text
