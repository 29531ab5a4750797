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
  return testing.write_example('mine.py', tmp_path_factory.mktemp('plugin'))


@pytest.mark.soak
def test_the_documented_example_runs(plugin, tmp_path):
  command, _ = re.findall(r'^    python -m runners\.(.*)$', _DOCS, re.MULTILINE)
  assert '--weights' not in command  # The first that it has are the default.
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


@pytest.mark.soak
def test_the_documented_method_runs(plugin, tmp_path):
  _, command = re.findall(r'^    python -m runners\.(.*)$', _DOCS, re.MULTILINE)
  path = testing.write_example('early.py', tmp_path)
  runner, *arguments = command.replace('early.py', str(path)).split()
  arguments = [
    *(a for a in arguments if a != '--tasks=digits'),
    '--suite=own',
    '--backbone=small',
    '--image_size=32',
    '--seeds=0',
    f'--workdir={tmp_path}',
  ]
  arguments[0] += f',{plugin}'
  done = testing.run_runner(runner, *arguments)
  assert done.returncode == 0, done.stderr
  (folder,) = tmp_path.glob('own-small-32px-untrained-*')
  table = pd.read_csv(folder / 'table1.csv')
  assert table.method.tolist() == ['linear', 'early']
  assert 'early' in (folder / 'table1.md').read_text()
  run = json.loads((folder / 'run.json').read_text())
  assert run['run']['space']['options']['early'] == {
    'steps': [50, 500],
    'learning_rate': 0.1,
  }
  assert folder.name.endswith(run['id'][:8])
  rows = [
    json.loads(line)
    for line in (folder / 'rows/digits8/early.jsonl').read_text().splitlines()
  ]
  assert {r['steps'] for r in rows[1:] if r['split'] == 'val'} == {50, 500}
  assert {r['run'] for r in rows} == {run['id']}
  # The page shows them without the plugin.
  done = testing.run_runner(
    'report', f'--workdir={tmp_path}', f'--out={tmp_path}/page.html'
  )
  assert done.returncode == 0, done.stderr
  assert re.search(r'>\s*early\s*<', (tmp_path / 'page.html').read_text())
  # With other options it is another run; what there is stays.
  path.write_text(path.read_text().replace('(50, 500)', '(50,)'))
  done = testing.run_runner(runner, *arguments, '--methods=early')
  assert done.returncode == 0, done.stderr
  folders = set(tmp_path.glob('own-small-32px-untrained-*'))
  assert len(folders) == 2 and folder in folders
  assert pd.read_csv(folder / 'table1.csv').equals(table)


@pytest.mark.soak
def test_models_of_ones_own_backbone(plugin, tmp_path):
  folder = testing.write_photographs(tmp_path / 'photos')
  plugins = f'--plugins={plugin}'
  done = testing.run_runner(
    'adapt',
    plugins,
    '--backbone=small',
    '--image_size=32',
    f'--train_dir={folder}',
    f'--out={tmp_path}/model',
    '--val_fraction=0.3',
  )
  assert done.returncode == 0, done.stderr
  arguments = [f'--model={tmp_path}/model', f'--images={folder}']
  done = testing.run_runner('predict', plugins, *arguments)
  assert done.returncode == 0, done.stderr
  assert done.stderr.startswith('computes on CPU ')
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
    (['--backbone=small'], "error: unknown backbone 'small'; choose from"),
  ],
)
def test_what_is_not_there_is_one_line(arguments, message, tmp_path):
  done = testing.run_runner('table1', *arguments, f'--workdir={tmp_path}')
  assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
  assert done.stderr.startswith('error: ') and message in done.stderr


@pytest.mark.parametrize(
  'text, arguments, message',
  [
    (
      'vtab_h2t.register_backbone("vit_b16", None, [])',
      [],
      'taken.py, line 2: there is a backbone vit_b16 already\n',
    ),
    ('vtab_h2t.register_bakbone()', [], "has no 'register_bakbone'\n"),
    ('1 / 0', [], 'taken.py, line 2: ZeroDivisionError: division by zero\n'),
    (
      'vtab_h2t.register_method(vtab_h2t.Task)',
      [],
      'line 2: register_method takes an object of a class that derives from ',
    ),
    (
      'vtab_h2t.register_backbone("mine", print, ["one", "two"])',
      ['--backbone=mine', '--weights=three'],
      "error: mine: there are no weights 'three' for this backbone; choose "
      'from one, two\n',
    ),
    (
      'vtab_h2t.register_backbone("mine", print, ["one", "two"])',
      ['--backbone=mine'],
      'error: backbone mine: its function gave a NoneType, not a ',
    ),
  ],
)
def test_what_is_wrong_with_a_plugin_is_one_line(
  text, arguments, message, tmp_path
):
  path = tmp_path / 'taken.py'
  path.write_text(f'import vtab_h2t\n{text}\n')
  done = testing.run_runner(
    'table1', f'--plugins={path}', *arguments, f'--workdir={tmp_path}/w'
  )
  assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
  assert done.stderr.startswith('error: ') and message in done.stderr
