"""A machine: its processor, a GPU or why there is none, room on its disk."""

import ctypes
import os
import pathlib
import platform
import shutil
import sys

# What `disk` finds.
ENOUGH, LOW, SHORT = 'enough', 'low', 'too small'
UNUSABLE = 'unusable'
# Less is worth a warning where it is not known how much is needed.
LOW_BYTES = 10 * 2**30


def processor() -> str:
  """Its name, as far as the system tells."""
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text('utf-8').splitlines()
  except FileNotFoundError:
    lines = []
  named = [
    line.partition(':')[2].strip()
    for line in lines
    if line.startswith('model name')
  ]
  return named[0] if named else platform.processor()


def cores() -> int:
  """How many logical cores this process may use."""
  try:
    return len(os.sched_getaffinity(0))
  except AttributeError:  # Not on macOS or Windows.
    return os.cpu_count() or 1


def has_gpu() -> bool:
  """Whether the system lists an NVIDIA GPU, used or not."""
  return any(pathlib.Path('/dev').glob('nvidia[0-9]*'))


def why_no_gpu() -> str:
  """Why TensorFlow sees no NVIDIA GPU and what to do, as far as can be told.

  What keeps all GPUs from being seen is looked for in the order in which it
  would: how TensorFlow was built, the environment, the driver, its libraries.
  """
  import tensorflow as tf

  install = "pip install 'tensorflow[and-cuda]'"
  if not tf.test.is_built_with_cuda():
    return f'this TensorFlow is built without CUDA; {install}'
  visible = os.environ.get('CUDA_VISIBLE_DEVICES')
  if visible is not None and visible.partition(',')[0].strip() in ('', '-1'):
    return f"CUDA_VISIBLE_DEVICES='{visible}' hides every GPU; unset it"
  wrong = _wrong_with_driver()
  if wrong:
    return wrong + (
      '' if visible is None else f' (with CUDA_VISIBLE_DEVICES={visible})'
    )
  missing = [
    name
    for name in _libraries(tf.sysconfig.get_build_info())
    if not _is_there(name)
  ]
  if missing:
    return f'the CUDA libraries {", ".join(missing)} are not found; {install}'
  return (
    "driver and libraries are there; TensorFlow's own log tells more, with "
    'TF_CPP_MIN_LOG_LEVEL=0'
  )


def _wrong_with_driver() -> str:
  """What keeps CUDA's driver from giving a GPU; '' if it gives one."""
  try:
    driver = ctypes.CDLL('libcuda.so.1')
  except OSError:
    return (
      'there is no NVIDIA driver (libcuda.so.1 is not found); install it, or '
      'give the container its GPUs (docker run --gpus all)'
    )
  count = ctypes.c_int()
  status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
  if status:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(status, ctypes.byref(text))
    what = (text.value or b'').decode() or 'an unknown error'
    return f'the NVIDIA driver says: {what} (CUDA error {status})'
  return '' if count.value else 'the NVIDIA driver finds no GPU'


def _libraries(build: dict[str, str]) -> list[str]:
  """Libraries that TensorFlow opens, as far as its build tells their names."""
  found = []
  cuda, cudnn = (
    str(build.get(key, '')).partition('.')[0]
    for key in ('cuda_version', 'cudnn_version')
  )
  if cuda:
    found += [f'libcudart.so.{cuda}', f'libcublas.so.{cuda}']
  if cudnn:
    found.append(f'libcudnn.so.{cudnn}')
  return found


def _is_there(library: str) -> bool:
  """Whether the system has a library, or one of pip's nvidia packages."""
  if any(
    any(pathlib.Path(folder, 'nvidia').glob(f'*/lib/{library}'))
    for folder in sys.path
    if folder
  ):
    return True
  try:
    ctypes.CDLL(library)
  except OSError:
    return False
  return True


def disk(folder: str | os.PathLike[str], needed: int | None) -> tuple[str, str]:
  """Whether the disk of a folder has room.

  Args:
    folder: need not be there yet.
    needed: how many bytes will be written at most, if that is known.

  Returns:
    `ENOUGH`; `SHORT` if there is less than needed; `LOW` if it is not known
    what is needed and less than `LOW_BYTES` is free; or `UNUSABLE` if nothing
    can be written there; and what was found, or what to do.
  """
  path = pathlib.Path(folder).absolute()
  while not path.exists():
    path = path.parent
  if not path.is_dir():
    return UNUSABLE, f'{path} is not a directory; choose another --workdir'
  if not os.access(path, os.W_OK | os.X_OK):
    return UNUSABLE, f'{path} is not writable; choose another --workdir'
  free = shutil.disk_usage(path).free
  found = f'{_size(free)} are free for {folder}'
  if needed is None:
    if free >= LOW_BYTES:
      return ENOUGH, found
    return LOW, f'{found}, less than {_size(LOW_BYTES)}; make room'
  found += f', and features take up to {_size(needed)}'
  if free >= needed:
    return ENOUGH, found
  return SHORT, f'{found}; make room, or choose another --workdir'


def _size(count: int) -> str:
  """Bytes, for people."""
  for unit, one in (('GiB', 2**30), ('MiB', 2**20)):
    if count >= one:
      return f'{count / one:.1f} {unit}'
  return f'{count} bytes'
