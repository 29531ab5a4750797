"""What is declared for the companion papers, and the runs that it makes."""

import json

import pytest

from vtab_h2t.methods import lp_ft
from vtab_h2t.protocol import companions
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import jobs
from vtab_h2t.tasks import shifted

_LITE0 = run_lib.Network(
  backbone='efficientnet_lite0',
  weights='imagenet',
  sha256='a' * 64,
  scale=1 / 128,
  offset=-1.0,
)
_SMALL = run_lib.Network(
  backbone='resnet26',
  weights='random',
  sha256='b' * 64,
  scale=1 / 127.5,
  offset=-1.0,
)


def _run(name=companions.FULL, **changes):
  return run_lib.Run(
    **{
      'suite': 'shifted',
      'data_source': None,
      'network': _LITE0,
      'image_size': 64,
      'space': companions.space(name),
    }
    | changes
  )


def _small(run):
  (found,) = jobs.JOBS[jobs.SURGICAL_SMALL].derive(run, _SMALL)
  return found


def test_names_of_runs():
  assert _run().name == 'shifted-lite0-64px-companions'
  assert _run('companions_quick').name == 'shifted-lite0-64px-companions_quick'
  small = _small(_run())
  assert small.name == (
    'shifted-lite0-64px-companions.surgical_small.resnet26-bbbbbbbb'
  )
  assert small.parent == _run().id and small.job == 'surgical_small'
  # What is not as declared has its id in its name.
  changed = _run().space.changed({'lp_ft_shift': {'epochs': 21}})
  other = _run(space=changed)
  assert other.name == f'shifted-lite0-64px-companions-{other.id[:8]}'


@pytest.mark.parametrize('name', [companions.FULL, companions.QUICK])
def test_runs_are_read_as_they_were_written(name):
  for run in (_run(name), _small(_run(name))):
    text = json.dumps(run.as_json())
    again = run_lib.from_json(json.loads(text), run.name)
    assert again == run and again.id == run.id and again.name == run.name


def test_runs_differ():
  runs = [_run(), _run(companions.QUICK)]
  runs += [_small(run) for run in runs]
  assert len({run.id for run in runs}) == len({run.name for run in runs}) == 4


def test_every_declared_task_is_of_its_papers_form():
  assert companions.TASKS == {
    'lp_ft': shifted.PAIRS,
    'surgical': shifted.TARGETS,
    'head_probe': shifted.PROBED,
  }
  for name in companions.NAMES:
    declared = companions.TASKS[name]
    assert set(companions.QUICK_TASKS[name]) <= set(declared)
    for task in map(shifted.task, declared):
      takers = [n for n in companions.NAMES if companions.takes(n, task)]
      assert takers == [name]


def test_one_shift_of_each_kind_stands_for_the_others():
  kinds = [shifted.task(name).group for name in companions.OF_EACH_KIND]
  assert kinds == ['input', 'feature', 'output']
  assert set(companions.OF_EACH_KIND) <= set(shifted.TARGETS)


def test_rates_and_grids_that_were_declared():
  space = companions.space(companions.FULL)
  one = space.of('lp_ft_shift')
  assert one.learning_rates == (1e-5, 1e-4, 1e-3, 1e-2)
  assert (one.epochs, one.batch) == (20, 64) and len(lp_ft.C_PATH) == 50
  assert space.of('head_probe_energy').taus == (0, 1, 2, 4, 8, 16, 32, 64)
  assert space.of('head_probe_energy').hidden == (0, 512)
  assert space.of('surgical_shift').source_start == 'pretrained'
  assert space.of('surgical_shift').shots == (20,)
  assert space.of('surgical_shift').modes == ('inference',)


def test_the_small_network_is_trained_from_scratch_and_has_the_ablation():
  small = companions.small_space(companions.space(companions.FULL))
  usual = small.of('surgical_shift')
  assert usual.source_start == 'random'
  assert (usual.shots, usual.modes) == ((20,), ('inference',))
  for task in companions.OF_EACH_KIND:
    many = small.of_task(task).of('surgical_shift')
    assert many.shots == (20, 100) and many.source_start == 'random'
    assert many.modes == ('inference', 'training')
  assert small.of_task('mnist_5k.noise5') is small
  quick = companions.small_space(companions.space(companions.QUICK))
  assert not quick.by_task
  assert quick.of('surgical_shift').modes == ('inference',)
  assert quick.of('surgical_shift').source_start == 'random'


@pytest.mark.soak
@pytest.mark.parametrize(
  'name',
  [
    'photo_patches.same',
    'mnist_5k.flipped',
    'solids_category.instances',
  ],
)
def test_targets_have_images_enough_and_choose_on_their_own(name):
  """Crops to choose on share no pixel with those to train on."""
  task = shifted.task(name)
  (number,) = companions.space(companions.FULL).folds
  fold = task.folds[number]
  assert set(fold) == set(task.examples.val200)
  for label in range(task.num_classes):
    assert (task.train.labels[fold] == label).sum() >= 20
    assert (task.train.labels[task.examples.train800] == label).sum() >= 100
