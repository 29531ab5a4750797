import numpy as np
import pytest

from tests import testing
from vtab_h2t.classifier import budget
from vtab_h2t.classifier import choosing
from vtab_h2t.classifier import trials
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.features import store
from vtab_h2t.heads import epochs

_SPACE = testing.tiny_space(
  folds=(), head2toe={'coefficients': (1e-5,), 'fractions': (0.1, 0.5)}
)


@pytest.fixture(scope='module')
def task():
  return testing.tiny_task()


@pytest.fixture(scope='module')
def features(task, tmp_path_factory):
  return store.open_or_compute(
    tmp_path_factory.mktemp('features'),
    extraction.Extractor(testing.tiny_backbone(), (30,)),
    task.train,
    testing.no_progress,
  )


def _data(task, features, folder, allowed=2**40):
  count = len(task.train.labels)
  return trials.Data(
    features=features,
    labels=task.train.labels,
    order=np.random.default_rng(0).permutation(count),
    classes=task.num_classes,
    seed=0,
    memory=budget.Memory(allowed),
    folder=folder,
    steps=30,
  )


def test_what_fits_in_memory_changes_nothing(
  task, features, tmp_path, monkeypatch
):
  """All is kept; or nothing, and the selected columns are written to disk."""
  monkeypatch.setattr(epochs, 'section_batches', lambda _: 1)
  narrowed = []
  narrow = store.FeatureStore.narrowed
  monkeypatch.setattr(
    store.FeatureStore,
    'narrowed',
    lambda self, *a: narrowed.append(a) or narrow(self, *a),
  )
  found = []
  for allowed in (2**40, 0):
    data = _data(task, features, tmp_path, allowed)
    folds = choosing.folds_of(data.labels, 0.2, 0)
    choice = choosing.choose(data, 'head2toe', folds, _SPACE)
    head = choosing.fit(data, choice, data.order, _SPACE)
    found.append((choice, head))
  assert narrowed
  (one, head), (two, other) = found
  assert (one.setting, one.share) == (two.setting, two.share)
  np.testing.assert_allclose(
    one.held_out.logits, two.held_out.logits, atol=1e-5
  )
  np.testing.assert_array_equal(head.columns, other.columns)
  np.testing.assert_allclose(head.head.kernel, other.head.kernel, atol=1e-5)
  assert list(tmp_path.iterdir()) == []


def test_trials_read_what_their_heads_are_for(task, features, tmp_path):
  data = _data(task, features, tmp_path)
  rows = data.order[:200]
  with trials.of_method(
    data, 'head2toe', _SPACE.of('head2toe'), 30, rows, 0, lambda *_: None
  ) as found:
    assert len(found.every) == 4
    whole = trials.Run(data, found, rows)
    whole.train_to(1, lambda *_: None)
    assert whole.steps == 2 * data.epochs(200) == 30
    matrices = list(
      found.of([[[m] for m in s] for s in found.read(rows, 3, 9)])
    )
  for trial, matrix in matrices:
    wanted = normalization.design_matrix(
      features.rows(30, rows[3:9]), features.layouts[30], None, trial.columns
    )
    np.testing.assert_allclose(matrix, wanted, rtol=1e-5)
  assert [len(t.columns) for t, _ in matrices] == [6, 6, 34, 34]


def test_a_part_of_the_images_has_some_of_each_class(task, features, tmp_path):
  data = _data(task, features, tmp_path)
  quarter, half = (data.part(data.order, s) for s in (0.25, 0.5))
  assert set(quarter) < set(half)
  for part, share in ((quarter, 0.25), (half, 0.5)):
    whole = np.bincount(data.labels)
    np.testing.assert_allclose(
      np.bincount(data.labels[part]), whole * share, atol=1
    )
  assert len(data.part(data.order, 1e-9)) == 3


def test_few_images_have_more_passes(task, features, tmp_path):
  data = _data(task, features, tmp_path)
  assert [data.epochs(n) for n in (60, 300, 10_000)] == [30, 10, 10]


def test_heads_are_trained_in_groups_where_they_are_large(
  task, features, tmp_path
):
  data = _data(task, features, tmp_path)
  with trials.of_method(
    data,
    'all_l2',
    _SPACE.of('all_l2'),
    30,
    data.order,
    0,
    lambda *_: None,
  ) as found:
    one = found.heads_bytes(3) // len(found.every)
    for most, sizes in ((1, [1] * 4), (2 * one, [2, 2]), (2**40, [4])):
      groups = list(found.groups(3, most))
      assert [len(g.every) for g in groups] == sizes
      assert [t for g in groups for t in g.every] == list(found.every)
