"""Work units elsewhere: the same rows, whatever happens to the workers."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from tests import testing

_ROOT = pathlib.Path(__file__).parents[2]
_TASKS = 'digits,mnist_5k,photo_patches,sprites_loc,sprites_ori'
_SETTING = [f'--tasks={_TASKS}', '--weights=random', '--image_size=32',
            '--grid=fixed', '--seeds=0,1', '--methods=linear,head2toe',
            '--hparams=lr=0.1,steps=5,target_size=256,fraction=0.1,l21=1e-5']


def _rows(workdir):
  """The contents of rows files, by path."""
  return {p.relative_to(workdir): p.read_bytes()
          for p in sorted(workdir.glob('rows/**/*.jsonl'))}


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
  """The rows of one process, and its tables."""
  workdir = tmp_path_factory.mktemp('reference')
  done = testing.run_runner('table1', *_SETTING, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  table, = workdir.glob('tables/*/table1.csv')
  return _rows(workdir), table.read_text()


def test_shards_make_the_same_rows(reference, tmp_path):
  rows, table = reference
  arguments = [*_SETTING, f'--workdir={tmp_path}']
  for i in range(3):
    done = testing.run_runner(
        'table1', *arguments, f'--shard_index={i}', '--num_shards=3')
    assert done.returncode == 0, done.stderr
    assert 'this shard is done' in done.stdout
    assert not (tmp_path / 'tables').exists()
    assert (len(_rows(tmp_path)) == len(rows)) == (i == 2)
  assert _rows(tmp_path) == rows
  done = testing.run_runner('table1', *arguments)
  assert done.returncode == 0, done.stderr
  assert next(tmp_path.glob('tables/*/table1.csv')).read_text() == table
  seconds = [int(line.split()[-2]) for line in done.stderr.splitlines()]
  assert max(seconds) < 10  # Nothing is measured again.


def test_the_slurm_array_runs_its_shard(reference, tmp_path):
  rows, _ = reference
  done = subprocess.run(
      ['bash', 'docs/slurm.sh', *_SETTING, '--only=table1'], cwd=_ROOT,
      capture_output=True, text=True, env=os.environ | {
          'PYTHON': sys.executable, 'WORKDIR': str(tmp_path),
          'SLURM_ARRAY_TASK_ID': '1', 'SLURM_ARRAY_TASK_COUNT': '3'})
  assert done.returncode == 0, done.stderr
  part = _rows(tmp_path)
  assert part and part.items() < rows.items()


@pytest.mark.slow
def test_a_node_that_is_killed_changes_no_row(reference, tmp_path):
  cluster_utils = pytest.importorskip('ray.cluster_utils')
  import ray
  from ray._private import state
  resources = {'num_cpus': 1, 'memory': 2**31, 'object_store_memory': 2**27,
               'include_dashboard': False}
  cluster = cluster_utils.Cluster(
      initialize_head=True, head_node_args=resources)
  try:
    second = cluster.add_node(**resources)
    ray.init(address=cluster.address, log_to_driver=False,
             logging_level='ERROR')
    running = subprocess.Popen(
        [sys.executable, '-m', 'runners.table1', *_SETTING, '--memory_gib=1',
         f'--workdir={tmp_path}', '--executor=ray',
         f'--ray_address={cluster.address}'],
        cwd=_ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

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
  rows, table = reference
  assert _rows(tmp_path) == rows
  assert next(tmp_path.glob('tables/*/table1.csv')).read_text() == table
  assert len(list(tmp_path.glob('provenance/**/*.json'))) == 5


@pytest.mark.slow
def test_what_a_cluster_cannot_do_is_one_line(tmp_path):
  pytest.importorskip('ray')
  arguments = [*_SETTING, f'--workdir={tmp_path}', '--executor=ray']
  done = testing.run_runner('table1', *arguments, '--ray_address=127.0.0.1:1')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'no Ray cluster at --ray_address=127.0.0.1:1' in done.stderr
  done = testing.run_runner(
      'table1', *arguments, '--ray_address=local', '--unit_cpus=999')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'no node of the Ray cluster has 999 CPUs' in done.stderr


@pytest.mark.parametrize('arguments, message', [
    (['--shard_index=2', '--num_shards=2'], 'must be below --num_shards=2'),
    (['--num_shards=2', '--executor=ray'], 'shards are for --executor=local')])
def test_shards_are_checked(arguments, message):
  done = testing.run_runner('table1', *arguments)
  assert done.returncode == 1 and message in done.stderr
