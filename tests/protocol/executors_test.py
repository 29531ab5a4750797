"""Work units elsewhere: the same rows, whatever happens to the workers."""

import json
import os
import pathlib
import pickle
import subprocess
import sys
import time

import pytest

from tests import testing
from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import executors
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.protocol import unit as unit_lib
from vtab_h2t.tasks import registry as tasks

_ROOT = pathlib.Path(__file__).parents[2]
_TASKS = 'digits,mnist_5k,photo_patches,sprites_loc,sprites_ori'
_SETTING = [
  f'--tasks={_TASKS}',
  '--weights=random',
  '--image_size=32',
  '--grid=fixed',
  '--seeds=0,1',
  '--methods=linear,head2toe',
  '--hparams=lr=0.1,steps=5,target_size=256,fraction=0.1,l21=1e-5',
]


class _Told:
  """Keeps what an executor told."""

  def __init__(self):
    self.started, self.stages, self.finished = [], [], []

  def start(self, name):
    self.started.append(name)

  def stage(self, stage, done, total):
    self.stages.append(stage)

  def finish(self, message, count=1):
    self.finished.append((message, count))


@pytest.fixture(scope='module')
def registered():
  """A tiny backbone and two tasks of one's own, until the tests are done."""
  backbone = testing.tiny_backbone()
  kept = dict(backbones.BACKBONES), dict(tasks._registered)
  backbones.register('tiny', lambda weights, size: backbone, ['noise'], 'x')
  for seed, name in enumerate(('one', 'two')):
    tasks.register(testing.tiny_task(name, seed=seed))
  run_lib._load.cache_clear()
  yield backbone
  for registry, before in zip((backbones.BACKBONES, tasks._registered), kept):
    registry.clear()
    registry.update(before)
  run_lib._load.cache_clear()


def _unit(backbone, names, **changes):
  run = testing.tiny_run(backbone, suite='own', **changes)
  return unit_lib.Unit(run=run, tasks=names, methods=('linear',), seeds=(0,))


def test_local_runs_units_one_after_the_other(registered, tmp_path):
  ledger, told = ledger_lib.Ledger(tmp_path), _Told()
  units = [
    _unit(registered, ('one',)),
    _unit(registered, ('two',)),
    _unit(registered, ('one', 'two'), seed=1),
  ]
  results = executors.local(units, executors.Places(), ledger, told)
  assert next(results) == (units[0], None)
  # The second is not begun before the first's result is taken.
  assert told.started == ['one'] and len(testing.rows_files(tmp_path)) == 1
  assert list(results) == [(units[1], None), (units[2], None)]
  assert told.started == ['one', 'two', 'one, two']
  assert [(m.rpartition(':')[0], n) for m, n in told.finished] == [
    ('one', 1),
    ('two', 1),
    ('one, two', 2),
  ]
  assert {'load', 'load images', 'embed test images'} <= set(told.stages)
  assert len(testing.rows_files(tmp_path)) == 4


def test_runs_whose_input_differs_are_not_confused(registered, tmp_path):
  ledger, told = ledger_lib.Ledger(tmp_path), _Told()
  as_vtab = run_lib.network('tiny', 'noise', 16, input_scaling='vtab')
  units = [
    _unit(registered, ('one',)),
    _unit(registered, ('one',), network=as_vtab),
  ]
  for _ in range(2):  # The second time there is nothing to measure.
    found = list(executors.local(units, executors.Places(), ledger, told))
    assert found == [(unit, None) for unit in units]
  assert told.stages.count('choose and train linear') == 2
  assert len(list(ledger.features.iterdir())) == 2
  folders = {f.run.id: f for f in ledger.folders()}
  assert set(folders) == {u.run.id for u in units} and len(folders) == 2
  assert folders[units[1].run.id].run.network.scale == 1 / 255
  assert folders[units[1].run.id].run.network.input_scaling == 'vtab'
  assert '-vtab_input-' in units[1].run.name


def test_a_unit_that_fails_does_not_stop_the_others(registered, tmp_path):
  told = _Told()
  bad = _unit(
    registered,
    ('one',),
    network=run_lib.Network(
      backbone='tiny',
      weights='noise',
      sha256='0' * 64,
      scale=1 / 128,
      offset=-1.0,
    ),
  )
  good, missing = _unit(registered, ('two',)), _unit(registered, ('three',))
  found = list(
    executors.local(
      [bad, missing, good],
      executors.Places(),
      ledger_lib.Ledger(tmp_path),
      told,
    )
  )
  assert [unit for unit, _ in found] == [bad, missing, good]
  assert 'weights noise of tiny are not those of the run' in str(found[0][1])
  assert isinstance(found[1][1], errors.InputError)
  assert found[2][1] is None and len(testing.rows_files(tmp_path)) == 1
  assert told.finished[0] == ('one: failed', 1)


def test_places_say_where_weights_are(registered, tmp_path):
  """A run names them; each machine has them where it has them."""
  asked = []
  backbones.register(
    'filed',
    lambda weights, size: (asked.append(weights), registered)[1],
    [],
    'x',
  )
  path = tmp_path / 'w.npz'
  path.write_text('')
  unit = _unit(
    registered,
    ('one',),
    network=run_lib.Network(
      backbone='filed',
      weights='w.npz',
      sha256=registered.weights_sha256,
      scale=1 / 128,
      offset=-1.0,
    ),
  )
  run = lambda places: next(
    executors.local([unit], places, ledger_lib.Ledger(tmp_path / 'w'), _Told())
  )[1]
  assert "there are no weights 'w.npz'" in str(run(executors.Places()))
  assert run(executors.Places(weights={'w.npz': str(path)})) is None
  assert asked == [str(path)]
  data = b''.join(testing.results(tmp_path / 'w').values())
  assert b'w.npz' in data and str(tmp_path).encode() not in data


def test_places_say_where_data_are(tmp_path):
  testing.write_archive(tmp_path / 'mine')
  run = testing.tiny_run(suite='vtab', data_source='archive')
  places = executors.Places(data_dir=str(tmp_path))
  (task,) = places.tasks(run, ['mine'])
  assert task.name == 'mine' and len(task.test.ids) == 5
  elsewhere = executors.Places(data_dir=str(tmp_path / 'x'))
  with pytest.raises(errors.InputError):
    elsewhere.tasks(run, ['mine'])


_COMMAND = ['runners/table1.py', '--tasks=one', '--data_dir=/data/x']


def _elsewhere(unit, places, present):
  """What a worker does that is sent a unit."""
  sent = executors._Sent.of(unit)
  return executors._run_elsewhere(_COMMAND, '/nowhere', sent, places, present)


def test_what_a_worker_does(monkeypatch, registered, tmp_path):
  """It sends back what it wrote, and is sent what there is."""
  monkeypatch.setattr(sys, 'argv', sys.argv)  # A worker's is set.
  unit = _unit(registered, ('one',))
  places = executors.Places(memory_bytes=2**30)
  sent = _elsewhere(unit, places, {})
  assert {p.split('/')[0] for p in sent} == {'rows', 'provenance', 'manifests'}
  (facts,) = (json.loads(v) for k, v in sent.items() if 'provenance' in k)
  assert facts['command'] == (
    'python -m runners.table1 --tasks=one --data_dir=x'
  )
  # Where its rows were made.
  assert facts['devices'] == [d.as_json() for d in devices.found()]
  ledger = ledger_lib.Ledger(tmp_path)
  list(executors.local([unit], places, ledger, _Told()))
  present = executors._present(unit, ledger)
  assert present == {'rows/one/linear.jsonl': sent['rows/one/linear.jsonl']}
  assert _elsewhere(unit, places, present) == {}
  more = unit_lib.Unit(
    run=unit.run, tasks=unit.tasks, seeds=(0, 1), methods=('linear', 'all_l2')
  )
  later = _elsewhere(more, places, present)
  assert {p for p in later if p.startswith('rows')} == {
    'rows/one/linear.jsonl',
    'rows/one/all_l2.jsonl',
  }
  bad = _unit(registered, ('three',))
  assert 'three' in _elsewhere(bad, places, {})
  plugin = executors.Places(plugins=(str(tmp_path / 'no.py'),))
  assert _elsewhere(unit, plugin, {}) == (
    f'plugin {tmp_path}/no.py: there is no such file'
  )


def test_a_worker_loads_the_plugin_before_it_reads_the_run(
  monkeypatch, registered, early
):
  """The options of a plugin's method are of a type that it did not know."""
  monkeypatch.setattr(sys, 'argv', sys.argv)
  run = testing.tiny_run(
    registered, suite='own', space=grids.get('fixed', 'tiny', 'lr=0.1,steps=9')
  )
  unit = unit_lib.Unit(run=run, tasks=('one',), methods=('early',), seeds=(0,))
  sent = executors._Sent.of(unit)
  assert vars(sent.unit()) == vars(unit)
  assert b'plugin' not in pickle.dumps(sent)
  methods.REGISTERED.clear()
  del sys.modules['vtab_h2t_plugin_early']
  places = executors.Places(plugins=(str(early),))
  found = executors._run_elsewhere(_COMMAND, '/nowhere', sent, places, {})
  assert 'rows/one/early.jsonl' in found
  (row,) = found['rows/one/early.jsonl'].splitlines()[1:]
  row = json.loads(row)
  assert (row['run'], row['method'], row['steps']) == (run.id, 'early', 9)
  assert row['correct'] > 40  # Of 90; chance is 30.


def test_a_worker_without_the_gpu_that_it_must_have(registered, monkeypatch):
  monkeypatch.setattr(sys, 'argv', sys.argv)
  places = executors.Places(require_gpu=True)
  found = _elsewhere(_unit(registered, ('one',)), places, {})
  assert found.startswith('--require_gpu: no GPU: ')


def test_ray_is_asked_for_by_name():
  assert executors.EXECUTORS == ('local', 'ray')
  assert callable(executors.ray(executors.Cluster(cpus=2)))


def _provenance(workdir):
  return sorted(workdir.glob('*/provenance/*.json'))


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
  """All files of one process but provenance."""
  workdir = tmp_path_factory.mktemp('reference')
  done = testing.run_runner('table1', *_SETTING, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  found = testing.results(workdir)
  assert any(p.name == 'table1.csv' for p in found)
  assert sum(p.suffix == '.jsonl' for p in found) == 10
  return found


def _rows(files):
  return {p: data for p, data in files.items() if p.suffix == '.jsonl'}


@pytest.mark.soak
def test_shards_make_the_same_files(tmp_path):
  """Three tasks of a few images, dealt to two processes."""
  names = 'his', 'hers', 'mine'
  for name in names:
    testing.write_archive(tmp_path / 'data' / name)
  arguments = [
    *_SETTING,
    f'--tasks={",".join(names)}',
    '--suite=vtab',
    '--data_source=archive',
    f'--data_dir={tmp_path}/data',
  ]

  def run(workdir, *flags):
    done = testing.run_runner(
      'table1', *arguments, f'--workdir={tmp_path / workdir}', *flags
    )
    assert done.returncode == 0, done.stderr
    return done

  run('whole')
  whole, rows = (
    f(tmp_path / 'whole') for f in (testing.results, testing.rows_files)
  )
  for i in range(2):
    done = run('parts', f'--shard_index={i}', '--num_shards=2')
    assert 'this shard is done' in done.stdout
    assert not list((tmp_path / 'parts').rglob('table1*'))
    found = testing.rows_files(tmp_path / 'parts')
    assert found.items() <= rows.items() and len(found) == (4, 6)[i]
  before = _provenance(tmp_path / 'parts')
  run('parts')
  assert testing.results(tmp_path / 'parts') == whole
  # Nothing is measured again.
  assert len(before) == 3 and _provenance(tmp_path / 'parts') == before


@pytest.mark.soak
def test_the_slurm_array_runs_its_shard(reference, tmp_path):
  done = subprocess.run(
    ['bash', 'docs/slurm.sh', *_SETTING, '--only=table1'],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    env=os.environ
    | {
      'PYTHON': sys.executable,
      'WORKDIR': str(tmp_path),
      'SLURM_ARRAY_TASK_ID': '1',
      'SLURM_ARRAY_TASK_COUNT': '3',
    },
  )
  assert done.returncode == 0, done.stderr
  part = testing.rows_files(tmp_path)
  assert part and part.items() < _rows(reference).items()


@pytest.mark.soak
def test_a_node_that_is_killed_changes_no_row(reference, tmp_path):
  cluster_utils = pytest.importorskip('ray.cluster_utils')
  import ray
  from ray._private import state

  resources = {
    'num_cpus': 1,
    'memory': 2**31,
    'object_store_memory': 2**27,
    'include_dashboard': False,
  }
  cluster = cluster_utils.Cluster(
    initialize_head=True, head_node_args=resources
  )
  try:
    second = cluster.add_node(**resources)
    ray.init(
      address=cluster.address, log_to_driver=False, logging_level='ERROR'
    )
    running = testing.start_runner(
      'table1',
      *_SETTING,
      '--memory_gib=1',
      f'--workdir={tmp_path}',
      '--executor=ray',
      f'--ray_address={cluster.address}',
    )

    def busy():
      free = state.available_resources_per_node().get(second.node_id, {})
      return free.get('CPU', 0) == 0

    while not busy():
      assert running.poll() is None, running.stderr.read()
      time.sleep(0.1)
    time.sleep(2)
    assert busy()  # A unit is lost with the node.
    cluster.remove_node(second, allow_graceful=False)
    out, err = running.communicate()
    assert running.returncode == 0, err
    assert 'rows: ' in out
  finally:
    ray.shutdown()
    cluster.shutdown()
  assert testing.results(tmp_path) == reference
  assert len(_provenance(tmp_path)) == 5
  for path in _provenance(tmp_path):  # The user's command, not the worker's.
    command = json.loads(path.read_text())['command']
    assert command.startswith('python -m runners.table1 --'), command


@pytest.mark.soak
def test_what_a_cluster_cannot_do_is_one_line(tmp_path):
  pytest.importorskip('ray')
  arguments = [*_SETTING, f'--workdir={tmp_path}', '--executor=ray']
  done = testing.run_runner('table1', *arguments, '--ray_address=127.0.0.1:1')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'no Ray cluster at --ray_address=127.0.0.1:1' in done.stderr
  done = testing.run_runner(
    'table1', *arguments, '--ray_address=local', '--unit_cpus=999'
  )
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'no node of the Ray cluster has 999 CPUs' in done.stderr


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--shard_index=2', '--num_shards=2'], 'must be below --num_shards=2'),
    (['--num_shards=2', '--executor=ray'], 'shards are for --executor=local'),
  ],
)
def test_shards_are_checked(arguments, message):
  done = testing.run_runner('table1', *arguments)
  assert done.returncode == 1 and message in done.stderr
