import json

import numpy as np

from vtab_h2t.features import pooling
from vtab_h2t.methods import head2toe
from vtab_h2t.studies import base as study
from vtab_h2t.studies import scaling

_PAIRS = [(size, stride) for size in (30, 60) for stride in (16, 4, 1)]


def test_candidates_are_every_sixteenth_fourth_and_each_tap(
  measured, data, space
):
  found = measured(scaling.Scaling(), (0, 1))
  tests = [(f, head) for f, head in found if head is not None]
  choices = [f for f, head in found if head is None]
  assert [(f['target_size'], f['tap_stride'], f['seed']) for f, _ in tests] == [
    (*pair, seed) for pair in _PAIRS for seed in (0, 1)
  ]
  assert [(f['target_size'], f['tap_stride']) for f in choices] == _PAIRS
  chosen = {(f['target_size'], f['tap_stride']): f for f in choices}
  for fields, head in tests:
    layout = data.features.layouts[fields['target_size']]
    choice = chosen[fields['target_size'], fields['tap_stride']]
    assert fields['fraction'] == choice['fraction']
    assert fields['fraction'] in space.of('scaling').fractions
    assert choice['split'] == 'val' and choice['seed'] == 0
    assert choice['total'] == 60 and 0 <= choice['correct'] <= 60
    taps = (
      ['pooled'] if fields['tap_stride'] > 1 else [b.tap for b in layout.blocks]
    )  # Of three taps the last is kept.
    candidates = study.columns_of(layout, taps)
    assert fields['num_candidates'] == len(candidates)
    assert choice['num_candidates'] == len(candidates)
    assert np.isin(head.columns, candidates).all()
    assert len(head.columns) == max(
      1, int(fields['fraction'] * len(candidates))
    )


def test_whole_taps_and_one_fraction_are_head2toe(measured, data):
  found = measured(
    scaling.Scaling(), (0,), fractions=(0.1,), target_sizes=(30,)
  )
  fields, head = found[-1]
  assert fields['tap_stride'] == 1
  setting = head2toe.Setting(
    learning_rate=0.05, steps=20, target_size=30, coefficient=1e-5, fraction=0.1
  )
  (wanted,) = head2toe.fit(data, np.arange(300), setting, (0,))
  np.testing.assert_array_equal(head.columns, wanted.columns)
  np.testing.assert_allclose(head.head.kernel, wanted.head.kernel, atol=1e-4)


def test_it_needs_every_target_size(space):
  assert scaling.Scaling().target_sizes(space) == (30, 60)


def test_the_fraction_is_that_of_all_folds(data, plan, monkeypatch):
  counts = iter([[1, 5], [9, 4], [3, 4], [4, 4], [2, 2], [0, 0]])
  monkeypatch.setattr(study, 'validate', lambda *args: next(counts))
  found = scaling.Scaling().measure(
    data, plan((), folds=(1, 4), scaling={'target_sizes': (30,)})
  )
  assert [(f['fraction'], f['correct'], f['total']) for f, _ in found] == [
    (0.05, 10, 120),
    (0.5, 8, 120),
    (0.05, 2, 120),
  ]


def _as_read(found):
  return [
    json.loads(json.dumps({'schema': 2, 'run': 'r'} | f))
    for f, head in found
    if head is None
  ]


def test_known_choices_are_not_made_again(measured, monkeypatch):
  first = measured(scaling.Scaling(), (0, 1))
  monkeypatch.setattr(study, 'validate', None)
  again = measured(scaling.Scaling(), (1,), known=_as_read(first)[::-1])
  wanted = [(f, h) for f, h in first if h is None or f['seed'] == 1]
  for (fields, head), (other, same) in zip(again, wanted, strict=True):
    assert {k: fields[k] for k in other} == other
    if head is not None:
      np.testing.assert_array_equal(head.columns, same.columns)
      np.testing.assert_allclose(head.head.kernel, same.head.kernel, atol=1e-4)


def test_a_known_choice_is_kept_whatever_would_be_chosen_now(measured):
  known = [
    f | {'fraction': 0.25} for f in _as_read(measured(scaling.Scaling(), (0,)))
  ]
  found = measured(scaling.Scaling(), (0,), known=known)
  assert {f['fraction'] for f, _ in found} == {0.25}
  assert [f for f, head in found if head is None] == known


def test_only_the_missing_choice_is_made(measured, monkeypatch):
  known = _as_read(measured(scaling.Scaling(), (0,)))
  del known[4]
  made, validate = [], study.validate

  def count(data, fold, sets, options):
    made.extend({(s.target_size, s.fields['tap_stride']) for s in sets})
    return validate(data, fold, sets, options)

  monkeypatch.setattr(study, 'validate', count)
  measured(scaling.Scaling(), (0,), known=known)
  assert made == [(60, 4)]


def test_the_embedding_is_always_among_them():
  """Also where the last tap, that of the logits, comes after it."""
  shapes = {'a': (4, 4, 3), 'b': (2,), 'embedding': (5,), 'logits': (7,)}
  layout = pooling.layout(shapes, 3)
  assert scaling.columns_of(layout, 'embedding', 16).tolist() == [*range(5, 17)]
  assert scaling.columns_of(layout, 'b', 2).tolist() == [3, 4, *range(10, 17)]
  assert len(scaling.columns_of(layout, 'embedding', 1)) == layout.size
