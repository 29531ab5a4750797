"""How much memory and disk adapting may take, and whether that is enough."""

from collections.abc import Iterable, Iterator
import ctypes
import dataclasses
import itertools
import os
import pathlib
import shutil
from typing import Self

from vtab_h2t import devices
from vtab_h2t import errors

_GIB = 2**30
# What is left to others by default: a tenth of the machine, or of what its
# container may have, and at least so much.
_RESERVE = _GIB
# What the process takes besides what is counted, between two looks at it.
_SLACK = 256 * 2**20
# What compiled programs and libraries take that were not there at the start.
_GROWTH = 256 * 2**20
# Of control groups of version 2 and 1: what a group may take, what it takes,
# and how the names of its pages begin, those of groups within it included.
_GROUP_FILES = (
  ('memory.max', 'memory.current', ''),
  ('memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_'),
)


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
    total, free_bytes = machine()
    reserve = max(_RESERVE, total // 10)
    return cls(max(resident() + free_bytes - reserve, 0))

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


def machine() -> tuple[int, int]:
  """Bytes of memory that the machine, or this container, has and has free."""
  total = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
  try:
    lines = pathlib.Path('/proc/meminfo').read_text('ascii').splitlines()
  except OSError:
    return total, total // 2
  (kib,) = (
    line.split()[1] for line in lines if line.startswith('MemAvailable:')
  )
  return within(_groups(), total, int(kib) * 1024)


def within(
  groups: Iterable[pathlib.Path], total: int, free_bytes: int
) -> tuple[int, int]:
  """What is left of a machine's memory where control groups allow less.

  Args:
    groups: folders of control groups, of version 1 or 2, of the process.
    total: bytes that the machine has.
    free_bytes: of these, what is free.

  Returns:
    Both, of what the strictest group allows. Pages of files that were read
    count as free, as the kernel takes them back.
  """
  for group, (most, now, prefix) in itertools.product(groups, _GROUP_FILES):
    try:
      limit = (group / most).read_text('ascii').strip()
      used = int((group / now).read_text('ascii'))
      stat = (group / 'memory.stat').read_text('ascii').splitlines()
    except OSError:
      continue  # Of the other version, or the root, which has no limit.
    if limit == 'max':
      continue
    pages = dict(line.split() for line in stat)
    used -= sum(int(pages[f'{prefix}{x}_file']) for x in ('active', 'inactive'))
    total = min(total, int(limit))
    free_bytes = min(free_bytes, int(limit) - max(0, used))
  return total, max(0, free_bytes)


def _groups() -> Iterator[pathlib.Path]:
  """Folders of the control groups of this process, from its own to the root."""
  try:
    lines = pathlib.Path('/proc/self/cgroup').read_text('utf-8').splitlines()
  except OSError:
    return
  for line in lines:
    _, kinds, path = line.split(':', 2)
    if kinds not in ('', 'memory'):
      continue
    root = pathlib.Path('/sys/fs/cgroup') / kinds
    # In a container the path may be that outside of it, which is not there.
    inside = path.strip('/') if '..' not in path else ''
    own = root / inside
    yield from (g for g in (own, *own.parents) if g.is_relative_to(root))


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


def check_disk(folder: pathlib.Path, features: int, answers: int = 0) -> None:
  """Checks that a folder's disk has room.

  Args:
    folder: which need not be there.
    features: bytes of those that are still to be written.
    answers: bytes of what heads say of images, while a setting is chosen.

  Raises:
    errors.InputError: it has not.
  """
  there = free(folder)
  if there < features + answers:
    raise errors.InputError(
      f'features take {features / _GIB:.3g} GiB and choosing a setting '
      f'{answers / _GIB:.3g}, and {there / _GIB:.3g} are free for {folder}; '
      'make room, choose another --workdir, halve features with '
      '--float16_features, or hold images out once with --val_fraction=0.2'
    )
