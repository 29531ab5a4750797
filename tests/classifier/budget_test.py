import pytest

from vtab_h2t import errors
from vtab_h2t.classifier import budget


def test_memory_is_that_of_the_whole_process():
  taken = budget.resident()
  assert taken > 2**25 and budget.available() > 2**25
  memory = budget.Memory(taken + 2**30)
  assert memory.left() < 2**30
  memory.check(2**20)
  with pytest.raises(errors.InputError, match='--memory_gib=') as e:
    memory.check(2**30)
  assert '\n' not in str(e.value)


def test_the_amount_that_is_named_suffices():
  memory = budget.Memory(budget.resident())
  with pytest.raises(errors.InputError) as e:
    memory.check(2**30)
  named = float(str(e.value).partition('--memory_gib=')[2].partition(' ')[0])
  budget.Memory(int((named + 0.05) * 2**30)).check(2**30)


def test_by_default_something_is_left_to_others():
  memory = budget.Memory.of_machine()
  assert memory.allowed < budget.resident() + budget.available()


def test_a_disk_that_is_too_small_is_one_line(tmp_path):
  folder = tmp_path / 'not' / 'there'
  budget.check_disk(folder, budget.free(folder) // 2)
  with pytest.raises(errors.InputError, match='--float16_features'):
    budget.check_disk(folder, 2**60)
  assert not folder.exists()
