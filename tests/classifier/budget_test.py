import pytest

from vtab_h2t import errors
from vtab_h2t.classifier import budget


def test_memory_is_that_of_the_whole_process():
  budget.Memory(2**40).left()  # Reads TensorFlow, which takes memory.
  taken = budget.resident()
  total, free = budget.machine()
  assert taken > 2**25 and total > free > 2**25
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
  assert memory.allowed < budget.resident() + budget.machine()[1]


def test_a_disk_that_is_too_small_is_one_line(tmp_path):
  folder = tmp_path / 'not' / 'there'
  budget.check_disk(folder, budget.free(folder) // 2)
  with pytest.raises(errors.InputError, match='--float16_features'):
    budget.check_disk(folder, 2**60)
  assert not folder.exists()


def _group(folder, version, limit, used, cached):
  most, now, prefix = budget._GROUP_FILES[2 - version]
  folder.mkdir()
  (folder / most).write_text(f'{limit}\n')
  (folder / now).write_text(f'{used}\n')
  (folder / 'memory.stat').write_text(
    f'anon 1\n{prefix}active_file {cached}\n{prefix}inactive_file {cached}\n'
  )
  return folder


@pytest.mark.parametrize('version, unlimited', [(1, 2**63 - 4096), (2, 'max')])
def test_a_container_has_what_it_is_allowed_and_files_it_read_are_free(
  tmp_path, version, unlimited
):
  groups = [
    _group(tmp_path / 'own', version, unlimited, 50, 0),
    _group(tmp_path / 'outer', version, 100, 90, 35),
    tmp_path,  # The root has no such files.
  ]
  assert budget.within(groups, 10**6, 10**5) == (100, 80)
  assert budget.within(groups[:1], 10**6, 10**5) == (10**6, 10**5)
  assert budget.within(groups, 10**6, 60) == (100, 60)


def test_in_a_small_container_of_a_large_machine_memory_is_left(
  monkeypatch,
):
  """A tenth of the machine would be more than all that is allowed."""
  monkeypatch.setattr(budget, 'machine', lambda: (4 * 2**30, 3 * 2**30))
  allowed = budget.Memory.of_machine().allowed
  assert allowed == pytest.approx(budget.resident() + 2 * 2**30, abs=2**26)
