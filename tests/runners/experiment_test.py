"""Tables and figures, as a user makes them."""

import json

import pandas as pd
import pytest

from tests import synthetic_tfds
from tests import testing
from tests.runners import tiny
from vtab_h2t import published
from vtab_h2t.backbones import retapping
from vtab_h2t.methods import registry as methods
from vtab_h2t.report import catalogue
from vtab_h2t.report import jobs

_SEEDS = '--seeds=0,1'


@pytest.mark.soak
def test_published_source_makes_all_that_it_can(tmp_path):
  done = testing.run_runner(
    'reproduce', '--source=published', f'--workdir={tmp_path}'
  )
  assert done.returncode == 0, done.stderr
  for output in catalogue.OUTPUTS.values():
    folder = output.folder(tmp_path / 'published')
    found = {p.suffix for p in folder.glob(f'{output.name}[._]*')}
    wanted = {'.csv', '.png', '.pdf'} if output.draw else {'.csv', '.md'}
    assert found == (wanted if output.published else set()), output.name
  assert [p.name for p in tmp_path.iterdir()] == ['published']
  assert not list(tmp_path.rglob('rows'))
  readme = (tmp_path / 'published' / 'README.md').read_text()
  assert '](figures/figure11.png)' in readme and '](table7.md)' in readme
  text = (tmp_path / 'published' / 'table1.md').read_text()
  # ResNet-50's Head2Toe mean, and its affinity on Pets.
  assert '65.8' in text and text.count('| Head2Toe ') == 2
  table = pd.read_csv(tmp_path / 'published' / 'table6.csv')
  pd.testing.assert_frame_equal(
    table, published.table('table6_ablation_resnet50')
  )
  # The page of that directory shows them, though it has no rows.
  page = tmp_path / 'page.html'
  done = testing.run_runner('report', f'--workdir={tmp_path}', f'--out={page}')
  assert done.returncode == 0, done.stderr
  assert 'as published' in page.read_text() and '65.8' in page.read_text()


@pytest.fixture(scope='module')
def everything(tmp_path_factory):
  """All that can be measured, by the released evaluator's accuracy.

  Its work directory, and what is made from it in the run's folder.
  """
  workdir = tmp_path_factory.mktemp('everything')
  tiny.run('reproduce', workdir, _SEEDS, '--protocol=official')
  (folder,) = tiny.folders(workdir)
  return workdir, folder


def _place(output, folder):
  """Of what depends on a second network, in the folder derived with it."""
  for job in output.jobs:
    if jobs.JOBS[job].has_second:
      (folder,) = folder.parent.glob(f'{folder.name}.{job}.*')
      break
  return output.folder(folder)


@pytest.mark.soak
def test_reproduce_makes_every_output_of_the_backbone(everything):
  workdir, folder = everything
  made = {
    name: o
    for name, o in catalogue.OUTPUTS.items()
    # What later methods give is made where it is named.
    if o.measured and o.vit is not True and not o.one_of
  }
  wanted = {'table1', 'table6', 'taylor', 'claims', 'figure4', 'figure13'}
  assert wanted <= set(made)
  for name, output in made.items():
    files = sorted(_place(output, folder).glob(f'{name}[._]*'))
    assert {p.suffix for p in files} == (
      {'.csv', '.png', '.pdf'} if output.draw else {'.csv', '.md'}
    ), name
  assert not (workdir / 'published').exists()
  assert not list(folder.glob('successors*'))


@pytest.mark.soak
def test_later_methods_are_measured_where_their_output_is_named(tmp_path):
  searched = '--grid=quick', '--hparams='
  tiny.run('reproduce', tmp_path, '--only=successors', '--seeds=0', *searched)
  (folder,) = tiny.folders(tmp_path)
  table = pd.read_csv(folder / 'successors.csv')
  assert set(methods.SUCCESSORS) - {'vqt'} <= set(table.method)
  assert 'head2toe' in set(table.method)
  assert (table.choose_cpu_seconds > 0).all()


_PARTS = jobs.count([jobs.REDUCED])  # Of the training set.


@pytest.mark.soak
def test_reproduce_measures_everything_once(everything):
  workdir, folder = everything
  names = {
    p.name.partition('-')[0].removesuffix('.jsonl')
    for p in testing.rows_files(workdir)
  }
  assert {'linear', 'scratch', 'one_tap', 'transfer'} <= names
  # Head2Toe on each kind of taps, under each normalization, on the whole set
  # and on parts of it.
  assert (
    len(
      [
        p
        for p in testing.rows_files(workdir)
        if p.name == 'head2toe.jsonl' and 'one' in p.parts
      ]
    )
    == 1 + len(retapping.KINDS) + len(jobs.NORMALIZATIONS) + _PARTS
  )
  # Each row is in the folder of its run, and derived runs name their parent.
  rows = testing.read_rows(workdir)
  (parent,) = {r['run'] for r in rows if r['job'] == 'accuracy'}
  assert {r['job'] for r in rows} == {
    'accuracy',
    'one_tap',
    'granularity',
    'relevance',
    'coefficient',
    'offset',
    'scores',
    'scaling',
    'transfer',
    'control',
    'second',
    'reduced',
    *jobs.NORMALIZATIONS.values(),
    *retapping.KINDS,
  }
  derived = [
    p
    for p in workdir.glob('*/run.json')
    if f'"parent": "{parent}"' in p.read_text()
  ]
  assert len(derived) == (
    2 + _PARTS + len(jobs.NORMALIZATIONS) + len(retapping.KINDS)
  )
  assert all(p.parent.name.startswith(f'{folder.name}.') for p in derived)
  times = lambda: {
    p: p.stat().st_mtime_ns
    for p in workdir.rglob('*')
    if p.suffix == '.jsonl'
    or p.parent.name == 'provenance'
    or 'features' in p.parts
  }
  before = times()
  assert len(before) > 60
  tiny.run(
    'reproduce',
    workdir,
    _SEEDS,
    '--protocol=official',
    '--only=table6,figure4,figure7,figure8,figure13,scores',
  )
  assert times() == before


@pytest.mark.soak
def test_official_accuracy_is_everywhere(everything):
  """Of 30 test images: correct / 50 in place of correct / 30."""
  workdir, folder = everything
  rows = testing.read_rows(workdir)
  assert {r['protocol'] for r in rows} == {'official'}
  table = pd.read_csv(folder / 'table1.csv').set_index(['method', 'task'])
  for method in ('linear', 'head2toe'):
    correct = sorted(
      r['correct']
      for r in rows
      if r['split'] == 'test'
      and (r['method'], r['task'], r['job']) == (method, 'one', 'accuracy')
    )
    assert table.accuracy_percent[method, 'one'] == pytest.approx(
      sum(correct) / 2 / 50 * 100
    )
  figures = folder / 'figures'
  # Figure 4 subtracts an official Linear, the study's own, from official taps.
  four = _place(catalogue.OUTPUTS['figure4'], folder)
  averages = pd.read_csv(four / 'figure4_averages.csv').set_index('method')
  best = pd.read_csv(four / 'figure4_gains.csv').set_index('task')
  linear = {
    task: sum(
      r['correct']
      for r in rows
      if (r['job'], r['task'], r['split'], r.get('tap'))
      == ('one_tap', task, 'test', 'none')
    )
    / 2
    / 50
    * 100
    for task in best.index
  }
  assert best.linear.to_dict() == pytest.approx(linear)
  assert averages.average['linear'] == pytest.approx(best.linear.mean())
  assert best.oracle_gain.to_numpy() == pytest.approx(
    (best.oracle - best.linear).to_numpy()
  )
  # Figure 13 with all images is Table 1, and no study exceeds 30 of 50.
  whole = pd.read_csv(figures / 'figure13_tasks.csv')
  whole = whole[whole.train_fraction == 1].set_index(['method', 'task']).percent
  assert whole.to_dict() == pytest.approx(
    table.accuracy_percent.loc[whole.index].to_dict()
  )
  found = [
    pd.read_csv(p) for p in (*figures.glob('*.csv'), *four.glob('*.csv'))
  ]
  percents = [
    t[c].max()
    for t in found
    for c in t.columns
    if c in ('percent', 'accuracy_percent', 'oracle', 'average')
  ]
  assert len(percents) > 5 and max(percents) <= 60


@pytest.mark.soak
def test_a_page_of_everything(everything, tmp_path):
  workdir, folder = everything
  out = tmp_path / 'page.html'
  done = testing.run_runner('report', f'--workdir={workdir}', f'--out={out}')
  assert done.returncode == 0, done.stderr
  text = out.read_text()
  for part in ('official accuracy', 'Table 6', 'Figure 13', folder.name):
    assert part in text, part


@pytest.mark.parametrize(
  'runner, arguments, message',
  [
    (
      'reproduce',
      ['--only=figure6', '--source=published'],
      "figure6: the paper's numbers do not",
    ),
    ('reproduce', ['--only=table7'], 'table7: not for this backbone'),
    ('reproduce', ['--only=figure15'], 'figure15: not for this backbone'),
    (
      'reproduce',
      [*tiny.FLAGS, '--backbone=tiny2', '--only=table6'],
      'table6: not for this backbone',
    ),
    ('reproduce', ['--only=figure1'], 'there is no figure1; choose from'),
    ('affinity', ['--control=x:imagenet'], "unknown backbone 'x'"),
    (
      'affinity',
      ['--control=efficientnet_lite0:imagenet'],
      "is the run's own network; name another",
    ),
  ],
)
def test_what_cannot_be_made_is_one_line(runner, arguments, message, tmp_path):
  done = testing.run_runner(runner, *arguments, f'--workdir={tmp_path}')
  assert done.returncode != 0 and 'Traceback' not in done.stderr
  assert message in ' '.join(done.stderr.split())


_SIGNATURE = (*tiny.FLAGS, '--weights=signature', '--tasks=one', '--seeds=0')


@pytest.mark.parametrize(
  'runner, argument, message',
  [
    ('reproduce', '--only=table6', 'error: table6: the taps of tiny cannot be'),
    ('table1', '--taps=pre_activation', 'error: the taps of tiny cannot be'),
    ('table1', '--methods=linear,finetune', 'error: the weights of tiny are a'),
    ('affinity', '--grid=fixed', 'error: figure2: the weights of tiny are a'),
  ],
)
def test_what_a_signature_does_not_allow_is_refused_at_once(
  runner, argument, message, tmp_path
):
  done = testing.run_runner(
    runner, *_SIGNATURE, argument, f'--workdir={tmp_path}'
  )
  assert done.returncode == 1 and done.stderr.startswith(message)
  assert len(done.stderr.splitlines()) == 1
  assert not list(tmp_path.rglob('*'))  # Nothing was measured.


@pytest.mark.soak
def test_what_a_signature_allows_is_made(tmp_path):
  done = testing.run_runner('reproduce', *_SIGNATURE, f'--workdir={tmp_path}')
  assert done.returncode == 0, done.stderr
  (folder,) = tiny.folders(tmp_path)
  made = {p.stem for p in folder.rglob('*.md')} | {
    p.stem for p in folder.rglob('*.png')
  }
  able = {'table1', 'figure9', 'figure10', 'figure13', 'normalization'}
  assert able <= made
  assert not {'table6', 'figure2', 'figure4', 'figure8'} & made
  assert {r['method'] for r in testing.read_rows(tmp_path)}.isdisjoint(
    {'scratch', 'finetune'}
  )


def test_a_failed_task_is_named_and_the_others_are_made(tmp_path):
  testing.write_archive(tmp_path / 'data' / 'mine')
  broken = testing.write_archive(tmp_path / 'data' / 'broken')
  (broken / 'images/train/3.png').write_bytes(b'no image')
  done = testing.run_runner(
    'table1',
    *tiny.FLAGS,
    '--suite=vtab',
    '--data_source=archive',
    f'--data_dir={tmp_path}/data',
    '--tasks=mine,broken',
    '--seeds=0',
    '--methods=linear',
    f'--workdir={tmp_path}/w',
  )
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert done.stderr.splitlines()[-1].startswith('error: broken: image ')
  assert 'broken: failed' in done.stderr
  (folder,) = tiny.folders(tmp_path / 'w')
  assert pd.read_csv(folder / 'table1.csv').task.tolist() == ['mine']


@pytest.mark.soak
def test_a_failed_download_is_told_before_anything_is_measured(tmp_path):
  synthetic_tfds.prepare('dtd', tmp_path / 'data')
  done = testing.run_runner(
    'table1',
    *tiny.FLAGS,
    '--suite=vtab',
    f'--data_dir={tmp_path}/data',
    '--download',
    '--tasks=dtd,resisc45',
    '--seeds=0',
    '--methods=linear',
    f'--workdir={tmp_path}/w',
  )
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  first, second, *_ = done.stdout.splitlines()
  assert first == f'dtd       was there  {tmp_path}/data/dtd/3.0.1'
  assert second.startswith('resisc45  failed     resisc45 needs ')
  assert done.stderr.splitlines()[-1].startswith('error: resisc45: resisc45 is')
  (folder,) = tiny.folders(tmp_path / 'w')
  assert pd.read_csv(folder / 'table1.csv').task.tolist() == ['dtd']
  manifest = json.loads((folder / 'manifests' / 'dtd.json').read_text())
  assert manifest['encodings'] == {
    'train': {'PNG': 1200},
    'test': {'PNG': synthetic_tfds.TEST},
  }


@pytest.mark.soak
def test_shards_measure_what_one_process_does(tmp_path):
  arguments = [_SEEDS, '--methods=linear']
  tiny.run('table1', tmp_path / 'one', *arguments)
  for index in (1, 0):
    done = tiny.run(
      'table1',
      tmp_path / 'two',
      *arguments,
      '--num_shards=2',
      f'--shard_index={index}',
    )
    assert 'this shard is done' in done.stdout
    assert 'Linear' not in done.stdout
  assert testing.rows_files(tmp_path / 'two') == testing.rows_files(
    tmp_path / 'one'
  )
  tiny.run('table1', tmp_path / 'two', *arguments)
  assert testing.results(tmp_path / 'two') == testing.results(tmp_path / 'one')


def test_the_cost_model_needs_no_measurement(tmp_path):
  """Table 3 in an empty work directory."""
  done = tiny.run('reproduce', tmp_path, '--only=table3')
  assert 'table3: ' in done.stdout
  (folder,) = tiny.folders(tmp_path)
  assert (folder / 'table3.md').exists() and not (folder / 'rows').exists()
