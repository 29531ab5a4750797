"""What computes, and which part of the work."""

from absl.testing import flagsaver
import pytest

from runners import executor_flags
from runners import flags
from vtab_h2t import errors


def test_a_gpu_may_be_required():
  assert not flags.places().require_gpu
  with flagsaver.flagsaver(require_gpu=True):
    assert flags.places().require_gpu
    with pytest.raises(errors.InputError, match='^--require_gpu: no GPU: '):
      executor_flags.prepare_tensorflow()
  with flagsaver.flagsaver(require_gpu=True, executor='ray', unit_gpus=0.5):
    executor_flags.prepare_tensorflow()  # It is for the workers to have one.


def test_a_cluster_is_told_in_place_of_this_machine(capsys):
  executor_flags.say_devices()
  assert capsys.readouterr().err.startswith('computes on CPU ')
  with flagsaver.flagsaver(executor='ray', unit_gpus=0.5, ray_address='a:1'):
    executor_flags.say_devices()
  assert capsys.readouterr().err.startswith(
    'computes on the Ray cluster at a:1, each unit with 1 CPUs and 0.5 GPUs'
  )


def test_shards_deal_the_units():
  units = list('abcde')
  assert executor_flags.shard(units) == units and not executor_flags.is_shard()
  dealt = []
  for index in range(2):
    with flagsaver.flagsaver(num_shards=2, shard_index=index):
      assert executor_flags.is_shard()
      dealt.append(executor_flags.shard(units))
  assert dealt == [list('ace'), list('bd')]
