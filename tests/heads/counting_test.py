import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t.heads import counting

_LOGITS = np.array([[0.1, 2, 1], [3, 0, 3], [0, 0, 9]], np.float32)


@pytest.mark.parametrize('make', [np.array, tf.constant])
def test_logits_or_answers(make):
  labels = np.array([1, 0, 1])  # Of equal logits the first is the answer.
  found = counting.correct(make(_LOGITS), labels)
  assert found == 2 and type(found) is int
  assert counting.correct(make(_LOGITS.argmax(axis=1)), labels) == 2
  assert counting.correct(make(_LOGITS[:0]), labels[:0]) == 0


@pytest.mark.parametrize(
  'outputs', [_LOGITS[:2], np.array([1, 0]), np.array(1)]
)
def test_as_many_outputs_as_labels(outputs):
  with pytest.raises(ValueError, match='do not fit'):
    counting.correct(outputs, np.array([1, 0, 1]))
