"""Which devices compute, and how much memory each has for it.

Those of the `tf.distribute` strategy in whose scope the work is done, which is
the only way to TPUs; without one, all GPUs, or the CPU. Work is dealt to them
in pieces that do not depend on one another: batches of images, stacks of heads.
"""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
import ctypes
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
  import tensorflow as tf

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4

_Piece = TypeVar('_Piece')
_Result = TypeVar('_Result')

# Of a TPU, whose memory TensorFlow does not tell: the 8 GiB of a core of the
# oldest, v2 (docs/scaling.md lists the others), less a quarter for programs and
# networks.
_TPU_BYTES = 6 * 2**30


def strategy() -> 'tf.distribute.Strategy':
  """The current strategy; without one, a mirrored one over several GPUs."""
  import tensorflow as tf

  if (
    not tf.distribute.has_strategy()
    and len(tf.config.list_logical_devices('GPU')) > 1
  ):
    return tf.distribute.MirroredStrategy()
  return tf.distribute.get_strategy()


def names() -> tuple[str, ...]:
  """The devices that work is dealt to, at least one."""
  import tensorflow as tf

  if tf.distribute.has_strategy():
    return tuple(tf.distribute.get_strategy().extended.worker_devices)
  found = (
    tf.config.list_logical_devices('GPU')
    or tf.config.list_logical_devices('CPU')[:1]
  )
  return tuple(d.name for d in found)


def needs_xla(device: str) -> bool:
  """Whether a device runs only what XLA compiles.

  Each shape is then compiled anew, which takes seconds for a small network, so
  that what runs there should come in one shape.
  """
  import tensorflow as tf

  return tf.DeviceSpec.from_string(device).device_type == 'TPU'


def memory(allowed: int) -> int:
  """Bytes that a piece of work may take on its device.

  Args:
    allowed: bytes of working memory. CPU devices share it; another device has
      as much, but no more than is free on it; of a TPU, no more than is free
      on the smallest.
  """
  import tensorflow as tf

  used = [tf.DeviceSpec.from_string(name) for name in names()]
  if used[0].device_type == 'CPU':
    return allowed // len(used)
  return min(allowed, *(_free(device) for device in used))


def _free(device: 'tf.DeviceSpec') -> int:
  """Bytes of an accelerator that TensorFlow may still take."""
  import tensorflow as tf
  from tensorflow.python.client import device_lib

  name = f'{device.device_type}:{device.device_index}'
  info = tf.config.experimental.get_memory_info
  if device.device_type == 'TPU':
    try:
      return _TPU_BYTES - info(name)['current']
    except ValueError:  # It is another machine's.
      return _TPU_BYTES
  limit = next(
    d.memory_limit
    for d in device_lib.list_local_devices()
    if d.name.endswith(name)
  )
  return limit - info(name)['current']


def spread(
  work: Callable[[_Piece, str], _Result],
  pieces: Iterable[_Piece],
  ahead: bool = False,
) -> Iterator[_Result]:
  """Does pieces of work, one at a time on each device.

  Args:
    work: is given a piece and the name of its device, in whose scope it runs.
      It is outside of the strategy's, where a variable would be on all devices.
    pieces: taken when a device is free for them.
    ahead: whether a device goes on while the result of its last piece is used,
      so that both take memory.

  Yields:
    What work returned for each piece, in order.
  """
  import tensorflow as tf

  devices = names()

  def run(piece: _Piece, device: str) -> _Result:
    with tf.device(device):
      return work(piece, device)

  running: collections.deque[futures.Future] = collections.deque()
  with futures.ThreadPoolExecutor(len(devices)) as pool:
    for i, piece in enumerate(pieces):
      done = []
      if len(running) == len(devices):
        # In turn: what is waited for ran where this piece will run.
        done.append(running.popleft().result())
      if not ahead:
        yield from done
      running.append(pool.submit(run, piece, devices[i % len(devices)]))
      if ahead:
        yield from done
    while running:
      yield running.popleft().result()


def keep_freed_memory() -> None:
  """Has glibc keep what is freed: steps take and free the same megabytes.

  Giving them back to the kernel and faulting them in again was measured to take
  a tenth of the time of training a small network.
  """
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (AttributeError, OSError):
    return  # Another C library.
  for option, value in (
    (_M_MMAP_MAX, 0),
    (_M_TRIM_THRESHOLD, 2**31 - 1),
    (_M_TOP_PAD, 2**28),
  ):
    mallopt(option, value)
