"""Runners of tables and figures, as a user runs them."""

import pathlib
import subprocess
import sys

import pandas as pd
import pytest

from tests import testing
from vtab_h2t import published
from vtab_h2t.backbones import retapping
from vtab_h2t.report import catalogue

_ROOT = pathlib.Path(__file__).parents[2]
# A single task of 12 training images; the networks are untrained.
_SETTING = ['--suite=vtab', '--data_source=archive', '--tasks=mine',
            '--weights=random', '--image_size=32', '--seeds=0', '--grid=fixed',
            '--hparams=lr=0.1,steps=5,target_size=256,fraction=0.1,l21=1e-5,'
            'ft_lr=0.01,ft_steps=2', '--control=efficientnet_lite2:random']


def test_each_output_has_a_runner():
  runners = {p.stem for p in (_ROOT / 'runners').glob('*.py')}
  assert set(catalogue.OUTPUTS) <= runners
  for name in catalogue.OUTPUTS:
    text = (_ROOT / 'runners' / f'{name}.py').read_text()
    assert f"experiment.run(['{name}'])" in text
    assert f'python -m runners.{name} ' in text.replace('\n', ' ')
    assert ('--source=published' in text) == bool(
        catalogue.OUTPUTS[name].published)


def test_published_source_makes_all_that_it_can(tmp_path):
  done = testing.run_runner('reproduce', '--source=published',
                            f'--workdir={tmp_path}')
  assert done.returncode == 0, done.stderr
  for output in catalogue.OUTPUTS.values():
    folder = tmp_path / output.kind / 'published'
    found = {p.suffix for p in folder.glob(f'{output.name}[._]*')}
    wanted = {'.csv', '.png', '.pdf'} if output.draw else {'.csv', '.md'}
    assert found == (wanted if output.published else set()), output.name
  assert not (tmp_path / 'rows').exists()
  text = (tmp_path / 'tables' / 'published' / 'table1.md').read_text()
  # ResNet-50's Head2Toe mean, and its affinity on Pets.
  assert '65.8' in text and text.count('| Head2Toe ') == 2
  table = pd.read_csv(tmp_path / 'tables' / 'published' / 'table6.csv')
  pd.testing.assert_frame_equal(
      table, published.table('table6_ablation_resnet50'))


@pytest.mark.slow
def test_reproduce_measures_everything_once(tmp_path):
  testing.write_archive(tmp_path / 'data' / 'mine')
  arguments = [*_SETTING, f'--data_dir={tmp_path}/data',
               f'--workdir={tmp_path}/w']
  done = testing.run_runner('reproduce', *arguments)
  assert done.returncode == 0, done.stderr
  made = {name: o for name, o in catalogue.OUTPUTS.items()
          if (o.measured or o.from_ledger) and o.vit is not True}
  assert {'table1', 'table6', 'figure4', 'figure7', 'figure13'} <= set(made)
  for name, output in made.items():
    files = sorted((tmp_path / 'w' / output.kind).glob(f'*/{name}[._]*'))
    assert {p.suffix for p in files} == (
        {'.csv', '.png', '.pdf'} if output.draw else {'.csv', '.md'}), name
    assert not (tmp_path / 'w' / output.kind / 'published').exists()
  rows = {p.name.partition('-')[0] for p in (tmp_path / 'w/rows').rglob('*')
          if p.is_file()}
  assert {'linear', 'scratch', 'one_tap', 'transfer'} <= rows
  # Head2Toe on each kind of taps, on the whole set and on three parts of it.
  assert len(list((tmp_path / 'w/rows').rglob('head2toe-*'))) == (
      1 + len(retapping.KINDS) + 3)
  again = testing.run_runner('figure4', *arguments)
  assert again.returncode == 0, again.stderr
  assert 'rows: ' in again.stdout
  seconds = [int(line.split()[-2]) for line in again.stderr.splitlines()]
  assert max(seconds) < 10  # Nothing is measured again.


@pytest.mark.parametrize('runner, arguments, message', [
    ('figure6', ['--source=published'], 'figure6: the paper\'s numbers do not'),
    ('table7', [], 'table7: not for this backbone'),
    ('figure15', [], 'figure15: not for this backbone'),
    ('reproduce', ['--only=figure1'], 'there is no figure1; choose from'),
    ('figure4', ['--control=x:imagenet'], 'unknown backbone \'x\''),
    ('figure8', ['--control=efficientnet_lite0:imagenet'],
     'is the run\'s own network; name another')])
def test_what_cannot_be_made_is_one_line(runner, arguments, message, tmp_path):
  done = testing.run_runner(runner, *arguments, f'--workdir={tmp_path}')
  assert done.returncode != 0 and 'Traceback' not in done.stderr
  assert message in ' '.join(done.stderr.split())


@pytest.mark.parametrize('runner', ['figure4', 'reproduce'])
def test_help_imports_nothing_heavy(runner):
  done = subprocess.run(
      [sys.executable, '-X', 'importtime', '-m', f'runners.{runner}', '--help'],
      cwd=_ROOT, capture_output=True, text=True)
  assert '--source' in done.stdout
  imported = {line.rpartition('|')[2].strip()
              for line in done.stderr.splitlines() if '|' in line}
  assert not imported & {'tensorflow', 'keras', 'pandas', 'sklearn',
                         'matplotlib', 'rich'}
