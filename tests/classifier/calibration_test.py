import dataclasses

import numpy as np
import pytest
from scipy import optimize
from scipy import special
from scipy import stats
from sklearn import calibration as sklearn_calibration

from vtab_h2t.classifier import calibration


def _overconfident(count=4000, factor=2.5, seed=0):
  """Logits whose true temperature is `factor`, and labels that fit them."""
  rng = np.random.default_rng(seed)
  logits = rng.normal(0, 2, (count, 4))
  true = special.softmax(logits, axis=1)
  labels = (rng.random((count, 1)) > true.cumsum(axis=1)).sum(axis=1)
  return (factor * logits).astype(np.float32), labels


def test_temperature_is_what_another_minimiser_finds():
  logits, labels = _overconfident(count=300)
  doubt = 1 / len(labels)

  def loss(parameter):
    logs = special.log_softmax(
      logits.astype(float) / np.exp(parameter[0]), axis=1
    )
    return -(
      logs[np.arange(len(labels)), labels].sum()
      + doubt * logs.mean(axis=1).sum()
    )

  wanted = np.exp(optimize.minimize(loss, [0.0], method='Nelder-Mead').x[0])
  assert calibration.fitted(logits, labels) == pytest.approx(wanted, rel=1e-3)


def test_temperature_is_recovered_and_mends_the_calibration_error():
  logits, labels = _overconfident(count=20_000)
  found = calibration.fitted(logits, labels)
  assert found == pytest.approx(2.5, rel=0.05)
  before = calibration.probabilities(logits, 1.0)
  after = calibration.cross_fitted(logits, labels)
  correct = before.argmax(axis=1) == labels
  np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
  error = [
    calibration.calibration_error(
      calibration.reliability(p.max(axis=1), correct)
    )
    for p in (before, after)
  ]
  assert error[0] > 0.1 and error[1] < 0.01


def test_answers_that_are_all_right_do_not_become_certainties():
  labels = np.arange(40) % 2
  logits = 5 * np.eye(2, dtype=np.float32)[labels]
  found = calibration.probabilities(logits, calibration.fitted(logits, labels))
  # Of 41 images one with a random label: half of it is wrong.
  np.testing.assert_allclose(found.max(axis=1), 1 - 0.5 / 41, rtol=1e-3)


@pytest.mark.parametrize('count', [0, 3])
def test_where_there_is_nothing_to_fit_nothing_changes(count):
  logits = np.ones((count, 3), np.float32)
  labels = np.zeros(count, int)
  assert calibration.fitted(logits, labels) == 1
  assert calibration.temperature(logits, labels) == 1
  assert dataclasses.astuple(calibration.gain(logits, labels)) == (0, 0, 0)


def test_probabilities_that_are_true_are_left_as_they_are():
  """Of few images, the fitted temperature would be far off."""
  fitted, used = [], []
  for seed in range(40):
    logits, labels = _overconfident(count=30, factor=1.0, seed=seed)
    fitted.append(calibration.fitted(logits, labels))
    used.append(calibration.temperature(logits, labels))
  assert np.ptp(fitted) > 0.5
  # Of forty at most one, on average.
  assert np.sum(np.array(used) != 1) <= 3


@pytest.mark.parametrize('factor', [0.4, 2.5])
def test_temperature_is_used_where_its_gain_is_above_chance(factor):
  few = _overconfident(count=12, factor=factor)
  assert calibration.gain(*few).low < 0 and calibration.temperature(*few) == 1
  many = _overconfident(count=600, factor=factor)
  gain = calibration.gain(*many)
  assert 0 < gain.low < gain.mean < gain.high
  found = calibration.temperature(*many)
  assert found == calibration.fitted(*many) == pytest.approx(factor, rel=0.25)


def test_right_answers_alone_do_not_make_a_classifier_surer():
  """Without a mistake each label gains, but nothing is known of mistakes."""
  rng = np.random.default_rng(0)
  labels = np.arange(40) % 3
  logits = np.eye(3)[labels] * 4 + rng.normal(0, 0.3, (40, 3))
  assert (logits.argmax(axis=1) == labels).all()
  assert calibration.fitted(logits, labels) < 0.95
  assert calibration.temperature(logits, labels) == 1


def test_gain_is_what_is_gained_on_other_images():
  logits, labels = _overconfident(count=60)
  found = calibration.gain(logits, labels)
  after = np.log(calibration.cross_fitted(logits, labels).astype(float))
  before = special.log_softmax(logits.astype(float), axis=1)
  rows = np.arange(60)
  gained = [*(after - before)[rows, labels], (after - before).mean()]
  interval = stats.ttest_1samp(gained, 0).confidence_interval(0.95)
  np.testing.assert_allclose(
    dataclasses.astuple(found), (np.mean(gained), *interval), rtol=1e-3
  )


def test_errors_are_those_of_the_temperature_that_is_used():
  logits, labels = _overconfident(count=400)
  kept = calibration.Scaled.of(logits, labels, 1.0)
  np.testing.assert_array_equal(kept.before, kept.after)
  assert kept.errors().before == kept.errors().after
  found = calibration.Scaled.of(logits, labels, 2.5).errors()
  assert found.before == kept.errors().before > 2 * found.after
  assert found.before_by_chance == kept.errors().by_chance
  # What is less sure differs more, so that chance does more, too.
  assert found.by_chance > found.before_by_chance


def test_temperature_stays_in_bounds_where_answers_are_wrong():
  logits = 9 * np.eye(3, dtype=np.float32)
  found = calibration.fitted(logits, np.array([1, 2, 0]))
  assert found == pytest.approx(calibration.HIGHEST, rel=1e-3)


def test_probabilities_are_softmax():
  logits = np.random.default_rng(0).normal(0, 30, (5, 3))
  found = calibration.probabilities(logits, 1.7)
  np.testing.assert_allclose(
    found, special.softmax(logits / 1.7, axis=1), rtol=1e-4, atol=1e-7
  )
  assert found.dtype == np.float32


def test_cross_fitting_does_not_see_the_part_it_judges():
  logits, labels = _overconfident(count=200)
  first = calibration.cross_fitted(logits, labels)
  changed = labels.copy()
  changed[7] = (labels[7] + 1) % 4
  second = calibration.cross_fitted(logits, changed)
  np.testing.assert_array_equal(first[7], second[7])
  assert (first != second).any()


def test_reliability_is_scikit_learns_curve():
  rng = np.random.default_rng(0)
  confidence = rng.random(500)
  correct = rng.random(500) < confidence
  table = calibration.reliability(confidence, correct)
  accuracy, mean = sklearn_calibration.calibration_curve(
    correct, confidence, n_bins=15
  )
  np.testing.assert_allclose(table.accuracy, accuracy)
  np.testing.assert_allclose(table.confidence, mean)
  assert table.images.sum() == 500
  assert (table.low <= table.accuracy).all()
  assert (table.accuracy <= table.high).all()


def test_ends_of_bins_belong_to_the_lower_one():
  table = calibration.reliability(
    np.array([0.0, 0.5, 0.51, 1.0]), np.array([1, 0, 1, 1], bool), bins=2
  )
  assert table.images.tolist() == [2, 2]
  # By hand: |0.5 - 0.25| and |1 - 0.755|, each of half the images.
  assert calibration.calibration_error(table) == pytest.approx(
    (0.25 + 0.245) / 2
  )


def test_error_by_chance_is_that_of_true_probabilities():
  confidence = np.full(400, 0.8)
  # The mean distance of a share of 400 from 0.8, a half-normal's.
  wanted = np.sqrt(2 / np.pi) * np.sqrt(0.8 * 0.2 / 400)
  assert calibration.error_by_chance(confidence) == pytest.approx(
    wanted, rel=0.2
  )


def test_coverage_counts_what_is_answered():
  table = calibration.coverage(
    np.array([0.4, 0.6, 0.8, 0.95]),
    np.array([False, True, False, True]),
    (0.5, 0.9, 0.99),
  )
  assert table.answered.tolist() == [3, 1, 0]
  assert table.correct.tolist() == [2, 1, 0]
  assert table.share.tolist() == [0.75, 0.25, 0.0]
  np.testing.assert_allclose(table.accuracy, [2 / 3, 1, np.nan])
  assert table.mistakes_set_aside.tolist() == [1, 2, 2]
  assert set(table.mistakes_in_all) == {2}
