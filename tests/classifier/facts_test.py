import numpy as np
import pytest

from vtab_h2t.classifier import facts


@pytest.mark.parametrize(
  'labels', [['a', 'b'], [-1, 7], [0.5, 2.0], [False, True]]
)
def test_labels_are_what_they_were(labels):
  given = np.array(labels)
  kind = facts.label_type(given)
  found = facts.labels_of(
    {'classes': [str(label) for label in given], 'label_type': kind}
  )
  assert found == labels
  assert np.array(found).dtype.kind == given.dtype.kind


def test_labels_of_an_earlier_format_are_names():
  assert facts.labels_of({'classes': ['1', '2']}) == ['1', '2']
  assert facts.label_type(np.array(['a', 'b'], dtype=object)) == 'str'
