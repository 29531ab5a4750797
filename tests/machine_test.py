"""What a machine has, and why TensorFlow sees no GPU on it."""

import ctypes
import os
import pathlib
import platform
import re
import shutil
import types

import pytest
import tensorflow as tf

from vtab_h2t import machine


def test_the_processor_has_cores():
  cpus = pathlib.Path('/proc/cpuinfo')
  names = re.findall('^model name.*: (.+)$', cpus.read_text('utf-8'), re.M)
  assert machine.processor() == (names[0] if names else platform.processor())
  assert 1 <= machine.cores() <= os.cpu_count()


def _driver(started=0, count=1):
  """CUDA's driver, as far as it is asked."""

  def tell_count(found):
    found._obj.value = count
    return 0

  def tell_error(status, text):
    text._obj.value = b'no CUDA-capable device is detected'

  return types.SimpleNamespace(
    cuInit=lambda flags: started,
    cuDeviceGetCount=tell_count,
    cuGetErrorString=tell_error,
  )


_LIBRARIES = 'libcudart.so.12', 'libcublas.so.12', 'libcudnn.so.9'


@pytest.fixture
def cuda(monkeypatch):
  """A TensorFlow for CUDA, and a driver with a GPU; a test takes some away."""
  there = {'libcuda.so.1': _driver()} | dict.fromkeys(_LIBRARIES)

  def load(name):
    if name not in there:
      raise OSError(name)
    return there[name]

  monkeypatch.setattr(tf.test, 'is_built_with_cuda', lambda: True)
  monkeypatch.setattr(
    tf.sysconfig,
    'get_build_info',
    lambda: {'cuda_version': '12.5.1', 'cudnn_version': '9'},
  )
  monkeypatch.setattr(ctypes, 'CDLL', load)
  monkeypatch.setattr(machine, 'sys', types.SimpleNamespace(path=['', '/none']))
  monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
  return there


def test_without_a_reason_the_log_is_named(cuda):
  assert 'TF_CPP_MIN_LOG_LEVEL=0' in machine.why_no_gpu()


def test_a_build_without_cuda(cuda, monkeypatch):
  monkeypatch.setattr(tf.test, 'is_built_with_cuda', lambda: False)
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  assert machine.why_no_gpu() == (
    "this TensorFlow is built without CUDA; pip install 'tensorflow[and-cuda]'"
  )


@pytest.mark.parametrize('visible', ['', '-1', '-1,0', ' '])
def test_gpus_that_the_environment_hides(cuda, monkeypatch, visible):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
  assert machine.why_no_gpu() == (
    f"CUDA_VISIBLE_DEVICES='{visible}' hides every GPU; unset it"
  )


def test_no_driver(cuda, monkeypatch):
  del cuda['libcuda.so.1']
  assert machine.why_no_gpu().startswith(
    'there is no NVIDIA driver (libcuda.so.1 is not found); install it'
  )


def test_what_the_driver_says(cuda, monkeypatch):
  cuda['libcuda.so.1'] = _driver(started=100)
  says = (
    'the NVIDIA driver says: no CUDA-capable device is detected (CUDA error '
    '100)'
  )
  assert machine.why_no_gpu() == says
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '7')
  assert machine.why_no_gpu() == f'{says} (with CUDA_VISIBLE_DEVICES=7)'
  cuda['libcuda.so.1'] = _driver(count=0)
  assert machine.why_no_gpu().startswith('the NVIDIA driver finds no GPU (with')


def test_libraries_that_are_not_found(cuda, monkeypatch, tmp_path):
  del cuda['libcudnn.so.9'], cuda['libcudart.so.12']
  assert machine.why_no_gpu() == (
    'the CUDA libraries libcudart.so.12, libcudnn.so.9 are not found; pip '
    "install 'tensorflow[and-cuda]'"
  )
  for name in ('libcudnn.so.9', 'libcudart.so.12'):  # As pip installs them.
    path = tmp_path / 'nvidia' / name.split('.')[0] / 'lib' / name
    path.parent.mkdir(parents=True)
    path.touch()
  monkeypatch.setattr(machine.sys, 'path', [str(tmp_path)])
  assert 'are not found' not in machine.why_no_gpu()


def _free(monkeypatch, count):
  monkeypatch.setattr(
    shutil, 'disk_usage', lambda path: types.SimpleNamespace(free=count)
  )


@pytest.mark.parametrize(
  'free, needed, status',
  [
    (machine.LOW_BYTES, None, 'enough'),
    (machine.LOW_BYTES - 1, None, 'low'),
    (2**20, 2**20, 'enough'),
    (2**20 - 1, 2**20, 'too small'),
  ],
)
def test_room_on_the_disk(tmp_path, monkeypatch, free, needed, status):
  _free(monkeypatch, free)
  folder = tmp_path / 'not' / 'there'
  found, advice = machine.disk(folder, needed)
  assert found == status and f' free for {folder}' in advice
  assert ('make room' in advice) == (status != 'enough')
  assert ('features take up to 1.0 MiB' in advice) == (needed is not None)
  assert not folder.parent.exists()


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
  (tmp_path / 'file').touch()
  status, advice = machine.disk(tmp_path / 'file' / 'x', None)
  assert status == 'unusable'
  assert advice.startswith(f'{tmp_path}/file is not a directory; choose')
  monkeypatch.setattr(os, 'access', lambda path, mode: False)
  status, advice = machine.disk(tmp_path, 1)
  assert (status, advice) == (
    'unusable',
    f'{tmp_path} is not writable; choose another --workdir',
  )
