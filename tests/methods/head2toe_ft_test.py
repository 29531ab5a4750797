import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import head2toe_ft
from vtab_h2t.methods import space as space_lib

_METHOD = head2toe_ft.Head2ToeFt()
_SELECTION = head2toe.Setting(
  learning_rate=0.1, steps=20, target_size=30, coefficient=1e-5, fraction=0.1
)


def test_selection_is_head2toes_choice(tunable, space, folds):
  chosen = space_lib.choose(
    head2toe.Head2Toe().validate(tunable, folds, space, 0)
  )
  assert _METHOD.complete(tunable, folds, space, 0) == [
    head2toe_ft.Setting(
      learning_rate=rate, steps=12, batch=32, selection=chosen
    )
    for rate in (0.1, 0.01)
  ]
  assert _METHOD.target_sizes(space) == (30,)


def test_a_row_says_how_features_were_selected():
  setting = head2toe_ft.Setting(
    learning_rate=0.01, steps=12, batch=32, selection=_SELECTION
  )
  assert setting.as_row() == {
    'learning_rate': 0.01,
    'steps': 12,
    'batch': 32,
    'selection_learning_rate': 0.1,
    'selection_steps': 20,
    'selection_target_size': 30,
    'selection_coefficient': 1e-5,
    'selection_fraction': 0.1,
  }


def test_the_only_way_to_select_needs_no_choice(tunable, space, monkeypatch):
  monkeypatch.setattr(head2toe.Head2Toe, 'validate', None)
  one = space.changed(
    {
      'head2toe': {
        'learning_rates': (0.1,),
        'coefficients': (1e-5,),
        'fractions': (0.1,),
      }
    }
  )
  assert {s.selection for s in _METHOD.complete(tunable, (), one, 0)} == {
    _SELECTION
  }


def test_several_ways_to_select_without_folds_are_refused(tunable, space):
  with pytest.raises(
    errors.InputError, match='^head2toe has 8 settings and no fold to choose'
  ):
    _METHOD.complete(tunable, (), space, 0)


def test_it_needs_what_head2toe_needs(space):
  _METHOD.check(space)
  with pytest.raises(errors.InputError, match='no fraction for head2toe;'):
    _METHOD.check(space.changed({'head2toe': {'fractions': ()}}))


@pytest.mark.parametrize(
  'init, rule',
  [
    ('fresh', 'selected'),
    ('head2toe', 'selected'),
    ('head2toe', 'none'),
    ('head2toe', 'feature'),
  ],
)
def test_head_starts_afresh_or_from_head2toes(
  tunable, examples, train, init, rule
):
  tunable.rule = rule
  setting = head2toe_ft.Setting(  # No step at all.
    learning_rate=1e-30, steps=1, batch=32, selection=_SELECTION
  )
  trainer = train(_METHOD, setting, head_init=init).trainer
  (frozen,) = head2toe.fit(tunable, examples, _SELECTION, [0])
  ((kernel, _),) = trainer.head
  own = tunable.trained(frozen).kernel.numpy()
  assert kernel.shape == own.shape
  assert (kernel == own).all() == (init == 'head2toe')
  # Before training, the network's features are the frozen ones (a step moves
  # the batch norms' statistics).
  tunable.networks.network().reset()
  np.testing.assert_allclose(
    trainer.embed(tunable.networks.inputs()),
    tunable.matrix(30, np.arange(300), frozen.columns),
    atol=1e-5 if rule != 'feature' else 1e-3,  # Small deviations divide.
  )


def test_backbone_and_head_are_trained_together(tunable, space, folds):
  results = _METHOD.validate(tunable, folds, space, 0)
  assert all(isinstance(c, int) for counts in results.values() for c in counts)
  network = tunable.networks.network()
  pretrained = network.backbone.model.get_weights()
  # The first convolution is below every tap.
  assert (network.state()[0] != pretrained[0]).any()


def _row(method, split, correct, lr=0.1, **more):
  return {
    'method': method,
    'split': split,
    'correct': correct,
    'learning_rate': lr,
    'steps': 5,
  } | more


@pytest.mark.parametrize(
  'frozen, tuned, chosen',
  [
    ([5, 7], [6, 6], 'head2toe'),
    ([5, 5], [6, 5], 'head2toe_ft'),
    ([5, 5], [4, 6], 'head2toe'),
    ([5, 5], [None, 20], 'head2toe'),
  ],
)
def test_plus_goes_by_validation_only(frozen, tuned, chosen):
  """Two folds of one setting each; ties go to the frozen method."""
  rows = {
    m: [_row(m, 'val', c, fold=fold) for fold, c in enumerate(counts)]
    + [_row(m, 'test', test, seed=0)]
    for m, counts, test in (('head2toe', frozen, 1), ('head2toe_ft', tuned, 99))
  }
  found = head2toe_ft.Head2ToeFtPlus().derive(rows)
  assert {r['chosen'] for r in found} == {chosen}
  assert {r['method'] for r in found} == {'head2toe_ft_plus'}
  assert [r['correct'] for r in found if r['split'] == 'test'] == [
    1 if chosen == 'head2toe' else 99
  ]


def test_plus_compares_best_settings():
  rows = {
    'head2toe': [
      _row('head2toe', 'val', 6),
      _row('head2toe', 'val', 2, lr=0.01),
    ],
    'head2toe_ft': [
      _row('head2toe_ft', 'val', 5),
      _row('head2toe_ft', 'val', 5, lr=0.01),
    ],
  }
  found = head2toe_ft.Head2ToeFtPlus().derive(rows)
  assert {r['chosen'] for r in found} == {'head2toe'}


def test_plus_needs_folds(space):
  plus = head2toe_ft.Head2ToeFtPlus()
  plus.check(space)
  assert plus.requires == ('head2toe', 'head2toe_ft')
  with pytest.raises(errors.InputError, match='chooses by validation, and the'):
    plus.check(dataclasses.replace(space, folds=()))
