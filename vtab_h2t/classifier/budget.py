"""How much memory and disk adapting may take, and whether that is enough."""

import ctypes
import dataclasses
import os
import pathlib
import shutil
from typing import Self

from vtab_h2t import devices
from vtab_h2t import errors

_GIB = 2**30
# What is left to others by default: a tenth of the machine, at least so much.
_RESERVE = _GIB
# What the process takes besides what is counted, between two looks at it.
_SLACK = 256 * 2**20
# What compiled programs and libraries take that were not there at the start.
_GROWTH = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class Memory:
  """Of the whole process.

  Attributes:
    allowed: bytes.
  """

  allowed: int

  @classmethod
  def of_machine(cls) -> Self:
    """What this process has and the machine has free, less a reserve."""
    reserve = max(_RESERVE, _total() // 10)
    return cls(max(resident() + available() - reserve, 0))

  def left(self) -> int:
    """Bytes that work on the device may take now, perhaps below 0."""
    give_back()
    return devices.memory(self.allowed - resident() - _SLACK)

  def check(self, needed: int) -> None:
    """Raises InputError unless so much, and room to grow, is left."""
    left = self.left() - _GROWTH
    if needed > left:
      wanted = (self.allowed + needed - left) / _GIB
      raise errors.InputError(
        f'this needs {wanted:.1f} GiB of memory, and {self.allowed / _GIB:.1f} '
        f'are allowed or free; allow --memory_gib={wanted + 0.05:.1f} if the '
        'machine has it, or choose a smaller network, image size or grid'
      )


def resident() -> int:
  """Bytes of memory that this process takes."""
  try:
    pages = pathlib.Path('/proc/self/statm').read_text('ascii').split()[1]
  except OSError:  # Not Linux: the most that it has taken so far.
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == 'darwin' else most * 1024
  return int(pages) * os.sysconf('SC_PAGE_SIZE')


def available() -> int:
  """Bytes of memory that the machine, or this container, can still give."""
  try:
    lines = pathlib.Path('/proc/meminfo').read_text('ascii').splitlines()
  except OSError:
    return _total() // 2
  (kib,) = (
    line.split()[1] for line in lines if line.startswith('MemAvailable:')
  )
  free = int(kib) * 1024
  group = pathlib.Path('/sys/fs/cgroup')
  try:
    limit = (group / 'memory.max').read_text('ascii').strip()
    used = (group / 'memory.current').read_text('ascii')
  except OSError:
    return free
  return free if limit == 'max' else min(free, int(limit) - int(used))


def _total() -> int:
  """Bytes of memory that the machine has."""
  return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def give_back() -> None:
  """Gives memory that was freed back to the system, where glibc keeps it."""
  try:
    ctypes.CDLL(None).malloc_trim(0)
  except (AttributeError, OSError):
    return  # Another C library.


def free(folder: pathlib.Path) -> int:
  """Bytes that the disk of a folder, which need not be there, has free."""
  there = folder.absolute()
  while not there.exists():
    there = there.parent
  return shutil.disk_usage(there).free


def check_disk(folder: pathlib.Path, needed: int) -> None:
  """Raises InputError unless a folder's disk has room for so many bytes."""
  there = free(folder)
  if there < needed:
    raise errors.InputError(
      f'features take {needed / _GIB:.1f} GiB, and {there / _GIB:.1f} are free '
      f'for {folder}; make room, choose another --workdir, or halve them with '
      '--float16_features'
    )
