"""When, where and for how long a run was measured, and what does it again."""

import re

import pytest

from tests.report import made
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import how_measured
from vtab_h2t.tasks import registry

_MINUTE = 60.0


def _facts(task, method, flags='', wall=100, cpu=120, **more):
  """Of a measurement that took so many minutes."""
  return {
    'task': task,
    'tasks': [task],
    'command': f'python -m runners.table1 --workdir=../else {flags}'.strip(),
    'git': {'commit': 'c0ffee' * 6 + 'abcd', 'dirty': False},
    'machine': 'Linux',
    'methods': [method],
    'packages': {'tensorflow': '2.21.0', 'keras': '3.15.1', 'other': None},
    'peak_memory_bytes': 3 * 2**29,
    'processor': 'Some CPU',
    'python': '3.11.7',
    'rows': {method: f'rows/{task}/{method}.jsonl'},
    'seconds': {'a': {'wall': wall * _MINUTE, 'cpu': cpu * _MINUTE}},
    'seeds': {method: [0, 1, 2]},
  } | more


@pytest.fixture
def written(tmp_path):
  """Writes measurements of a run, and gives what its README says of them."""

  def write(*facts, of=None, asked=None):
    of = of or made.run()
    found = list(dict.fromkeys(f['task'] for f in facts))
    names = list(dict.fromkeys(m for f in facts for m in f['rows']))
    made.write(tmp_path, of, found, names=names, jobs_=('accuracy',))
    folder = ledger_lib.Ledger(tmp_path).open(of)
    for task in found:
      folder.write_manifest({'task': task})
    for one in facts:
      folder.write_provenance(one['task'], one)
    return how_measured.markdown(folder, asked or of)

  return write


def _parts(text):
  """What is said of each command, by the command."""
  return {
    command: said
    for said, command in re.findall(
      r'^- (.*)\n\n {8}(python .*)$', text, re.MULTILINE
    )
  }


def test_it_says_when_on_what_and_how_long(written):
  """Seconds are once those of tasks that were timed together."""
  together = {'tasks': ['sprites_loc', 'shapes_count']}
  text = written(
    _facts('sprites_loc', 'linear', '--methods=linear', **together),
    _facts(
      'sprites_loc',
      'head2toe',
      '--methods=head2toe',
      **together,
      when='2026-11-28T08:00:00+00:00',
      devices=[{'cores': 2, 'model': 'Some CPU'}, {'model': 'A GPU'}],
    ),
  )
  assert 'measured on 2026-11-28, as far as the day was recorded.' in text
  assert (
    'It took 1.7 hours by the clock, its parts added up, and 2.0 hours of '
    'processor time, all cores added up.'
  ) in text
  assert 'At most 1.5 GiB' in text
  assert 'Some CPU, 2 cores, A GPU' in text
  assert '`c0ffeec0ffee`' in text
  assert [*_parts(text).values()] == [
    'Linear on sprites_loc: 50 minutes by the clock',
    'Head2Toe on sprites_loc: 50 minutes by the clock',
  ]


def test_processor_time_that_is_that_of_the_clock_is_not_told(written):
  text = written(_facts('digits', 'linear', wall=100, cpu=105))
  assert 'It took 1.7 hours by the clock. At most' in text
  assert 'processor time' not in text


def test_a_part_that_waited_has_both_times_and_says_what_that_means(written):
  text = written(
    _facts('digits', 'linear', wall=20, cpu=8),
    _facts('digits', 'finetune', '--methods=finetune', wall=50, cpu=90),
  )
  first, second = _parts(text).values()
  assert first.endswith(
    ': 20 minutes by the clock, 8 minutes of processor time'
  )
  assert second == 'Fine-tuning on digits: 50 minutes by the clock'
  assert 'what it waited for was not recorded' in text
  assert 'quiet machine' not in text  # That was measured of the main run.


def test_where_a_quiet_machine_was_measured_is_said_of_the_main_run(written):
  names = 'linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe'
  rows = {name: f'rows/digits/{name}.jsonl' for name in names}
  facts = _facts(
    'digits', 'linear', wall=20, cpu=8, methods=list(names), rows=rows
  )
  text = written(facts, of=made.main_run())
  assert (
    'How long Linear to Head2Toe take on a quiet machine is in '
    'benchmarks/README.md.'
  ) in text


def test_commands_name_no_folder_of_the_machine(written):
  text = written(
    _facts('digits', 'linear', '--methods=linear'),
    _facts('digits', 'head2toe', '--methods=head2toe'),
  )
  shown = [*_parts(text)]
  assert [c.split('--methods=')[1] for c in shown] == ['linear', 'head2toe']
  for command in shown:
    assert '--image_size=32' in command and 'workdir' not in command


def test_what_was_measured_task_by_task_is_one_command(written):
  text = written(
    *(
      _facts(task, 'finetune', f'--methods=finetune --tasks={task}', wall=60)
      for task in ('sprites_loc', 'digits')
    ),
    _facts('digits', 'scratch', '--methods=scratch --tasks=digits', wall=30),
  )
  parts = {
    command.partition('--grid=quick ')[2]: said
    for command, said in _parts(text).items()
  }
  assert parts == {
    '--methods=scratch --tasks=digits': 'Scratch on digits: 30 minutes by the '
    'clock',
    '--methods=finetune --tasks=digits,sprites_loc': 'Fine-tuning on 2 tasks: '
    '2.0 hours by the clock in 2 pieces',
  }
  assert 'Pieces are commands that measured some of the tasks each' in text


def test_all_tasks_of_a_suite_need_no_names(written):
  text = written(
    *(
      _facts(task, 'finetune', f'--methods=finetune --tasks={task}')
      for task in registry.order('embedded')
    )
  )
  assert 'This command measures it again:' in text
  assert text.count('python -m') == 1 and '--tasks' not in text


@pytest.mark.parametrize(
  'other',
  [
    {'flags': '--methods=linear --tasks=sprites_loc --noresume'},
    {'seeds': {'linear': [0]}},
  ],
)
def test_what_was_measured_otherwise_is_another_command(written, other):
  flags = '--methods=linear --tasks={}'
  text = written(
    _facts('digits', 'linear', flags.format('digits')),
    _facts(
      'sprites_loc',
      'linear',
      **{'flags': flags.format('sprites_loc')} | other,
    ),
  )
  assert len(_parts(text)) == 2 and 'pieces' not in text


def test_naming_what_is_the_default_makes_no_other_command(written):
  text = written(
    _facts('digits', 'linear', '--tasks=digits'),
    _facts('mnist_5k', 'linear', '--seeds=0,1,2 --tasks=mnist_5k'),
  )
  assert text.count('python -m') == 1
  assert '--tasks=digits,mnist_5k' in text and '--seeds=0,1,2' in text


def test_of_a_derived_run_the_command_names_the_run_that_is_asked_for(written):
  """It would be another run under the name of the derived one."""
  asked = made.run()
  text = written(
    _facts('sprites_loc', 'head2toe'),
    of=asked.derived('normalization_none', normalization='none'),
    asked=asked,
  )
  assert 'python -m runners.table1' in text
  assert '--run_name' not in text
