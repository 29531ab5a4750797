import dataclasses
import json

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned

_FOLDS = [
  interface.Fold(1, np.arange(9), np.arange(5)),
  interface.Fold(4, np.arange(9), np.arange(6)),
]
_EXAMPLES = np.arange(11)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Options(space_lib.Options):
  rates: tuple[float, ...] = (0.1, 0.01)


class _Method(interface.Searched):
  """The right answers of a setting are given; a predictor is its seed."""

  name = 'stub'
  options_type = _Options

  def __init__(self, **counts):
    self._counts = counts or {'0.1': [1, 2], '0.01': [3, 4]}
    self.validated = self.fitted = 0

  def target_sizes(self, space):
    return ()

  def candidates(self, space):
    return [
      linear.Setting(learning_rate=rate, steps=5)
      for rate in space.of(self.name).rates
    ]

  def validate(self, data, folds, space, seed):
    assert list(folds) == _FOLDS and seed == 7
    self.validated += 1
    return {
      c: self._counts[str(c.learning_rate)] for c in self.candidates(space)
    }

  def fit(self, data, examples, setting, space, seeds):
    assert examples is _EXAMPLES
    for seed in seeds:
      self.fitted += 1
      yield setting, seed


def _plan(folds=_FOLDS, seeds=(0, 1), known=(), **options):
  space = space_lib.Space(
    name='x',
    folds=tuple(f.number for f in folds),
    options={'stub': _Options(**options)},
  )
  return interface.Plan(
    folds=folds,
    examples=_EXAMPLES,
    space=space,
    seed=7,
    seeds=seeds,
    known=known,
  )


def _val(rate, fold, total, **more):
  return {
    'learning_rate': rate,
    'steps': 5,
    'fold': fold,
    'seed': 7,
    'split': 'val',
    'total': total,
  } | more, None


def _finals(rate, seeds):
  setting = linear.Setting(learning_rate=rate, steps=5)
  return [
    ({'learning_rate': rate, 'steps': 5, 'seed': s}, (setting, s))
    for s in seeds
  ]


def test_every_candidate_is_validated_and_the_best_is_fitted():
  assert list(_Method().measure(None, _plan())) == [
    _val(0.1, 1, 5, correct=1),
    _val(0.1, 4, 6, correct=2),
    _val(0.01, 1, 5, correct=3),
    _val(0.01, 4, 6, correct=4),
    *_finals(0.01, (0, 1)),
  ]


def test_a_failure_is_in_the_row_and_not_chosen():
  bad = space_lib.Failure('not finite by step 3')
  method = _Method(**{'0.1': [5, bad], '0.01': [0, 1]})
  found = list(method.measure(None, _plan()))
  assert found[1] == _val(
    0.1, 4, 6, correct=None, failed='not finite by step 3'
  )
  assert found[-2:] == _finals(0.01, (0, 1))


def test_networks_are_trained_one_after_the_other():
  """A predictor is fitted when it is asked for: only one is held."""
  method = _Method()
  pairs = method.measure(None, _plan(seeds=(0, 1, 2)))
  for _ in range(5):
    next(pairs)
  assert method.fitted == 1
  next(pairs)
  assert method.fitted == 2


def test_what_is_chosen_does_not_depend_on_the_seeds():
  of = lambda *seeds: list(_Method().measure(None, _plan(seeds=seeds)))
  assert of(0)[:-1] == of(5, 3)[:-2] == of()
  assert of(5, 3)[-2:] == _finals(0.01, (5, 3))


def test_without_folds_the_only_setting_is_fitted():
  method = _Method()
  found = list(method.measure(None, _plan(folds=(), rates=(0.5,))))
  assert found == _finals(0.5, (0, 1)) and not method.validated


def test_several_settings_without_folds_are_refused():
  with pytest.raises(
    errors.InputError, match='^stub has 2 settings and no fold to choose on; '
  ):
    list(_Method().measure(None, _plan(folds=())))


def _as_read(pairs):
  """Validation rows as they come out of a rows file."""
  return [
    json.loads(
      json.dumps(
        {
          'schema': 2,
          'run': 'r',
          'job': 'accuracy',
          'task': 'dtd',
          'method': 'stub',
          'manifest_sha256': 'f',
        }
        | fields
      )
    )
    for fields, predictor in pairs
    if predictor is None
  ]


@pytest.mark.parametrize(
  'counts',
  [
    {'0.1': [1, 2], '0.01': [3, 4]},
    {'0.1': [4, 0], '0.01': [1, 3]},
    {'0.1': [5, space_lib.Failure('why')], '0.01': [0, 0]},
    {
      '0.1': [5, space_lib.Failure('why')],
      '0.01': [0, space_lib.Failure('also')],
    },
  ],
)
def test_known_rows_give_the_same_without_validating_again(counts):
  method = _Method(**counts)
  first = list(method.measure(None, _plan()))
  again = list(method.measure(None, _plan(seeds=(0, 1), known=_as_read(first))))
  assert again == first and method.validated == 1


def test_known_rows_may_come_in_any_order():
  method = _Method()
  first = list(method.measure(None, _plan()))
  assert list(method.measure(None, _plan(known=_as_read(first)[::-1]))) == first
  assert method.validated == 1


@pytest.mark.parametrize('lacks', range(4))
def test_where_a_known_row_is_missing_all_is_validated(lacks):
  method = _Method()
  first = list(method.measure(None, _plan()))
  known = _as_read(first)
  del known[lacks]
  assert list(method.measure(None, _plan(known=known))) == first
  assert method.validated == 2


@pytest.mark.parametrize(
  'name',
  [
    'linear',
    'all_l21',
    'head2toe',
    'all_ridge',
    'logistic',
    'knn',
    'dino_linear',
    'alf',
    'finetune',
    'linearized',
    'head2toe_ft',
    'lp_ft',
    'surgical',
    'auto_snr',
    'head_probe',
  ],
)
def test_each_methods_known_rows_are_recognised(
  name, data, tunable, folds, examples, space, monkeypatch
):
  method = registry.MEASURED[name]
  fields = {f.name for f in dataclasses.fields(method.options_type)}
  short = space.changed(
    {
      name: {
        field: value
        for field, value in (('epochs', (1,)), ('steps', (2,)))
        if field in fields
      }
    }
  )
  data = tunable if method.trains_network else data
  plan = interface.Plan(
    folds=folds, examples=examples, space=short, seed=0, seeds=(0,)
  )
  *first, (final, _) = method.measure(data, plan)
  assert len(first) >= 2 and all(p is None for _, p in first)
  monkeypatch.setattr(
    tuned.Tuned if method.trains_network else type(method), 'validate', None
  )
  *again, (same, _) = method.measure(
    data, dataclasses.replace(plan, known=_as_read(first))
  )
  assert again == first and same == final


def test_a_rows_setting_is_what_its_method_chooses_among(tmp_path):
  """Nothing else in a row that is written counts as a part of it."""
  backbone, wanted = (
    testing.tiny_backbone(),
    {
      'linear': {'learning_rate', 'steps'},
      'head2toe': {
        'learning_rate',
        'steps',
        'target_size',
        'coefficient',
        'fraction',
      },
    },
  )
  rows = testing.measure(
    tmp_path,
    testing.tiny_run(backbone, train_fraction=0.5),
    [testing.tiny_task()],
    backbone,
    wanted,
    seeds=(0,),
  )
  for method, fields in wanted.items():
    own = [r for r in rows if r['method'] == method and r['split'] == 'val']
    assert own
    for row in own:
      assert set(interface.setting_of(row)) == fields
      failed = row | interface.outcome(space_lib.Failure('why'))
      assert interface.setting_of(failed) == interface.setting_of(row)


def test_outcomes():
  assert interface.outcome(3) == {'correct': 3}
  assert interface.outcome(space_lib.Failure('why')) == {
    'correct': None,
    'failed': 'why',
  }


@pytest.mark.parametrize('name', list(registry.FROZEN))
def test_a_seeds_head_does_not_depend_on_the_other_seeds(
  name, data, examples, space
):
  method = registry.FROZEN[name]
  setting = method.candidates(space)[0]
  heads = [
    list(method.fit(data, examples, setting, space, seeds))
    for seeds in ((0, 1, 2), (1,))
  ]
  one, other = heads[0][1], heads[1][0]
  np.testing.assert_array_equal(one.columns, other.columns)
  np.testing.assert_allclose(one.head.kernel, other.head.kernel, atol=1e-4)
