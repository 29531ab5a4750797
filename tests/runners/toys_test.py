"""The command, as a user runs it."""

import pytest

from tests import testing


@pytest.mark.soak
def test_tables_and_figures(tmp_path):
  done = testing.run_runner('toys', f'--workdir={tmp_path}')
  assert done.returncode == 0, done.stderr
  assert 'predicted' in done.stdout and 'HP 2, adaptation' in done.stdout
  names = {p.name for p in (tmp_path / 'toys').iterdir()}
  assert names == {
    f'{n}.{e}'
    for n in ('lp_ft', 'shifts', 'probing')
    for e in ('csv', 'png', 'pdf')
  } | {'predictions.csv', 'README.md'}
  assert (tmp_path / 'toys/probing.pdf').read_bytes().startswith(b'%PDF')
