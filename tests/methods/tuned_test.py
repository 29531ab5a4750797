from unittest import mock

import pytest

from vtab_h2t.methods import tuned


def test_results_of_runs_are_kept(tmp_path):
  images = tuned.Images(None, None, tmp_path / 'runs')
  calls = []
  for _ in range(2):
    assert images.remember(['a', 1], lambda: calls.append(1) or [3]) == [3]
  assert len(calls) == 1
  assert images.remember(['a', 2], lambda: 'other') == 'other'


@pytest.mark.parametrize('damage', [
    lambda text: '{', lambda text: text.replace('3', '5', 1),
    lambda text: '[1]', lambda text: '{}'])
def test_a_damaged_result_is_computed_again(damage, tmp_path, caplog):
  images = tuned.Images(None, None, tmp_path)
  images.remember('a', lambda: [3])
  path, = tmp_path.iterdir()
  path.write_text(damage(path.read_text()))
  assert images.remember('a', lambda: [4]) == [4]
  assert 'is damaged; the run is done again' in caplog.text
  assert images.remember('a', lambda: [5]) == [4]


def test_a_folder_that_another_process_removes_is_no_failure(tmp_path):
  images = tuned.Images(None, None, tmp_path / 'runs')
  with mock.patch('os.replace', side_effect=FileNotFoundError):
    assert images.remember('a', lambda: 1) == 1


def test_defaults_are_the_papers():
  tuning = tuned.Tuning()
  assert tuning.learning_rates == (0.1, 0.01) and tuning.steps == (500, 5000)
  assert len(tuning.lp_ft_learning_rates) == 6
  assert tuning.surgical_learning_rates == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
  assert tuning.optimizer == 'sgd' and tuning.head_init == 'fresh'
