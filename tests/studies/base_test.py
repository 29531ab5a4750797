import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.features import pooling
from vtab_h2t.heads import fraction
from vtab_h2t.heads import sweep
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.protocol import grids
from vtab_h2t.studies import base as study
from vtab_h2t.studies import registry
from vtab_h2t.studies import relevance
from vtab_h2t.studies import transfer


def test_columns_of_taps_are_theirs_in_order(layout):
  starts = layout.starts
  assert [b.tap for b in layout.blocks] == ['early', 'tokens', 'pooled']
  np.testing.assert_array_equal(
    study.columns_of(layout, ['pooled', 'early']),
    [*range(starts[0], starts[1]), *range(starts[2], starts[3])],
  )


def test_training_on_head2toes_selection_is_head2toe(data, options):
  """The same columns, seed and setting give the same head."""
  examples = np.random.default_rng(0).permutation(300)
  setting = head2toe.Setting(
    learning_rate=0.05, steps=20, target_size=30, coefficient=1e-5, fraction=0.1
  )
  wanted = list(head2toe.fit(data, examples, setting, (0, 1)))
  sets = [
    study.FeatureSet(
      {'x': seed},
      30,
      fraction.select(fraction.relevance_scores(head.kernel), 0.1),
      seed,
    )
    for seed, head in enumerate(
      study.first_stage(data, examples, options, (0, 1))
    )
  ]
  found = list(study.train(data, examples, sets, options))
  for seed, ((fields, head), other) in enumerate(
    zip(found, wanted, strict=True)
  ):
    assert fields == {
      'x': seed,
      'seed': seed,
      'num_features': len(other.columns),
      'target_size': 30,
      'learning_rate': 0.05,
      'steps': 20,
    }
    np.testing.assert_array_equal(head.columns, other.columns)
    np.testing.assert_allclose(head.head.kernel, other.head.kernel, atol=1e-5)


def test_a_sets_own_learning_rate_is_used(data, options):
  examples, columns = np.arange(300), np.arange(20)
  sets = [study.FeatureSet({}, 30, columns, 0, rate) for rate in (None, 0.001)]
  (one, _), (two, head) = study.train(data, examples, sets, options)
  assert one['learning_rate'] == 0.05 and two['learning_rate'] == 0.001
  problem = data.heads.problem(
    30, examples, [sweep.HeadSpec(0.001, (0, interface.SECOND))], columns
  )
  ((_, (alone,)),) = data.heads.train([problem], 20)
  np.testing.assert_allclose(head.head.kernel, alone.kernel, atol=1e-5)


def test_validation_trains_on_the_folds_rest(data, task, options):
  (fold,) = folds_lib.folds(task, (4,))
  sets = [study.FeatureSet({}, 30, np.arange(10 * n), 0) for n in (1, 5)]
  found = study.validate(data, fold, sets, options)
  for one, correct in zip(sets, found, strict=True):
    ((_, head),) = study.train(data, fold.train, [one], options)
    assert correct == data.heads.correct(30, fold.val, head.head, one.columns)


@pytest.mark.parametrize('variant', [resnet_v2.KERAS, resnet_v2.PAPER])
def test_candidates_of_a_resnet_50_are_the_papers_29800(variant):
  """Figure 6: the first layer of each block, about 2048 features of each."""
  model, taps = resnet_v2.build(240, variant)
  shapes = {t: tuple(model.output[t].shape[1:]) for t in taps}
  assert len(shapes) == 52
  layout = pooling.layout(shapes, grids.embedding_size('resnet50'))
  found = study.Candidates.of(layout)
  assert len(found.columns) == found.layout.size == 29_800
  assert tuple(b.tap for b in found.layout.blocks) == resnet_v2.tap_names(
    resnet_v2.FIGURE6
  )
  options = grids.paper('resnet50').of('relevance')
  assert found.num_kept(options) == 2048


def test_candidates_are_columns_of_the_whole_layout(layout, candidates):
  assert [b.tap for b in candidates.layout.blocks] == ['early', 'pooled']
  np.testing.assert_array_equal(
    candidates.columns, study.columns_of(layout, ['early', 'pooled'])
  )


@pytest.mark.parametrize(
  'kept, wanted', [(1, 1), (16, 16), (17, 16), (500, 16)]
)
def test_at_most_half_of_the_candidates_are_kept(
  kept, wanted, candidates, options
):
  assert len(candidates.columns) == 33
  changed = dataclasses.replace(options, kept=kept)
  assert candidates.num_kept(changed) == wanted


def test_candidates_are_ranked_without_the_others(data, options, candidates):
  examples = np.random.default_rng(1).permutation(300)
  (scores,) = candidates.ranked(data, examples, options, (1,))
  problem = data.heads.problem(
    30,
    examples,
    [sweep.HeadSpec(0.05, (1, interface.FIRST), 1e-5)],
    candidates.columns,
  )
  ((_, (head,)),) = data.heads.train([problem], 20, 'l21')
  np.testing.assert_allclose(
    scores, fraction.relevance_scores(head.kernel), atol=1e-5
  )


@pytest.mark.parametrize(
  'study', registry.STUDIES.values(), ids=lambda s: s.name
)
def test_a_space_without_options_of_a_study_is_one_line(study, space):
  study.check(space)
  assert set(study.target_sizes(space)) <= {30, 60}
  with pytest.raises(
    errors.InputError, match=f'^the grid x has no options for {study.name};'
  ):
    study.check(space_lib.Space(name='x', folds=(), options={}))


def _transfer(seeds):
  return transfer.Transfer(
    'a', [(s, relevance.pack(np.arange(3 + s), 33)) for s in seeds]
  )


def _of_seed(found, seed):
  return [(f, h) for f, h in found if f['seed'] == seed and f['split'] != 'val']


@pytest.mark.soak
@pytest.mark.parametrize('name', registry.OPTIONS)
def test_a_seeds_rows_do_not_depend_on_the_other_seeds(name, measured):
  """Their number, order, fields and features; heads but for rounding."""
  study = registry.STUDIES.get(name) or _transfer((0, 1, 2))
  split = lambda found: [({'split': 'test'} | f, h) for f, h in found]
  both = split(measured(study, (2, 0)))
  alone = {seed: split(measured(study, (seed,))) for seed in (2, 0)}
  choices = lambda found: [f for f, _ in found if f['split'] == 'val']
  assert choices(both) == choices(alone[0]) == choices(alone[2])
  for seed in (2, 0):
    wanted, found = _of_seed(both, seed), _of_seed(alone[seed], seed)
    assert [f for f, _ in found] == [f for f, _ in wanted] and found
    assert len(found) + len(choices(both)) == len(alone[seed])
    for (_, head), (_, other) in zip(found, wanted, strict=True):
      if head is not None:
        np.testing.assert_array_equal(head.columns, other.columns)
        np.testing.assert_allclose(
          head.head.kernel, other.head.kernel, atol=1e-4
        )
