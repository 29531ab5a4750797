from absl.testing import flagsaver
import pytest

from runners import run_flags
from vtab_h2t.methods import tuned
from vtab_h2t.report import jobs


@pytest.fixture
def flagvalues():
  from absl import flags
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()


def test_folders_tell_runs_apart(flagvalues):
  with flagsaver.flagsaver(workdir='w'):
    usual = run_flags.folder('tables')
    assert usual.as_posix() == (
        'w/tables/embedded-efficientnet_lite0-imagenet-all-selected-quick-exact'
        )
    with flagsaver.flagsaver(image_size=32, grid='light'):
      assert run_flags.folder('figures').name == (
          'embedded-efficientnet_lite0-imagenet-all-32-selected-light-exact')
    with flagsaver.flagsaver(source='published'):
      assert run_flags.folder('figures').as_posix() == 'w/figures/published'


def test_required_methods_join_those_of_the_grid(flagvalues):
  task, = run_flags.tasks()[:1]
  job = jobs.JOBS['accuracy']
  names = run_flags.settings(task, job, (), ['scratch']).methods
  assert names == ('linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe',
                   'scratch')
  with flagsaver.flagsaver(methods=['linear']):
    assert run_flags.settings(task, job, (), ['head2toe']).methods == (
        'linear', 'head2toe')
  reduced = jobs.JOBS['reduced']
  assert run_flags.settings(task, reduced, (), ['scratch']).methods == (
      'linear', 'head2toe')


def test_weights_of_the_control_name_both(flagvalues):
  with flagsaver.flagsaver(control='efficientnet_lite2:random'):
    jobs = jobs.JOBS
    assert run_flags.weights_name(jobs['accuracy']) == 'imagenet'
    assert run_flags.weights_name(jobs['control']) == 'imagenet+random'
    assert run_flags.weights_name(jobs['second']) == 'random'


def test_tuning_follows_the_flags(flagvalues):
  task, = run_flags.tasks()[:1]
  job = jobs.JOBS['accuracy']
  usual = run_flags.settings(task, job, ()).grid.tuning
  assert usual == tuned.Tuning(steps=(500,))
  with flagsaver.flagsaver(probe_hidden=512, probe_smoothing=0.2,
                           finetune_optimizer='adam', snr='paper',
                           finetune_unit_norm=False, head_init='head2toe'):
    assert run_flags.settings(task, job, ()).grid.tuning == tuned.Tuning(
        steps=(500,), optimizer='adam', unit_norm=False, head_init='head2toe',
        snr='paper', smoothing=0.2, hidden=512)


def test_jobs_have_the_network_they_want(flagvalues):
  with flagsaver.flagsaver(image_size=32, taps='pre_activation',
                           control='efficientnet_lite2:random'):
    load = lambda name: run_flags.load_backbone(jobs.JOBS[name])
    assert load('accuracy').tap_set == 'pre_activation'
    assert load('with_input').tap_set == 'with_input'
    assert load('control').taps == ('embedding', 'control')
    second = load('second')
    assert (second.name, second.tap_set) == ('efficientnet_lite2', 'all')
