import numpy as np

from vtab_h2t.heads import fraction
from vtab_h2t.heads import scores as scores_lib
from vtab_h2t.studies import base as study
from vtab_h2t.studies import scores


def test_each_score_keeps_as_many_features(measured, data, options):
  found = measured(scores.Scores(), (0,))
  assert [f['score'] for f, _ in found] == list(scores_lib.SCORES)
  assert len({f['num_features'] for f, _ in found}) == 1
  by_score = {f['score']: h.columns for f, h in found}
  (head,) = study.first_stage(data, np.arange(300), options, (0,))
  relevance = fraction.relevance_scores(head.kernel)
  np.testing.assert_array_equal(by_score['l2'], fraction.select(relevance, 0.1))
  raw = data.raw(30, np.arange(300)).numpy()
  np.testing.assert_array_equal(
    by_score['variance'], fraction.select(raw.std(axis=0), 0.1)
  )
  assert len({c.tobytes() for c in by_score.values()}) > 5


def test_scores_of_data_read_features_as_they_are(measured, data, monkeypatch):
  """Except for the group lasso, which reads what heads read."""
  read = {}

  def of_data(name, features, labels, seed, *, coefficient):
    read[name] = features
    return np.arange(features.shape[1])

  monkeypatch.setattr(scores_lib, 'of_data', of_data)
  measured(scores.Scores(), (0,))
  assert set(read) == set(scores_lib.OF_DATA)
  examples = np.arange(300)
  for name, features in read.items():
    wanted = data.matrix if name == 'group_lasso' else data.raw
    np.testing.assert_array_equal(features, wanted(30, examples))


def test_a_seed_changes_only_the_scores_that_depend_on_it(measured):
  found = measured(scores.Scores(), (0, 1))
  columns = {(f['score'], f['seed']): h.columns for f, h in found}
  same = {
    name
    for name in scores_lib.OF_DATA
    if np.array_equal(columns[name, 0], columns[name, 1])
  }
  assert same >= set(scores_lib.OF_DATA) - set(scores_lib.SEEDED)
  assert 'random' not in same
