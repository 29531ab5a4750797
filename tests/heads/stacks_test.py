import weakref

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t import errors
from vtab_h2t.heads import initial
from vtab_h2t.heads import stacks


def test_wide_heads_are_budgeted_by_what_they_hold():
  """SUN397 at the largest target size, which the paper left out."""
  head = stacks.head_bytes(1_696_552, 397)
  assert head < 4.6 * 4 * 1_696_552 * 397
  assert stacks.head_bytes(30_440, 397) == 7 * 4 * 30_440 * 397


@settings(max_examples=50, deadline=None)
@given(
  widths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
  columns=st.integers(1, 60),
)
def test_matrices_are_cut_as_their_parts_come(widths, columns):
  """Whatever the borders of parts and blocks; parts differ by matrix."""
  features = sum(widths)
  whole = np.arange(2 * 256 * features, dtype=np.float32)
  whole = whole.reshape(2, 256, features)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(stacks, '_COLUMNS', columns)
    found = stacks.blocks(
      [
        (tf.constant(part) for part in np.split(x, np.cumsum(of)[:-1], axis=1))
        for x, of in zip(whole, (widths, widths[::-1]))
      ],
      (256, features),
    )
    blocks = stacks.column_blocks(features)
  for batches, block in zip(found, blocks, strict=True):
    wanted = whole[:, :, block].reshape(2, 2, 128, -1).swapaxes(0, 1)
    np.testing.assert_array_equal(batches, wanted)


@pytest.mark.parametrize(
  'parts, said',
  [
    (np.zeros((128, 9), np.float32), r'\[128, d\] and float32, not of \(9,\)'),
    ([np.zeros((127, 9), np.float32)], r'not of \(127, 9\) and float32'),
    ([np.zeros((256, 9), np.float32)], r'not of \(256, 9\) and float32'),
    ([np.zeros((128, 9))], r'not of \(128, 9\) and float64'),
    ([tf.zeros((128, 9), tf.float16)], r'not of \(128, 9\) and float16'),
    ([np.zeros((128, 5), np.float32)], 'have 5 columns, not 9'),
    ([np.zeros((128, 5), np.float32)] * 2, 'have 10 columns, not 9'),
    ([np.zeros((128, 9), np.float32)] * 2, 'have 18 columns, not 9'),
    ([], 'have 0 columns, not 9'),
  ],
)
def test_what_is_not_parts_of_a_matrix_is_refused(parts, said):
  whole = [np.zeros((128, 9), np.float32)]
  for matrices in ([parts], [whole, parts]):
    with pytest.raises(ValueError, match=said):
      stacks.blocks(matrices, (128, 9))


def test_parts_that_are_cut_are_held_no_longer(monkeypatch):
  """Of several matrices, whose blocks are of several parts each."""
  monkeypatch.setattr(stacks, '_COLUMNS', 20)
  made, most = [], 0

  def parts():
    nonlocal most
    for _ in range(16):
      part = tf.zeros((128, 5))
      made.append(weakref.ref(part))
      most = max(most, sum(one() is not None for one in made))
      yield part

  assert len(stacks.blocks([parts(), parts()], (128, 80))) == 4
  assert len(made) == 32 and most <= 6


@pytest.mark.parametrize('columns', [4, 10])
def test_heads_that_were_not_trained_are_as_they_start(monkeypatch, columns):
  monkeypatch.setattr(stacks, '_COLUMNS', columns)
  heads = [[stacks.HeadSpec(0.1, (i, j)) for j in range(2)] for i in range(3)]
  variables = stacks.start(heads, 10, 4)
  assert len(variables.blocks) == len(stacks.column_blocks(10))
  found = stacks.trained(variables, stacks.per_head(heads, 'learning_rate'), 4)
  for of, specs in zip(found, heads, strict=True):
    for head, spec in zip(of, specs, strict=True):
      np.testing.assert_allclose(
        head.kernel, initial.kernel(spec.seed, 10, 4), rtol=1e-6
      )
      assert not head.bias.numpy().any()


def test_heads_that_are_not_finite_are_one_line():
  heads = [[stacks.HeadSpec(0.1, (0,))]]
  variables = stacks.start(heads, 3, 2)
  variables.bias.value.assign(np.full((1, 1, 2), np.nan))
  with pytest.raises(errors.InputError, match='not finite'):
    stacks.trained(variables, stacks.per_head(heads, 'learning_rate'), 2)
