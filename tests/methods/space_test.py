import dataclasses

import pytest

from vtab_h2t import errors
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.studies import registry as studies


def _setting(rate, steps=500):
  return linear.Setting(learning_rate=rate, steps=steps)


def test_a_setting_as_row_has_no_empty_fields():
  assert _setting(0.1).as_row() == {'learning_rate': 0.1, 'steps': 500}
  assert head2toe.Setting(
    learning_rate=0.1,
    steps=500,
    target_size=256,
    coefficient=0.0,
    fraction=0.01,
  ).as_row() == {
    'learning_rate': 0.1,
    'steps': 500,
    'target_size': 256,
    'coefficient': 0.0,
    'fraction': 0.01,
  }


def test_the_setting_with_the_most_answers_over_all_folds_is_chosen():
  one, two = _setting(0.1), _setting(0.01)
  assert space_lib.choose({one: [9, 0], two: [5, 5]}) == two
  assert space_lib.choose({one: [9, 2], two: [5, 5]}) == one


def test_ties_go_to_the_first():
  one, two, three = _setting(0.1), _setting(0.01), _setting(0.1, 5000)
  assert space_lib.choose({one: [3, 4], two: [4, 3], three: [2, 4]}) == one
  assert space_lib.choose({three: [1, 4], two: [4, 3], one: [3, 4]}) == two


def test_one_that_failed_is_chosen_only_if_all_did():
  bad = space_lib.Failure('not finite')
  one, two = _setting(0.1), _setting(0.01)
  assert space_lib.choose({one: [99, bad], two: [0, 0]}) == two
  assert space_lib.choose({one: [bad, bad], two: [0, 0]}) == two
  assert space_lib.choose({one: [99, bad], two: [bad, bad]}) == one
  assert space_lib.choose({one: [bad, bad], two: [99, bad]}) == one


def _space(**by_task):
  return space_lib.Space(
    name='mine',
    folds=(1,),
    by_task=by_task,
    options={'linear': linear.Options(steps=(7,)), 'other': linear.Options()},
  )


def test_options_are_found_by_method():
  assert _space().of('linear').steps == (7,)
  with pytest.raises(
    errors.InputError, match='^the grid mine has no options for head2toe; '
  ):
    _space().of('head2toe')


def test_a_task_may_have_a_space_of_its_own():
  own = _space().changed({'linear': {'steps': (9,)}})
  space = _space(digits=own)
  assert space.of_task('digits') is own and space.of_task('dtd') is space


def test_changing_options_changes_those_of_tasks_and_nothing_else():
  own = _space().changed({'linear': {'learning_rates': (1.0,)}})
  space = _space(digits=own)
  changed = space.changed({'linear': {'steps': (9,)}})
  assert changed.of('linear') == linear.Options(steps=(9,))
  assert changed.of('other') == linear.Options()
  assert changed.of_task('digits').of('linear') == linear.Options(
    steps=(9,), learning_rates=(1.0,)
  )
  assert (changed.name, changed.folds) == ('mine', (1,))
  assert space == _space(digits=own)  # It is as it was.
  assert space.changed({}) == space


def test_an_option_that_does_not_exist_is_told():
  with pytest.raises(TypeError, match='stepz'):
    _space().changed({'linear': {'stepz': (9,)}})


def test_what_is_required_is_given_back_or_named():
  assert space_lib.require('linear', 'steps', (5,)) == (5,)
  with pytest.raises(
    errors.InputError, match='^the grid gives no steps for linear; add it'
  ):
    space_lib.require('linear', 'steps', ())


def _below(cls):
  return {cls}.union(*map(_below, cls.__subclasses__()))


_VALUES = sorted(
  (
    c
    for base in (
      space_lib.Options,
      space_lib.Setting,
      space_lib.Space,
      interface.Plan,
    )
    for c in _below(base)
    if c.__module__.startswith('vtab_h2t')
  ),
  key=lambda c: (c.__module__, c.__qualname__),
)


@pytest.mark.parametrize(
  'cls', _VALUES, ids=lambda c: f'{c.__module__}.{c.__qualname__}'
)
def test_what_says_what_is_tried_is_frozen_and_keyword_only(cls):
  assert '__dataclass_params__' in vars(cls)  # Not a base class's.
  assert cls.__dataclass_params__.frozen
  assert all(field.kw_only for field in dataclasses.fields(cls))
  with pytest.raises(TypeError, match='positional'):
    cls(1, 2, 3, 4, 5)


def test_every_measured_thing_has_options_of_its_own_kind():
  used = {
    m.options_type
    for m in (*methods.MEASURED.values(), *studies.STUDIES.values())
  }
  assert used <= set(_VALUES)
  assert {s.options_type for s in studies.STUDIES.values()} <= set(
    studies.OPTIONS.values()
  )


def test_the_only_setting_needs_no_choice():
  one, two = _setting(0.1), _setting(0.01)
  assert space_lib.only('linear', [one]) == one
  with pytest.raises(
    errors.InputError, match='^linear has 2 settings and no fold to choose on; '
  ):
    space_lib.only('linear', [one, two])
