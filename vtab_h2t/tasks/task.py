"""What every task is: labelled uint8 images in a fixed order, in splits."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files

if TYPE_CHECKING:
  import tensorflow as tf

NUM_FOLDS = 5
GROUPS = ('natural', 'specialized', 'structured', 'own')
# Of tasks that are about a shift: what kind of shift it is.
KINDS = ('none', 'real', 'input', 'feature', 'output')


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
  """Examples in order.

  Attributes:
    ids: one name for each example, unique in its task.
    labels: int64 `[n]`, 0 to classes - 1.
    images: returns a dataset of uint8 `[H, W, 3]` images in the order of `ids`.
    content: fingerprint of the images themselves (or of what stands for them,
      where hashing all of them would cost too much).
    name_unreadable: raises InputError that names the first image that cannot be
      decoded, if there is one.
    encodings: returns how many of the images are stored in which encoding (see
      `encodings.of_image`); empty where they are not read from files. It says
      nothing that the images do not, and is in no fingerprint.
    in_order: returns a split of the examples with these indices, in this order;
      None where images can only be read as they come.
  """

  ids: Sequence[str]
  labels: np.ndarray
  images: Callable[[], 'tf.data.Dataset']
  content: str
  name_unreadable: Callable[[], None] = lambda: None
  encodings: Callable[[], Mapping[str, int]] = dict
  in_order: Callable[[np.ndarray], 'Split'] | None = None

  @property
  def sha256(self) -> str:
    """Identifies the images and their order, not their labels."""
    return files.fingerprint({'ids': list(self.ids), 'content': self.content})

  def manifest_sha256(self) -> str:
    """Identifies the images, their order and their labels."""
    return files.fingerprint(
      {'images': self.sha256, 'labels': self.labels.tolist()}
    )


def array_split(
  prefix: str,
  images: np.ndarray,
  labels: np.ndarray,
  numbers: Sequence[int] | np.ndarray,
) -> Split:
  """A split held in memory.

  Args:
    prefix: first part of the example ids.
    images: uint8 `[n, H, W, 3]`.
    labels: integers `[n]`.
    numbers: `n` numbers that tell the examples apart; second part of the ids.
  """
  if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
    raise ValueError(f'not uint8 RGB images: {images.dtype} {images.shape}')
  if not len(images) == len(labels) == len(numbers):
    raise ValueError('images, labels and numbers differ in length')
  return made_split(
    tuple(f'{prefix}/{n}' for n in numbers), labels, lambda: images
  )


def made_split(
  ids: Sequence[str], labels: np.ndarray, make: Callable[[], np.ndarray]
) -> Split:
  """A split whose images a function makes, each time that they are read.

  Args:
    ids: names `[n]` of the examples.
    labels: integers `[n]`.
    make: returns the images, uint8 `[n, H, W, 3]`, always the same.
  """

  def dataset() -> 'tf.data.Dataset':
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(make())

  return Split(
    ids=ids,
    labels=np.asarray(labels, np.int64),
    images=dataset,
    content=files.sha256(np.ascontiguousarray(make()).data),
    in_order=lambda rows: made_split(
      tuple(ids[r] for r in rows),
      np.asarray(labels)[rows],
      lambda: make()[rows],
    ),
  )


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
  """The examples of a task and VTAB-1k's splits of them.

  Attributes:
    train: every example that learning may use.
    test: the test split.
    train800: indices into `train`: VTAB's 800 training examples.
    val200: the same of VTAB's 200 validation examples.
    cv: those for cross-validation; the released code's train[:1000].
  """

  train: Split
  test: Split
  train800: np.ndarray
  val200: np.ndarray
  cv: np.ndarray

  @classmethod
  def in_order(cls, train: Split, test: Split, first: int = 800) -> 'Examples':
    """The `first` examples are train800, the others val200, all of them cv."""
    every = np.arange(len(train.ids))
    return cls(train, test, every[:first], every[first:], every)


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
  """A classification task in the VTAB-1k form.

  Attributes:
    suite: 'embedded', 'shifted', 'vtab' or 'own'.
    name: task id, as in result rows.
    group: one of `GROUPS`, or of `KINDS` where the task is about a shift.
    num_classes: number of classes; labels are below it.
    load: returns the examples; called once.
    every_class: whether every class must have training examples in each fold;
      False where a task's 1000 examples are known to lack some.
    images: tasks that label the same images have the same; None if no other
      does.
    train_fraction: how many of the training examples are used.
    further: what loads further test sets with the same classes, by their names;
      nothing is chosen on them. See `further_tests`.
    source: what a network learned before it is adapted to this task, which has
      the same number of classes.
  """

  suite: str
  name: str
  group: str
  num_classes: int
  load: Callable[[], Examples]
  _: dataclasses.KW_ONLY
  every_class: bool = True
  images: str | None = None
  train_fraction: float = 1.0
  further: Mapping[str, Callable[[], Split]] = dataclasses.field(
    default_factory=dict
  )
  source: 'Task | None' = None

  @classmethod
  def of_arrays(
    cls,
    name: str,
    train: tuple[np.ndarray, Sequence[int]],
    test: tuple[np.ndarray, Sequence[int]],
    seed: int = 0,
  ) -> 'Task':
    """A task of the user's own from images in memory.

    Args:
      name: its id, as in result rows.
      train: uint8 images `[n, H, W, 3]` and labels `[n]`, 0 to classes - 1.
      test: the same of test images.
      seed: shuffles the training examples; four fifths are then train800, the
        rest val200.

    Raises:
      errors.InputError: images or labels of another form.
    """
    parts = []
    for where, given in (('train', train), ('test', test)):
      images, labels = (np.asarray(part) for part in given)
      if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise errors.InputError(
          f'task {name}: {where} images are {images.dtype} '
          f'{list(images.shape)}, not uint8 [n, H, W, 3]'
        )
      if (
        labels.shape != images.shape[:1]
        or not len(labels)
        or (labels.dtype.kind not in 'iu')
      ):
        raise errors.InputError(
          f'task {name}: {where} labels are {labels.dtype} '
          f'{list(labels.shape)}; there must be a whole number for each of '
          f'{len(images)} images'
        )
      order = np.arange(len(images))
      if where == 'train':
        np.random.default_rng(seed).shuffle(order)
      parts.append(
        array_split(f'{name}/{where}', images[order], labels[order], order)
      )
    classes = int(parts[0].labels.max()) + 1
    for part in parts:
      check_labels(f'task {name}', part, classes)
    first = max(1, len(parts[0].ids) * 4 // 5)
    return cls(
      'own',
      name,
      'own',
      classes,
      lambda: Examples.in_order(parts[0], parts[1], first),
      every_class=False,
    )

  @functools.cached_property
  def examples(self) -> Examples:
    return self.load()

  @property
  def train(self) -> Split:
    """Every example that training or cross-validation may use."""
    return self.examples.train

  @property
  def test(self) -> Split:
    return self.examples.test

  @functools.cached_property
  def further_tests(self) -> dict[str, Split]:
    """The further test sets by their names, in order.

    Raises:
      errors.InputError: one has a label that is no class of the task.
    """
    found = {name: load() for name, load in self.further.items()}
    for name, split in found.items():
      check_labels(f'task {self.name}, {name}', split, self.num_classes)
    return found

  @property
  def cv_examples(self) -> np.ndarray:
    """Indices into `train` for cross-validation."""
    return self.examples.cv

  @property
  def folds(self) -> list[np.ndarray]:
    """Validation examples of each of the five folds of `cv_examples`."""
    return np.array_split(self.cv_examples, NUM_FOLDS)

  @property
  def final_examples(self) -> np.ndarray:
    """Indices into `train` for the final heads: VTAB's train800val200."""
    return np.concatenate([self.examples.train800, self.examples.val200])

  def reduced(self, fraction: float, seed: int) -> 'Task':
    """The same task with a class-balanced part of its training examples.

    Of each class as many are kept as the paper keeps (Figure 13, Appendix I;
    see `balanced`), of the final examples and of those for cross-validation,
    each by itself. The paper samples "a new version of the task"; the released
    code takes the first of each class among all training images of the data
    set. Here they are among the task's own (VTAB-1k's 1000), so that the images
    and their features are the same, and only fewer are used.

    Args:
      fraction: how many examples to keep, above 0; 1 gives the task itself.
      seed: draws them; a smaller fraction's are among a larger one's.

    Raises:
      ValueError: a fraction out of range.
    """
    if not 0 < fraction <= 1:
      raise ValueError(f'a fraction is above 0 and at most 1, not {fraction}')
    if fraction == 1:
      return self

    def load() -> Examples:
      whole = self.examples
      labels = whole.train.labels
      kept = {
        name: part[balanced(labels[part], self.num_classes, fraction, seed)]
        for name, part in (('final', self.final_examples), ('cv', whole.cv))
      }
      return dataclasses.replace(
        whole,
        cv=kept['cv'],
        train800=np.intersect1d(kept['final'], whole.train800),
        val200=np.intersect1d(kept['final'], whole.val200),
      )

    return dataclasses.replace(
      self, load=load, every_class=False, train_fraction=fraction
    )


def balanced(
  labels: np.ndarray, classes: int, fraction: float, seed: int
) -> np.ndarray:
  """Indices of a class-balanced part (Head2Toe, Appendix I).

  Args:
    labels: integers `[n]`, below `classes`.
    classes: their number `C`; some may have no example.
    fraction: above 0, at most 1.
    seed: draws them; a smaller fraction's are among a larger one's.

  Returns:
    Ascending indices of `max(1, int(n * fraction / C))` examples of each class,
    of all where a class has fewer.
  """
  order = np.random.default_rng(seed).permutation(len(labels))
  shots = max(1, int(len(labels) * fraction / classes))
  found = [order[labels[order] == label][:shots] for label in range(classes)]
  return np.sort(np.concatenate(found))


def check_labels(where: str, split: Split, classes: int) -> None:
  """Raises InputError if a label is not below the number of classes."""
  wrong = np.flatnonzero((split.labels < 0) | (split.labels >= classes))
  if len(wrong):
    row = int(wrong[0])
    raise errors.InputError(
      f'{where}: {split.ids[row]} has label {split.labels[row]}, but the '
      f'task has {classes} classes'
    )
