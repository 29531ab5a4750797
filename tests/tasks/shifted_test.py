import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import bases
from vtab_h2t.tasks import corruptions
from vtab_h2t.tasks import manifest
from vtab_h2t.tasks import shifted
from vtab_h2t.tasks import task as task_lib


def _images(split, count=None):
  images = split.images() if count is None else split.images().take(count)
  return np.stack(list(images.as_numpy_iterator()))


def _clean(split):
  """Ids without the shift."""
  return {'/'.join(i.split('/')[:-1]) for i in split.ids}


@pytest.mark.parametrize('name', shifted.names())
def test_declared_task(name):
  task = shifted.task(name)
  base = bases.BASES[name.partition('.')[0]]
  assert (task.suite, task.name) == ('shifted', name)
  assert task.num_classes == len(base.classes)
  assert task.images is None and task.every_class
  assert bool(task.further) == (name in shifted.PAIRS)
  assert (task.source is not None) == (name in shifted.TARGETS)
  if name in shifted.PROBED:
    assert task.group in task_lib.GROUPS
  else:
    assert task.group in task_lib.KINDS
  if task.source:
    assert task.source is shifted.task(name).source  # It is read once.
    assert task.source.num_classes == task.num_classes


def test_every_kind_of_shift_is_declared():
  groups = {n: shifted.task(n).group for n in shifted.PAIRS + shifted.TARGETS}
  assert set(groups.values()) == set(task_lib.KINDS)
  assert groups['photo_patches.same'] == 'none'
  assert groups['digits.to.mnist_5k'] == 'real'
  assert groups['photo_patches.to.corrupted'] == 'input'
  assert groups['mnist_pairs.odd'] == 'feature'
  assert groups['mnist_colour.to.reversed'] == 'output'


def test_pair_of_two_data_sets():
  task = shifted.task('digits.to.mnist_5k')
  plain = shifted.task('digits')
  assert task.train.manifest_sha256() == plain.train.manifest_sha256()
  assert task.test.manifest_sha256() == plain.test.manifest_sha256()
  (split,) = task.further_tests.values()
  other = shifted.task('mnist_5k').test
  assert split.manifest_sha256() == other.manifest_sha256()
  assert not set(split.ids) & {*task.train.ids, *task.test.ids}
  assert manifest.sha256(task) != manifest.sha256(plain)


def test_pair_with_a_corruption_that_nothing_declares():
  task = shifted.task('digits.to.contrast2')
  (split,) = task.further_tests.values()
  assert list(task.further) == ['contrast2'] and task.group == 'input'
  np.testing.assert_array_equal(
    _images(split, 9),
    corruptions.corrupt(
      _images(task.test, 9), 'contrast', 2, task.test.ids[:9]
    ),
  )
  np.testing.assert_array_equal(split.labels, task.test.labels)
  assert _clean(split) == set(task.test.ids)
  assert list(shifted.task('digits.to.corrupted').further) == list(
    corruptions.SHIFTS
  )


def test_pair_of_reversed_colours():
  task = shifted.task('mnist_colour.to.reversed')
  split = task.further_tests['reversed']
  assert split.ids == task.test.ids
  np.testing.assert_array_equal(split.labels, task.test.labels)
  corner = _images(split)[:, 0, 0]
  source = _images(task.test)[:, 0, 0]
  for digit in range(10):  # The commonest background is that of 9 - digit.
    backgrounds = corner[split.labels == digit]
    values, counts = np.unique(backgrounds, axis=0, return_counts=True)
    others = source[task.test.labels == 9 - digit]
    theirs, times = np.unique(others, axis=0, return_counts=True)
    assert (values[counts.argmax()] == theirs[times.argmax()]).all()


@pytest.mark.parametrize(
  'name',
  [
    'photo_patches.same',
    'photo_classes.photographs',
    'mnist_5k.noise5',
    'mnist_pairs.odd',
    'mnist_colour.reversed',
    'digits.jpeg1',
  ],
)
def test_target(name):
  task, base = shifted.task(name), name.partition('.')[0]
  splits = task.source.train, task.source.test, task.train, task.test
  corrupted = corruptions.parse(name.partition('.')[2]) is not None
  ids = [
    *splits[0].ids,
    *splits[1].ids,
    *(_clean(splits[2]) if corrupted else splits[2].ids),
    *(_clean(splits[3]) if corrupted else splits[3].ids),
  ]
  assert len(set(ids)) == len(ids) == sum(len(s.ids) for s in splits)
  for split in splits:
    counts = np.bincount(split.labels, minlength=task.num_classes)
    assert len(set(counts.tolist())) == 1 and counts[0] > 0
    assert _images(split, 1).shape == (1, 64, 64, 3)
  shots = 50 if base == 'digits' else bases.SHOTS
  labels = task.train.labels
  assert set(np.bincount(labels[task.examples.train800])) == {shots}
  for fold in task.folds:
    rest = np.setdiff1d(task.cv_examples, fold)
    assert np.bincount(labels[rest], minlength=task.num_classes).min() >= 20


def test_shifts_of_a_base_have_the_same_images():
  same, flipped, permuted, noise = (
    shifted.task(f'digits.{s}')
    for s in ('same', 'flipped', 'permuted', 'noise3')
  )
  for part in ('train', 'test'):
    clean = getattr(same, part)
    labels = clean.labels
    assert getattr(flipped, part).sha256 == clean.sha256
    assert getattr(permuted, part).sha256 == clean.sha256
    assert _clean(getattr(noise, part)) == set(clean.ids)
    np.testing.assert_array_equal(getattr(noise, part).labels, labels)
    np.testing.assert_array_equal(getattr(flipped, part).labels, 9 - labels)
    changed = getattr(permuted, part).labels
    np.testing.assert_array_equal(changed, shifted.derangement(10)[labels])
    np.testing.assert_array_equal(
      _images(getattr(noise, part), 3),
      corruptions.corrupt(_images(clean, 3), 'noise', 3, clean.ids[:3]),
    )
  assert len({manifest.sha256(t) for t in (same, flipped, permuted)}) == 3


@pytest.mark.parametrize('classes', range(2, 20))
def test_a_derangement_leaves_no_label(classes):
  found = shifted.derangement(classes)
  assert sorted(found) == list(range(classes))
  assert (found != np.arange(classes)).all()
  np.testing.assert_array_equal(found, shifted.derangement(classes))


@pytest.mark.parametrize(
  'name, message',
  [
    (
      'digits.to.photo_patches',
      'digits and photo_patches have different labels.*choose from mnist_5k',
    ),
    ('mnist_5k.to.mnist_pairs', 'different labels'),
    ('digits.to.digits', "digits has no pair with 'digits'; choose from"),
    ('digits.to.instances', "digits has no pair with 'instances'"),
    ('digits.to.flipped', "no pair with 'flipped'"),
    ('digits.instances', "no shift 'instances'; choose from same, flipped"),
    ('solids_category.odd', "'odd'; choose from same, .*, instances, or"),
    ('mnist_5k.', "mnist_5k has no shift ''"),
    ('mnist_5k.noise7', 'task mnist_5k.noise7: .* severity 7; .*1, 2, 3, 4, 5'),
    ('mnist_5k.to.blur0', 'task mnist_5k.to.blur0: .* no severity 0'),
    ('mnist_5k.noise', 'noise lacks a severity; write noise1 to noise5'),
    ('cifar', "unknown task 'cifar' in suite shifted; .*photo_patches, digits"),
    ('cifar.noise5', "unknown task 'cifar.noise5'"),
    ('scan_patches', "unknown task 'scan_patches'"),
  ],
)
def test_bad_names_are_one_line(name, message):
  with pytest.raises(errors.InputError, match=message) as e:
    shifted.task(name)
  assert '\n' not in str(e.value)
