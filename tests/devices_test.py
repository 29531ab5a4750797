"""Several logical CPUs, in processes of their own."""

import pathlib
import subprocess
import sys
import threading
import types

import pytest
import tensorflow as tf

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import machine

_ROOT = pathlib.Path(__file__).parents[1]

_START = """
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 3)
from vtab_h2t import devices
three = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"])
"""


def _on_three(code):
  """What a program prints that has three logical CPUs."""
  done = subprocess.run(
    [sys.executable, '-c', _START + code],
    cwd=_ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  return done.stdout.splitlines()


def test_without_a_strategy_there_is_one_cpu():
  assert devices.names() == ('/device:CPU:0',)
  assert devices.memory(1000) == 1000
  assert devices.strategy().num_replicas_in_sync == 1


@pytest.mark.soak
def test_strategy_names_devices_and_cpus_share_memory():
  names, memory, replicas = _on_three("""
with three.scope():
  print(*devices.names())
  print(devices.memory(3000))
  print(devices.strategy().num_replicas_in_sync)
""")
  assert [name[-5:] for name in names.split()] == ['CPU:0', 'CPU:1', 'CPU:2']
  assert (memory, replicas) == ('1000', '3')


class _TPUs:
  """What is asked of a TPUStrategy."""

  def __init__(self, names):
    self.extended = types.SimpleNamespace(worker_devices=names)


@pytest.fixture
def tpus(monkeypatch):
  names = tuple(f'/job:worker/replica:0/task:0/device:TPU:{i}' for i in (0, 1))
  monkeypatch.setattr(tf.distribute, 'has_strategy', lambda: True)
  monkeypatch.setattr(tf.distribute, 'get_strategy', lambda: _TPUs(names))
  return names


def test_a_strategy_in_scope_names_tpus(tpus):
  assert devices.names() == tpus
  assert devices.strategy().extended.worker_devices == tpus


@pytest.mark.parametrize(
  'device, expected',
  [
    ('/job:worker/replica:0/task:0/device:TPU:7', True),
    ('/device:TPU:0', True),
    ('/job:localhost/replica:0/task:0/device:GPU:0', False),
    ('/device:CPU:0', False),
  ],
)
def test_only_tpus_need_xla(device, expected):
  assert devices.needs_xla(device) == expected


@pytest.mark.parametrize(
  'allowed, expected', [(10**9, 10**9), (2**40, 6 * 2**30 - 200)]
)
def test_memory_of_a_tpu_is_what_is_free_on_the_smallest(
  tpus, monkeypatch, allowed, expected
):
  monkeypatch.setattr(
    tf.config.experimental,
    'get_memory_info',
    lambda name: {'current': {'TPU:0': 100, 'TPU:1': 200}[name]},
  )
  assert devices.memory(allowed) == expected


def test_memory_of_a_tpu_elsewhere_is_the_smallests(tpus):
  """TensorFlow itself says here that there is no such device."""
  assert devices.memory(2**40) == 6 * 2**30


@pytest.mark.parametrize('allowed, expected', [(10, 10), (10**6, 700)])
def test_memory_of_an_accelerator_is_what_is_free(
  monkeypatch, allowed, expected
):
  from tensorflow.python.client import device_lib

  monkeypatch.setattr(
    device_lib,
    'list_local_devices',
    lambda: [
      _Told('/device:CPU:0', 5),
      _Told('/device:GPU:0', 1000),
      _Told('/device:GPU:1', 900),
    ],
  )
  monkeypatch.setattr(
    tf.config.experimental,
    'get_memory_info',
    lambda name: {'current': {'GPU:0': 100, 'GPU:1': 200}[name]},
  )
  monkeypatch.setattr(
    devices,
    'names',
    lambda: ('/job:localhost/replica:0/task:0/device:GPU:0', '/device:GPU:1'),
  )
  assert devices.memory(allowed) == expected


class _Told:
  """What TensorFlow tells of a device."""

  def __init__(self, name, memory_limit, model=''):
    self.name, self.memory_limit = name, memory_limit
    self.physical_device_desc = (
      f'device: 0, name: {model}, pci bus id: 0000:00:04.0' if model else ''
    )


@pytest.fixture
def gpus(monkeypatch):
  """Three GPUs of two kinds; TensorFlow computes on those that are kept."""
  from tensorflow.python.client import device_lib

  told = [
    _Told('/device:CPU:0', 2**28),
    _Told('/device:GPU:0', 40 * 2**30, 'NVIDIA A100-SXM4-40GB'),
    _Told('/device:GPU:1', 40 * 2**30, 'NVIDIA A100-SXM4-40GB'),
    _Told('/device:GPU:2', 3 * 2**29, 'Other'),
  ]
  names = [t.name for t in told[1:]]
  monkeypatch.setattr(device_lib, 'list_local_devices', lambda: told)
  monkeypatch.setattr(devices, 'names', lambda: tuple(names))
  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: names)
  return names


def test_gpus_are_described_and_like_ones_stand_together(gpus):
  assert devices.summary() == (
    'GPU:0 (NVIDIA A100-SXM4-40GB, 40.0 GiB) and 1 more like it, GPU:2 (Other, '
    '1.5 GiB)'
  )
  assert devices.diagnose() == ('GPU', devices.summary())
  assert [device.as_json() for device in devices.found()][1:] == [
    {
      'name': 'GPU:1',
      'model': 'NVIDIA A100-SXM4-40GB',
      'memory_bytes': 40 * 2**30,
    },
    {'name': 'GPU:2', 'model': 'Other', 'memory_bytes': 3 * 2**29},
  ]
  devices.check_gpu()


def test_a_gpu_that_is_there_and_not_used_is_told(gpus, monkeypatch):
  gpus[:] = ['/device:CPU:0']
  monkeypatch.setattr(machine, 'processor', lambda: 'Some CPU')
  monkeypatch.setattr(machine, 'cores', lambda: 1)
  monkeypatch.setattr(machine, 'why_no_gpu', lambda: 'so it is')
  assert devices.summary() == 'CPU (Some CPU, 1 core)'
  assert devices.diagnose() == (
    'CPU',
    'CPU (Some CPU, 1 core); no GPU: so it is',
  )
  monkeypatch.setattr(machine, 'has_gpu', lambda: True)
  assert devices.summary() == (
    'CPU (Some CPU, 1 core); the GPU is not used: so it is'
  )
  with pytest.raises(errors.InputError, match='has TensorFlow compute on CPU$'):
    devices.check_gpu()
  gpus.clear()  # So that there are no physical ones.
  monkeypatch.setattr(devices, 'names', lambda: ('/device:CPU:0',))
  with pytest.raises(
    errors.InputError, match='^--require_gpu: no GPU: so it is$'
  ):
    devices.check_gpu()


def test_the_cpu_is_described():
  (device,) = devices.found()
  assert device == devices.cpu() and device.cores == machine.cores()
  assert device.as_json()['name'] == 'CPU:0'
  assert 'memory_bytes' not in device.as_json()


def test_tpus_are_named(tpus):
  assert devices.diagnose() == ('TPU', 'TPU:0 and 1 more like it')


@pytest.mark.parametrize('ahead', [False, True])
def test_pieces_come_back_in_order(ahead):
  found = list(devices.spread(lambda x, d: (x * x, d), range(5), ahead))
  assert found == [(x * x, '/device:CPU:0') for x in range(5)]


@pytest.mark.parametrize('ahead', [False, True])
def test_a_device_goes_ahead_only_if_it_may(ahead):
  started = {i: threading.Event() for i in range(3)}
  results = devices.spread(lambda x, _: started[x].set() or x, range(3), ahead)
  assert next(results) == 0
  assert started[1].wait(600 if ahead else 0.2) == ahead
  assert list(results) == [1, 2]


def test_errors_come_where_the_result_would():
  results = devices.spread(lambda x, _: 1 // x, [1, 0, 1])
  assert next(results) == 1
  with pytest.raises(ZeroDivisionError):
    next(results)


@pytest.mark.soak
def test_pieces_run_at_the_same_time_on_their_devices():
  lines = _on_three("""
import threading
together = threading.Barrier(3, timeout=600)
def work(piece, device):
  together.wait()
  return piece, device[-5:], tf.constant(1.0).device[-5:]
with three.scope():
  for found in devices.spread(work, range(6)):
    print(*found)
""")
  assert lines == [f'{i} CPU:{i % 3} CPU:{i % 3}' for i in range(6)]


@pytest.mark.soak
def test_features_and_heads_of_three_devices_equal_those_of_one():
  lines = _on_three("""
from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.heads import sweep
from vtab_h2t.tasks import task as task_lib
images = testing.images(23)
split = task_lib.array_split("x", images, [0] * 23, range(23))
rng = np.random.default_rng(0)
x = rng.normal(size=(256, 40)).astype(np.float32)
y = rng.integers(0, 4, 256)
used = set()
def load():
  value = tf.constant(x)
  used.add(value.device[-5:])
  return [value]
def run(memory):
  extractor = extraction.Extractor(testing.tiny_backbone(), (30,), 4)
  features = list(extractor(split))
  heads = [sweep.HeadSpec(0.1, (seed,), 1e-3) for seed in range(5)]
  trained = list(sweep.train([sweep.Problem(load, 40, y, heads)] * 3, classes=4,
                             steps=20, penalty="l21", memory_bytes=memory))
  return ([done for done, _ in features],
          {k: np.concatenate([b[k] for _, b in features])
           for k in features[0][1]},
          [h.kernel.numpy() for _, heads in trained for h in heads])
starts, one, kernels = run(10**9)
assert used == {"CPU:0"}, used
with three.scope():  # Memory for one problem on each device.
  also, several, others = run(3 * sweep.needed_bytes(256, 40, 4))
assert used == {"CPU:0", "CPU:1", "CPU:2"}, used
devices.needs_xla = lambda device: True
with three.scope():  # As on three TPUs.
  same, compiled, last = run(3 * sweep.needed_bytes(256, 40, 4))
assert starts == also == same == list(range(0, 23, 4))
for found in (several, compiled):
  print(max(np.abs(one[k] - found[k]).max() for k in one))
for found in (others, last):
  print(max(np.abs(a - b).max() for a, b in zip(kernels, found, strict=True)))
""")
  differences = list(map(float, lines))
  assert max(differences[:2]) < 1e-5 and max(differences[2:]) < 1e-4


@pytest.mark.soak
def test_probes_of_frozen_features_are_judged_on_three_devices_as_on_one():
  """Neighbours, the last blocks, and what the Gram matrix gives."""
  (line,) = _on_three("""
import pathlib, tempfile
from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.methods import registry
from vtab_h2t.protocol import evaluation
task, space = testing.tiny_task(), testing.tiny_space()
backbone = testing.tiny_backbone()
sizes = 30, extraction.LAST_BLOCKS, extraction.BLOCK_TOKENS
folder = tempfile.TemporaryDirectory()  # Removed when the program ends.
data = testing.training_data(
    pathlib.Path(folder.name), task, sizes, backbone)
heads = []
for method in registry.SUCCESSORS.values():
  if method.trains_network:
    continue
  setting = method.complete(data, (), space, 0)[0]
  heads += method.fit(data, np.arange(300), setting, space, (0,))
def run():
  extractor = extraction.Extractor(backbone, sizes, 16)
  judged = [(head, task.test.labels) for head in heads]
  return evaluation.count_correct(
      extractor, task.test, judged, testing.no_progress)
one = run()
with three.scope():
  several = run()
print(len(one) == 7 and one == several, len(set(one)))
""")
  same, different = line.split()
  assert same == 'True' and int(different) > 1
