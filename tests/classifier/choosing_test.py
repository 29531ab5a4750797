import numpy as np
import pytest

from tests.classifier import learned
from vtab_h2t.classifier import choosing
from vtab_h2t.classifier import fitting
from vtab_h2t.classifier import folds as folds_lib
from vtab_h2t.classifier import trials
from vtab_h2t.features import store
from vtab_h2t.heads import epochs


@pytest.mark.parametrize('beside', [trials.SIDE_BY_SIDE, 1])
def test_how_much_memory_is_allowed_changes_no_bit(
  tmp_path, monkeypatch, beside
):
  """All is kept; or nothing, and the selected columns are written to disk."""
  monkeypatch.setattr(epochs, 'section_batches', lambda _: 1)
  monkeypatch.setattr(trials, 'SIDE_BY_SIDE', beside)
  narrowed = []
  narrow = store.FeatureStore.narrowed
  monkeypatch.setattr(
    store.FeatureStore,
    'narrowed',
    lambda self, *a: narrowed.append(a) or narrow(self, *a),
  )
  found = []
  for allowed in (2**40, 0):
    data = learned.data(tmp_path, allowed)
    folds = folds_lib.folds_of(data.labels, 0.2, 0)
    choice = choosing.choose(data, 'head2toe', folds, learned.SPACE)
    head = fitting.fit(data, choice, data.order, learned.SPACE)
    found.append((choice, head))
  assert narrowed
  (one, head), (two, other) = found
  assert (one.setting, one.share) == (two.setting, two.share)
  assert one.parts == two.parts
  np.testing.assert_array_equal(one.held_out.logits, two.held_out.logits)
  np.testing.assert_array_equal(head.columns, other.columns)
  np.testing.assert_array_equal(head.head.kernel, other.head.kernel)
  assert list(tmp_path.iterdir()) == []


def test_what_is_kept_while_choosing_is_as_long_as_was_said(tmp_path):
  data = learned.data(tmp_path)
  for val_fraction in (None, 0.2):
    folds = folds_lib.folds_of(data.labels, val_fraction, 0)
    held = sum(len(f.val) for f in folds)
    said = choosing.file_bytes(folds, 'head2toe', learned.SPACE, 3)
    times = 10 if val_fraction is None else 2
    # Two rates, two fractions.
    assert said == 4 * times * 4 * held * 3
