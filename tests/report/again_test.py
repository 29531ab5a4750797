import pathlib

import pytest

from tests.report import made
from tests.report import made_shifted
from vtab_h2t.report import again


def _of(run, *commands):
  return list(dict.fromkeys(again.command(run, c) for c in commands))


def test_the_run_says_what_defaults_may_not():
  """Recorded when the default size was another."""
  run = made.run('efficientnet_lite0', image_size=96)
  (command,) = _of(run, 'python -m runners.table1 --workdir made --seeds 0,1')
  assert command == (
    'python -m runners.table1 --suite=embedded --backbone=efficientnet_lite0 '
    '--weights=imagenet --image_size=96 --grid=quick --seeds=0,1'
  )


def test_paths_of_the_machine_are_left_out_and_commands_come_once():
  recorded = (
    'python -m runners.table1 --workdir=../a --data_dir=/data/x --noresume',
    'python -m runners.table1 --workdir=../b --data_dir=/data/y --noresume',
  )
  (command,) = _of(made.run(), *recorded)
  assert '--data_dir=DIR' in command and command.endswith('--noresume')
  assert '/data' not in command and 'workdir' not in command


def _fact(task, flags, measured='linear', **more):
  return {
    'command': f'python -m runners.table1 {flags}',
    'task': task,
    'methods': [measured],
    'seeds': {measured: [0, 1]},
    'rows': [measured],
    **more,
  }


@pytest.mark.parametrize(
  'one, other, pieces',
  [
    # Tasks of their own, wherever the data lie.
    (_fact('digits', '--tasks=digits'), _fact('u', '--tasks=u'), [2]),
    (
      _fact('digits', '--tasks=digits --data_dir=/a'),
      _fact('u', '--tasks=u --data_dir=/b'),
      [2],
    ),
    # The same task twice is no piece of one command.
    (
      _fact('digits', '--tasks=digits'),
      _fact('digits', '--tasks=digits --methods=linear'),
      [1, 1],
    ),
    # What one command measured is one piece, of however many tasks.
    (_fact('digits', ''), _fact('u', '', 'knn'), [1]),
    (
      _fact('digits', '--tasks=digits'),
      _fact('u', '--tasks=u --methods=knn', 'knn'),
      [1, 1],
    ),
    (
      _fact('digits', '--tasks=digits'),
      _fact('u', '--tasks=u', seeds={'linear': [0]}),
      [1, 1],
    ),
  ],
)
def test_commands_of_other_tasks_are_one(one, other, pieces):
  parts = again.parts(made.run(), [one, other])
  assert [part.pieces for part in parts] == pieces
  assert [f for part in parts for f in part.facts] == [one, other]


def test_where_seeds_were_not_recorded_the_flag_tells():
  facts = [
    {
      k: v
      for k, v in _fact(t, f'--tasks={t} --seeds={s}').items()
      if k != 'seeds'
    }
    for t, s in (('digits', 0), ('u', 1))
  ]
  first, second = again.parts(made.run(), facts)
  assert first.command.endswith('--tasks=digits --seeds=0')
  assert second.command.endswith('--tasks=u --seeds=1')


def test_weights_have_their_name_alone():
  network = made.network()
  run = made.run(
    network=type(network)(
      backbone='vit_ti16',
      weights='/a/b/w.npz',
      sha256='5a',
      scale=1.0,
      offset=0.0,
    ),
    chosen_name='mine',
  )
  flags = again.flags(run)
  assert flags['weights'] == pathlib.PurePath('w.npz').name
  assert flags['run_name'] == 'mine'


def test_one_setting_is_as_it_was_recorded():
  run = made.run(space=made.fixed(lr=0.1, steps=5))
  (command,) = _of(
    run, 'python -m runners.table1 --grid=fixed --hparams=lr=0.1,steps=5'
  )
  assert command.endswith('--grid=fixed --hparams=lr=0.1,steps=5')


def test_the_companions_program_has_no_suite():
  run = made_shifted.all_results().run
  (command,) = _of(run, 'python -m runners.companions --only=lp_ft')
  assert command == (
    f'python -m runners.companions --image_size={run.image_size} --only=lp_ft'
  )
