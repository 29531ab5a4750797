import numpy as np
import pytest

from vtab_h2t.training import checkpoint


class _Trainer:
  """Two arrays."""

  def __init__(self):
    self.values = [np.arange(3.0), np.ones((2, 2))]

  def state(self):
    return self.values

  def restore(self, values):
    self.values = values


def test_state_is_written_and_read(tmp_path):
  path = tmp_path / 'runs' / 'x.npz'
  written, read = _Trainer(), _Trainer()
  written.values[0] += 7
  checkpoint.Checkpoint(path, 0).save(written, 12, [5, 0, 7])
  assert checkpoint.Checkpoint(path).load(read) == (12, [5, 0, 7])
  for value, other in zip(read.values, written.values, strict=True):
    np.testing.assert_array_equal(value, other)
  checkpoint.Checkpoint(path).remove()
  assert not path.exists()


def test_nothing_is_written_too_soon(tmp_path):
  checkpoint.Checkpoint(tmp_path / 'x.npz', 60).save(_Trainer(), 1, [])
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('content', [None, b'', b'PK\x03\x04', b'no zip'])
def test_none_or_a_damaged_one_starts_at_the_beginning(tmp_path, content):
  path = tmp_path / 'x.npz'
  if content is not None:
    path.write_bytes(content)
  trainer = _Trainer()
  assert checkpoint.Checkpoint(path).load(trainer) == (0, [])
  assert (trainer.values[0] == np.arange(3)).all()
