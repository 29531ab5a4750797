import os
import socket
import subprocess
import sys

import numpy as np

from tests.classifier import learned
from vtab_h2t.classifier import budget
from vtab_h2t.classifier import candidates
from vtab_h2t.classifier import trials
from vtab_h2t.methods import head2toe


def _selected(data):
  setting = head2toe.Setting(
    learning_rate=0.1, steps=0, target_size=30, coefficient=1e-5, fraction=0.1
  )
  return candidates.known(data, 'head2toe', setting, np.array([1, 4, 40]))


def _dead():
  """The number of a process that has ended."""
  done = subprocess.Popen([sys.executable, '-c', ''])
  done.wait()
  return done.pid


def test_columns_that_a_killed_process_copied_are_deleted(tmp_path):
  name = f'selected.tmp-{socket.gethostname()}-{{}}-x'
  (tmp_path / name.format(_dead())).mkdir()
  alive = tmp_path / name.format(os.getppid())
  alive.mkdir()
  data = learned.data(tmp_path)
  found = _selected(data)
  with candidates.narrowed(data, found) as narrow:
    assert len(list(tmp_path.iterdir())) == 2
    rows = np.array([5, 3, 8])
    ((one,),), ((other,),) = (t.read(rows, 0, 3) for t in (found, narrow))
    np.testing.assert_array_equal(one, other)
  assert list(tmp_path.iterdir()) == [alive]


def test_without_room_for_a_copy_the_store_is_read(tmp_path, monkeypatch):
  data = learned.data(tmp_path)
  found = _selected(data)
  monkeypatch.setattr(budget, 'free', lambda _: 0)
  with candidates.narrowed(data, found) as same:
    assert same is found


def test_the_least_memory_is_enough_for_the_heads_that_are_side_by_side(
  tmp_path, monkeypatch
):
  data = learned.data(tmp_path)
  layouts = data.features.layouts
  for beside in (1, 10_000, 2**40):
    monkeypatch.setattr(trials, 'SIDE_BY_SIDE', beside)
    for method in ('linear', 'all_l2', 'head2toe'):
      least = candidates.least_bytes(layouts, method, learned.SPACE, 3)
      options = learned.SPACE.of(method)
      size = None if method == 'linear' else 30
      with candidates.of_method(
        data, method, options, size, data.order, 0, lambda *_: None
      ) as found:
        for part in trials.groups(data, found):
          needed = part.heads_bytes(3)
          assert needed <= least
