"""Several logical CPUs, in processes of their own."""

import pathlib
import subprocess
import sys
import threading
import types

import pytest
import tensorflow as tf

from vtab_h2t import devices

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

  class Attributes:
    def __init__(self, name, limit):
      self.name, self.memory_limit = name, limit

  monkeypatch.setattr(
    device_lib,
    'list_local_devices',
    lambda: [
      Attributes('/device:CPU:0', 5),
      Attributes('/device:GPU:0', 1000),
      Attributes('/device:GPU:1', 900),
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
  return value
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
  also, several, others = run(3 * sweep.batch_bytes(256, 40))
assert used == {"CPU:0", "CPU:1", "CPU:2"}, used
devices.needs_xla = lambda device: True
with three.scope():  # As on three TPUs.
  same, compiled, last = run(3 * sweep.batch_bytes(256, 40))
assert starts == also == same == list(range(0, 23, 4))
for found in (several, compiled):
  print(max(np.abs(one[k] - found[k]).max() for k in one))
for found in (others, last):
  print(max(np.abs(a - b).max() for a, b in zip(kernels, found, strict=True)))
""")
  differences = list(map(float, lines))
  assert max(differences[:2]) < 1e-5 and max(differences[2:]) < 1e-4
