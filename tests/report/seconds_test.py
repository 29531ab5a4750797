import dataclasses

from tests.report import made
from vtab_h2t.report import seconds


def test_tasks_that_were_timed_together_count_once():
  together = {
    'tasks': ['one', 'two'],
    'seconds': {'choose': {'wall': 6.0, 'cpu': 8.0}},
  }
  alone = {'task': 'three', 'seconds': {'choose': {'wall': 1.0, 'cpu': 2.0}}}
  facts = [together | {'task': t} for t in together['tasks']] + [alone]
  assert seconds.total(facts, 'wall') == 7
  assert seconds.total(facts, 'cpu') == 10


def _later(cpu=0.1):
  """A method that was measured when features were there already."""
  unit = made.with_successors(made.costly_unit(), ridge={'num_features': 1280})
  unit = dataclasses.replace(unit, rows={'ridge': unit.rows['ridge']})
  unit.facts['seconds'] |= {
    'embed train': {'cpu': cpu, 'wall': cpu},
    'choose ridge': {'cpu': 6.0, 'wall': 5.0},
  }
  unit.facts['processor'] = 'p'
  return unit


def test_a_pass_is_the_longest_of_those_on_frozen_features():
  first, later = made.costly_unit(), _later()
  tuned = made.costly_unit()
  tuned = dataclasses.replace(tuned, rows={'finetune': tuned.rows['finetune']})
  tuned.facts['seconds']['embed train'] = {'cpu': 9.0, 'wall': 9.0}
  found = seconds.passes_by_task([later, tuned, first])
  assert found == {'t': {'cpu': 4.0, 'wall': 2.0}}
  assert seconds.passes_by_task([tuned]) == {}
  assert seconds.training(later, 'ridge', 'wall', found) == 2 + 15 / 2


def test_seconds_by_method_are_of_searches():
  failed = made.costly_unit()
  failed.rows['linear'][-1]['failed'] = 'not finite'
  failed.facts['seconds']['choose linear'] = {'cpu': 1.0, 'wall': 1.0}
  assert seconds.by_method([failed, made.costly_unit(), _later()]) == {
    ('ridge', 't'): seconds.Spent(choose=3, train=4 + 15, processor='p')
  }


def test_what_failed_or_was_begun_before_is_not_whole():
  assert seconds.is_whole(made.costly_unit(), 'finetune')
  assert not seconds.is_whole(
    made.costly_unit(resumed=['finetune']), 'finetune'
  )
  failed = made.costly_unit()
  failed.rows['finetune'][-1]['failed'] = 'not finite'
  assert not seconds.is_whole(failed, 'finetune')
  assert seconds.is_whole(failed, 'linear')
