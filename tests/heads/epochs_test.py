import numpy as np
import pytest

from vtab_h2t.heads import epochs
from vtab_h2t.heads import stacks
from vtab_h2t.heads import sweep

_CLASSES, _N, _WIDTHS = 3, 700, (20, 7)
_SPECS = (
  [[stacks.HeadSpec(0.1, (0, 0), 1e-3), stacks.HeadSpec(0.02, (0, 1), 1e-2)]],
  [[stacks.HeadSpec(0.05, (1, s), 1e-3)] for s in range(3)],
)


@pytest.fixture(scope='module')
def data():
  """Matrices of each stack, and labels."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, _CLASSES, _N)
  matrices = []
  for width, specs in zip(_WIDTHS, _SPECS):
    centres = rng.normal(size=(_CLASSES, width))
    matrices.append(
      [
        (centres[labels] + rng.normal(size=(_N, width))).astype(np.float32)
        for _ in specs
      ]
    )
  return matrices, labels


def _sections(data, kept=0, batches=2):
  matrices, labels = data
  read = []

  def part(first, last):
    import tensorflow as tf

    read.append((first, last))
    return [[tf.constant(x[first:last]) for x in of] for of in matrices]

  found = epochs.Sections(
    epochs.Examples(part, labels, batches), _CLASSES, epochs.Allowance(kept)
  )
  return found, read


def _training(sections, penalty=None, count=3):
  return epochs.Training(
    [epochs.Stack(s, w) for s, w in zip(_SPECS, _WIDTHS)],
    sections,
    classes=_CLASSES,
    penalty=penalty,
    epochs=count,
    seed=(5,),
  )


def _kernels(training):
  return [
    head.kernel.numpy()
    for stack in training.heads()
    for of in stack
    for head in of
  ]


@pytest.mark.parametrize('penalty', [None, 'l2', 'l21'])
def test_an_epoch_is_a_sweep_in_its_order(data, penalty):
  """Of whole batches, as a sweep has one that is not whole at its end."""
  whole = [[x[:640] for x in of] for of in data[0]], data[1][:640]
  sections, _ = _sections(whole, batches=8)
  training = _training(sections, penalty, 1)
  training.train(1)
  assert training.done == training.horizon == 5
  rng = np.random.default_rng((5, 0))
  assert rng.permutation(1).tolist() == [0]  # There is one section.
  rows = np.arange(640).reshape(5, 128)[rng.permutation(5)].ravel()
  problems = [
    sweep.Problem(lambda x=x: [x[rows]], x.shape[1], whole[1][rows], heads)
    for of, specs in zip(whole[0], _SPECS)
    for x, heads in zip(of, specs)
  ]
  wanted = [
    head.kernel.numpy()
    for _, heads in sweep.train(
      problems,
      classes=_CLASSES,
      steps=5,
      penalty=penalty,
      memory_bytes=2**30,
    )
    for head in heads
  ]
  for one, two in zip(_kernels(training), wanted, strict=True):
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize('penalty', [None, 'l21'])
def test_what_is_kept_in_memory_changes_nothing(data, penalty):
  """All sections are kept, one of three is, or none."""
  found, counts = [], []
  for kept in (2**30, 256 * 4 * (20 + 3 * 7), 0):
    sections, read = _sections(data, kept)
    training = _training(sections, penalty)
    for _ in range(3):
      training.train(1)
    assert training.done == training.horizon == 18
    found.append(_kernels(training))
    counts.append(len(read))
  assert counts == [3, 7, 9]
  for other in found[1:]:
    for one, two in zip(found[0], other, strict=True):
      np.testing.assert_array_equal(one, two)


def test_epochs_at_once_are_epochs_one_by_one(data):
  found = []
  for parts in ((3,), (1, 2), (1, 1, 1)):
    training, told = _training(_sections(data, batches=8)[0]), []
    for count in parts:
      training.train(count, lambda *a: told.append(a))
    assert told[-1] == (18, 18)
    found.append(_kernels(training))
  for other in found[1:]:
    for one, two in zip(found[0], other, strict=True):
      np.testing.assert_array_equal(one, two)


def test_logits_are_those_of_the_heads_and_heads_learn(data):
  training = _training(_sections(data)[0], count=20)
  training.train(20)
  said = [
    np.zeros((len(s), len(s[0]), _N, _CLASSES), np.float32) for s in _SPECS
  ]
  for rows, found in training.logits(_sections(data, batches=4)[0]):
    for whole, part in zip(said, found, strict=True):
      whole[:, :, rows] = part
  for heads, matrices, logits in zip(training.heads(), data[0], said):
    for of, x, own in zip(heads, matrices, logits, strict=True):
      for head, one in zip(of, own, strict=True):
        np.testing.assert_allclose(head.logits(x), one, atol=1e-4)
        assert (one.argmax(axis=1) == data[1]).mean() > 0.8


def test_sections_are_of_a_size_in_memory_that_width_alone_sets():
  assert epochs.section_batches(24_344) == 5
  assert epochs.section_batches(1_696_552) == 1
  assert epochs.section_batches(9) == 128
