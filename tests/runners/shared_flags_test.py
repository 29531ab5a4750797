"""Flags of several runners: data, and backbones and tasks of one's own."""

import json
import pathlib
import re

import pandas as pd
import pytest

from tests import testing

_DOCS = (pathlib.Path(__file__).parents[2] / 'docs/extending.md').read_text()


@pytest.mark.parametrize(
  'runner, has, has_not',
  [
    (
      'table1',
      [
        'tasks=',
        'data_dir=',
        'data_source=tfds',
        '[no]download',
        'plugins=',
        'backbone=efficientnet_lite0',
      ],
      ['only=', 'out='],
    ),
    ('reproduce', ['only=', 'tasks='], ['out=']),
    ('affinity', ['control=', 'source=measured'], ['only=']),
    ('report', ['workdir=workdir', 'source=', 'out='], ['tasks=', 'grid=']),
    ('adapt', ['plugins=', 'backbone='], ['data_dir=']),
    ('predict', ['plugins='], ['backbone=']),
    (
      'prepare',
      ['tasks=', 'data_dir=', '[no]download', 'out='],
      ['data_source='],
    ),
    ('doctor', ['tasks=', 'data_dir=', 'data_source='], ['[no]download']),
  ],
)
def test_each_runner_has_the_flags_that_it_reads(runner, has, has_not):
  text = testing.run_runner(runner, '--help').stdout
  for name in has:
    assert f'\n  --{name}' in text
  for name in has_not:
    assert f'\n  --{name}' not in text


@pytest.fixture(scope='module')
def plugin(tmp_path_factory):
  """The documented example as a file."""
  path = tmp_path_factory.mktemp('plugin') / 'mine.py'
  path.write_text(re.search(r'```python\n(.*?)```', _DOCS, re.DOTALL)[1])
  return path


def test_the_documented_example_runs(plugin, tmp_path):
  (command,) = re.findall(r'^    python -m runners\.(.*)$', _DOCS, re.MULTILINE)
  runner, *arguments = command.replace('mine.py', str(plugin)).split()
  done = testing.run_runner(
    runner,
    *arguments,
    f'--workdir={tmp_path}',
    '--grid=fixed',
    '--hparams=lr=0.01,steps=200,target_size=256,fraction=0.2,l21=1e-5,'
    'ft_lr=0.01,ft_steps=2,epochs=1,block=whole',
    '--methods=linear,head2toe,finetune,surgical',
  )
  assert done.returncode == 0, done.stderr
  table = pd.read_csv(next(tmp_path.glob('own-small-32px-*/table1.csv')))
  accuracy = table.set_index('method').accuracy_percent
  assert set(accuracy.index) == {'linear', 'head2toe', 'finetune', 'surgical'}
  assert accuracy.head2toe > accuracy.linear and accuracy.head2toe > 60
  rows = list(tmp_path.glob('*/rows/digits8/*.jsonl'))
  assert len(rows) == 4
  run = json.loads(next(tmp_path.glob('*/run.json')).read_text())
  options = run['run']['space']['options']
  assert options['scaling']['target_sizes'] == [64, 256, 1024]
  relevance = options['relevance']
  assert relevance['target_size'] == relevance['kept'] == 16


def test_models_of_ones_own_backbone(plugin, tmp_path):
  folder = testing.write_photographs(tmp_path / 'photos')
  plugins = f'--plugins={plugin}'
  done = testing.run_runner(
    'adapt',
    plugins,
    '--backbone=small',
    '--weights=untrained',
    '--image_size=32',
    f'--train_dir={folder}',
    f'--out={tmp_path}/model',
    '--val_fraction=0.3',
  )
  assert done.returncode == 0, done.stderr
  arguments = [f'--model={tmp_path}/model', f'--images={folder}']
  done = testing.run_runner('predict', plugins, *arguments)
  assert done.returncode == 0, done.stderr
  assert len(done.stdout.splitlines()) > 10
  done = testing.run_runner(
    'export', plugins, arguments[0], f'--out={tmp_path}/exported'
  )
  assert done.returncode == 0, done.stderr
  done = testing.run_runner('predict', *arguments)
  assert done.returncode == 1 and "unknown backbone 'small'" in done.stderr


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--plugins=none.py'], 'none.py: there is no such file'),
    (['--plugins=no_such_module'], "No module named 'no_such_module'"),
    (['--suite=own'], 'the suite own has no tasks; --plugins'),
    (['--backbone=small'], "unknown backbone 'small'; choose from"),
  ],
)
def test_what_is_not_there_is_one_line(arguments, message, tmp_path):
  done = testing.run_runner('table1', *arguments, f'--workdir={tmp_path}')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert message in ' '.join(done.stderr.split())


def test_a_name_that_is_taken_is_one_line(tmp_path):
  path = tmp_path / 'taken.py'
  path.write_text(
    'import vtab_h2t\nvtab_h2t.register_backbone("vit_b16", None, [])\n'
  )
  done = testing.run_runner('table1', f'--plugins={path}')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'there is a backbone vit_b16 already' in done.stderr
