"""Which devices compute, and how much memory each has for it.

Those of the `tf.distribute` strategy in whose scope the work is done, which is
the only way to TPUs; without one, all GPUs, or the CPU. Work is dealt to them
in pieces that do not depend on one another: batches of images, stacks of heads.
"""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
import ctypes
import dataclasses
import re
from typing import Any, TYPE_CHECKING, TypeVar

from vtab_h2t import errors
from vtab_h2t import machine

if TYPE_CHECKING:
  import tensorflow as tf

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4

_Piece = TypeVar('_Piece')
_Result = TypeVar('_Result')

CPU, GPU, TPU = 'CPU', 'GPU', 'TPU'

# Of a TPU, whose memory TensorFlow does not tell: the 8 GiB of a core of the
# oldest, v2 (docs/scaling.md lists the others), less a quarter for programs and
# networks.
_TPU_BYTES = 6 * 2**30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
  """What work is dealt to.

  Attributes:
    kind: `CPU`, `GPU` or `TPU`.
    index: among those of its kind.
    model: as its maker calls it; '' if the system does not tell.
    memory_bytes: that TensorFlow may take; None of a CPU, and where it is not
      told.
    cores: of the CPU, that this process may use; None of the others.
  """

  kind: str
  index: int
  model: str = ''
  memory_bytes: int | None = None
  cores: int | None = None

  @property
  def name(self) -> str:
    """For example 'GPU:0'."""
    return f'{self.kind}:{self.index}'

  @property
  def description(self) -> str:
    """Model, memory and cores in brackets, as far as they are known."""
    parts = [self.model] if self.model else []
    if self.memory_bytes is not None:
      parts.append(f'{self.memory_bytes / 2**30:.1f} GiB')
    if self.cores is not None:
      parts.append(f'{self.cores} core{"s" if self.cores > 1 else ""}')
    return f'({", ".join(parts)})' if parts else ''

  def as_json(self) -> dict[str, Any]:
    """What is known of it, as a JSON value."""
    known: dict[str, Any] = {
      'name': self.name,
      'model': self.model or None,
      'memory_bytes': self.memory_bytes,
      'cores': self.cores,
    }
    return {key: value for key, value in known.items() if value is not None}


def strategy() -> 'tf.distribute.Strategy':
  """The current strategy; without one, a mirrored one over several GPUs."""
  import tensorflow as tf

  if (
    not tf.distribute.has_strategy()
    and len(tf.config.list_logical_devices(GPU)) > 1
  ):
    return tf.distribute.MirroredStrategy()
  return tf.distribute.get_strategy()


def names() -> tuple[str, ...]:
  """The devices that work is dealt to, at least one."""
  import tensorflow as tf

  if tf.distribute.has_strategy():
    return tuple(tf.distribute.get_strategy().extended.worker_devices)
  found = (
    tf.config.list_logical_devices(GPU)
    or tf.config.list_logical_devices(CPU)[:1]
  )
  return tuple(d.name for d in found)


def cpu() -> Device:
  """The processor, which needs no TensorFlow."""
  return Device(
    kind=CPU, index=0, model=machine.processor(), cores=machine.cores()
  )


def found() -> tuple[Device, ...]:
  """What `names` names, and what is known of it."""
  import tensorflow as tf

  specs = [tf.DeviceSpec.from_string(name) for name in names()]
  is_asked = any(spec.device_type == GPU for spec in specs)
  local = _local() if is_asked else {}
  devices = []
  for spec in specs:
    one = Device(kind=spec.device_type, index=spec.device_index or 0)
    details = local.get(one.name)
    if one.kind == CPU:
      one = dataclasses.replace(cpu(), index=one.index)
    elif one.kind == GPU and details is not None:
      # 'device: 0, name: ..., pci bus id: ...'
      model = re.search('name: ([^,]+)', details.physical_device_desc)
      one = dataclasses.replace(
        one,
        model=model[1].strip() if model else '',
        memory_bytes=details.memory_limit,
      )
    devices.append(one)
  return tuple(devices)


def summary() -> str:
  """Which devices compute, in a line; why not a GPU, if the machine has one."""
  kind, text = _listed(found())
  if kind == CPU and machine.has_gpu():
    text += f'; the GPU is not used: {machine.why_no_gpu()}'
  return text


def diagnose() -> tuple[str, str]:
  """The kind of the devices that compute, and which; why there is no GPU."""
  kind, text = _listed(found())
  return kind, text + (
    f'; no GPU: {machine.why_no_gpu()}' if kind == CPU else ''
  )


def _listed(devices: Sequence[Device]) -> tuple[str, str]:
  """Kinds of devices, as 'CPU', and their descriptions; like ones together."""
  alike: dict[tuple[str, str], list[Device]] = {}
  for device in devices:
    alike.setdefault((device.kind, device.description), []).append(device)
  parts = []
  for first, *others in alike.values():
    is_alone = first.kind == CPU and not others
    parts.append(
      f'{first.kind if is_alone else first.name} {first.description}'.rstrip()
      + (f' and {len(others)} more like it' if others else '')
    )
  return '+'.join(dict.fromkeys(kind for kind, _ in alike)), ', '.join(parts)


def check_gpu() -> None:
  """Raises InputError, which says why, unless GPUs compute."""
  import tensorflow as tf

  kind, _ = _listed(found())
  if kind == GPU:
    return
  if tf.config.list_physical_devices(GPU):
    raise errors.InputError(
      '--require_gpu: a strategy, or tf.config.set_visible_devices, has '
      f'TensorFlow compute on {kind}'
    )
  raise errors.InputError(f'--require_gpu: no GPU: {machine.why_no_gpu()}')


def needs_xla(device: str) -> bool:
  """Whether a device runs only what XLA compiles.

  Each shape is then compiled anew, which takes seconds for a small network, so
  that what runs there should come in one shape.
  """
  import tensorflow as tf

  return tf.DeviceSpec.from_string(device).device_type == TPU


def memory(allowed: int) -> int:
  """Bytes that a piece of work may take on its device.

  Args:
    allowed: bytes of working memory. CPU devices share it; another device has
      as much, but no more than is free on it; of a TPU, no more than is free
      on the smallest.
  """
  import tensorflow as tf

  used = [tf.DeviceSpec.from_string(name) for name in names()]
  if used[0].device_type == CPU:
    return allowed // len(used)
  return min(allowed, *(_free(device) for device in used))


def _free(device: 'tf.DeviceSpec') -> int:
  """Bytes of an accelerator that TensorFlow may still take."""
  import tensorflow as tf

  name = f'{device.device_type}:{device.device_index}'
  info = tf.config.experimental.get_memory_info
  if device.device_type == TPU:
    try:
      return _TPU_BYTES - info(name)['current']
    except ValueError:  # It is another machine's.
      return _TPU_BYTES
  return _local()[name].memory_limit - info(name)['current']


def _local() -> dict[str, Any]:
  """What TensorFlow tells of this machine's devices, by 'GPU:0' and such."""
  from tensorflow.python.client import device_lib

  return {
    d.name.rpartition('device:')[2]: d for d in device_lib.list_local_devices()
  }


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
