import numpy as np
import pytest
from scipy import special
from sklearn import neighbors

from vtab_h2t import errors
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import knn
from vtab_h2t.protocol import grids

_KNN = knn.Knn()


def _votes(train, labels, test, classes, k, nearest=200, temperature=0.07):
  """The class scores, one test image after the other."""
  unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
  found = []
  for similar in unit(test) @ unit(train).T:
    order = np.argsort(-similar, kind='stable')[:nearest]
    weights = special.softmax(similar[order] / temperature)
    scores = np.zeros(classes)
    for i, weight in zip(order[:k], weights[:k]):
      scores[labels[i]] += weight
    found.append(scores)
  return np.array(found)


def _space(space, *neighbours, **options):
  return space.changed({'knn': {'neighbours': neighbours, **options}})


def test_candidates_are_dinov2s():
  paper = grids.paper('resnet50')
  assert [c.neighbours for c in _KNN.candidates(paper)] == [10, 20, 100, 200]
  assert paper.of('knn').nearest == 200 and paper.of('knn').temperature == 0.07
  assert _KNN.candidates(paper)[0].as_row() == {'neighbours': 10}
  assert _KNN.target_sizes(paper) == ()
  assert _KNN.candidates(grids.get('fixed', 'y', 'k=3')) == [
    knn.Setting(neighbours=3)
  ]
  with pytest.raises(errors.InputError, match='no k for knn'):
    _KNN.candidates(grids.get('fixed', 'y', 'lr=3'))


@pytest.mark.parametrize('rule', ['selected', 'none', 'feature'])
def test_scores_are_those_of_brute_force(rule, data, examples, space):
  """Embeddings have unit norm whatever the run's rule."""
  own = data_lib.TrainingData(
    data.features, data.labels, data.classes, rule, data.memory_bytes
  )
  train, test = examples[:240], examples[240:]
  # 200 of 240 share the weight, or k; more than 240 do not exist.
  for k, nearest in ((3, 200), (150, 200), (1000, 1000), (30, 10), (220, 200)):
    options = _space(space, k, nearest=nearest, temperature=0.2)
    one, other = _KNN.fit(
      own, train, knn.Setting(neighbours=k), options, (0, 1)
    )
    assert one is other and one.rule == 'selected'
    assert (one.target_size, one.columns) == (None, None)
    assert one.measures == {'num_features': 9, 'num_examples': 240}
    wanted = _votes(
      own.embedding(train),
      own.labels[train],
      own.embedding(test),
      3,
      k,
      max(k, nearest),
      0.2,
    )
    scores = one.head.logits(own.matrix(None, test, rule='selected'))
    np.testing.assert_allclose(scores, wanted, atol=1e-4)
    # What the k nearest do not have of the weight, no class has.
    assert (scores.numpy().sum(axis=1) < 1 - 1e-3).all() == (k < nearest)


@pytest.mark.parametrize('k', [1, 20, 150])
def test_shares_of_the_votes_are_scikit_learns(k, hard, folds, space):
  """Which votes by weights that need not add up to 1."""
  train, val = folds[0].train, folds[0].val
  model = neighbors.KNeighborsClassifier(
    k,
    algorithm='brute',
    metric='cosine',
    weights=lambda distances: np.exp((1 - distances) / 0.07),
  ).fit(hard.embedding(train), hard.labels[train])
  (found,) = _KNN.fit(
    hard, train, knn.Setting(neighbours=k), _space(space, k), (0,)
  )
  votes = found.head.logits(hard.matrix(None, val, rule='selected')).numpy()
  np.testing.assert_allclose(
    votes / votes.sum(axis=1, keepdims=True),
    model.predict_proba(hard.embedding(val)),
    atol=1e-4,
  )


@pytest.mark.parametrize('batch_size', [128, 25])
def test_validation_counts_what_brute_force_has_right(
  batch_size, hard, folds, space, monkeypatch
):
  monkeypatch.setattr(knn, '_BATCH_SIZE', batch_size)
  options = _space(space, 1, 20, 150)
  results = _KNN.validate(hard, folds, options, 0)
  assert list(results) == _KNN.candidates(options)
  for setting, counts in results.items():
    for fold, count in zip(folds, counts, strict=True):
      votes = _votes(
        hard.embedding(fold.train),
        hard.labels[fold.train],
        hard.embedding(fold.val),
        3,
        setting.neighbours,
      )
      wanted = (votes.argmax(axis=1) == hard.labels[fold.val]).sum()
      assert abs(count - wanted) <= 1  # Rounding of near ties.
  assert len(set(map(tuple, results.values()))) > 1


def test_a_training_image_is_its_own_nearest(data, examples, space):
  (found,) = _KNN.fit(
    data, examples, knn.Setting(neighbours=1), _space(space, 1), (0,)
  )
  assert data.heads.correct(None, examples, found.head) == 300
