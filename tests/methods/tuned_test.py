from vtab_h2t.methods import tuned


def test_results_of_runs_are_kept(tmp_path):
  images = tuned.Images(None, None, tmp_path / 'runs')
  calls = []
  for _ in range(2):
    assert images.remember(['a', 1], lambda: calls.append(1) or [3]) == [3]
  assert len(calls) == 1
  assert images.remember(['a', 2], lambda: 'other') == 'other'
  for path in (tmp_path / 'runs').iterdir():
    path.write_text('{')  # Damaged: computed again.
  assert images.remember(['a', 1], lambda: [4]) == [4]


def test_defaults_are_the_papers():
  tuning = tuned.Tuning()
  assert tuning.learning_rates == (0.1, 0.01) and tuning.steps == (500, 5000)
  assert len(tuning.lp_ft_learning_rates) == 6
  assert tuning.surgical_learning_rates == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
  assert tuning.optimizer == 'sgd' and tuning.head_init == 'fresh'
