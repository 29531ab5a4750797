"""The flags that say what computes, and how: they change no number."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from vtab_h2t import errors
from vtab_h2t.protocol import executors

from . import common
from . import shared_flags

_REQUIRE_GPU = shared_flags.require_gpu()
_MEMORY_GIB = flags.DEFINE_float(
  'memory_gib', 8, 'Working memory for training heads, in GiB.', lower_bound=0
)
_EXECUTOR = flags.DEFINE_enum(
  'executor',
  'local',
  executors.EXECUTORS,
  'local: one unit after the other, each on all cores. ray: on a Ray cluster.',
)
_RAY_ADDRESS = shared_flags.ray_address()
_UNIT_CPUS = flags.DEFINE_integer(
  'unit_cpus', 1, 'CPUs that a unit reserves on a cluster.', lower_bound=1
)
_UNIT_GPUS = flags.DEFINE_float(
  'unit_gpus', 0, 'GPUs that a unit reserves on a cluster.', lower_bound=0
)
_SHARD = flags.DEFINE_integer(
  'shard_index',
  0,
  'Which shard of --num_shards this process runs.',
  lower_bound=0,
)
_NUM_SHARDS = flags.DEFINE_integer(
  'num_shards',
  1,
  'Into how many shards the units are dealt, of which this process runs one.',
  lower_bound=1,
)


@flags.multi_flags_validator(['require_gpu', 'executor', 'unit_gpus'])
def _valid_require_gpu(values: dict[str, Any]) -> bool:
  if (
    values['require_gpu']
    and values['executor'] != 'local'
    and not values['unit_gpus']
  ):
    raise errors.InputError(
      f'--require_gpu with --executor={values["executor"]} needs --unit_gpus, '
      'as a unit sees no other GPUs than it reserves'
    )
  return True


@flags.multi_flags_validator(['shard_index', 'num_shards', 'executor'])
def _valid_shard(values: dict[str, Any]) -> bool:
  if values['shard_index'] >= values['num_shards']:
    raise errors.InputError(
      f'--shard_index={values["shard_index"]} must be below --num_shards='
      f'{values["num_shards"]}'
    )
  if values['num_shards'] > 1 and values['executor'] != 'local':
    raise errors.InputError('shards are for --executor=local')
  return True


def memory_bytes() -> int:
  """Working memory for training heads."""
  return int(_MEMORY_GIB.value * 2**30)


def require_gpu() -> bool:
  """Whether each unit has to see a GPU."""
  return bool(_REQUIRE_GPU.value)


def prepare_tensorflow() -> None:
  """Imports TensorFlow, and raises InputError if this process lacks a GPU."""
  is_here = _EXECUTOR.value == 'local'
  common.prepare_tensorflow(_REQUIRE_GPU.value and is_here)


def say_devices() -> None:
  """Tells what computes: the devices of this machine, or a cluster."""
  common.say_devices(
    None
    if _EXECUTOR.value == 'local'
    else f'the Ray cluster at {_RAY_ADDRESS.value}, each unit with '
    f'{_UNIT_CPUS.value} CPUs and {_UNIT_GPUS.value:g} GPUs reserved; '
    'provenance tells the devices'
  )


def executor() -> executors.Executor:
  """What runs units."""
  if _EXECUTOR.value == 'local':
    return executors.local
  return executors.ray(
    executors.Cluster(
      address=_RAY_ADDRESS.value, cpus=_UNIT_CPUS.value, gpus=_UNIT_GPUS.value
    )
  )


def is_shard() -> bool:
  """Whether this process runs a part of the units."""
  return _NUM_SHARDS.value > 1


def shard(units: Sequence[Any]) -> list[Any]:
  """Those units that this process runs, in order."""
  return list(units[_SHARD.value :: _NUM_SHARDS.value])
