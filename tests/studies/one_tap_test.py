import json

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import pair
from vtab_h2t.studies import base as study
from vtab_h2t.studies import one_tap


def test_a_head_for_each_tap_beside_the_embedding(measured, layout, space):
  found = measured(one_tap.OneTap())
  sizes = {b.tap: b.size for b in layout.blocks}
  tests = [f for f, head in found if head is not None]
  assert [(f['tap'], f['seed']) for f in tests] == [
    (tap, seed) for tap in ('none', 'early', 'tokens') for seed in (0, 1)
  ]
  sizes[one_tap.NO_TAP] = 0
  for fields in tests:
    assert fields['num_features'] == sizes[fields['tap']] + sizes['pooled']
  choices = {f['tap']: f for f, head in found if head is None}
  assert list(choices) == ['none', 'early', 'tokens']
  for fields in tests:
    choice = choices[fields['tap']]
    assert fields['learning_rate'] == choice['learning_rate']
    assert choice['learning_rate'] in space.of('one_tap').learning_rates
    assert choice['split'] == 'val' and choice['seed'] == 0
    assert choice['total'] == 60 and 0 <= choice['correct'] <= 60


def test_without_a_tap_it_is_linear(measured, data, plan):
  """The embedding alone, with its learning rate chosen in the same way."""
  (fields, head), *_ = [
    (f, h) for f, h in measured(one_tap.OneTap(), (1,)) if h is not None
  ]
  assert fields['tap'] == one_tap.NO_TAP and fields['num_features'] == 9
  examples = plan().examples
  np.testing.assert_array_equal(
    data.matrix(30, examples, head.columns), data.matrix(None, examples)
  )


def test_the_control_is_compared_with_the_first_embedding(tmp_path, task, plan):
  both = pair.pair(testing.tiny_backbone(), testing.tiny_backbone(seed=1))
  data = testing.training_data(tmp_path, task, (30,), both)
  found = list(one_tap.OneTap().measure(data, plan((0,))))
  assert [(f['tap'], f['num_features']) for f, head in found if head] == [
    (one_tap.NO_TAP, 9),
    (pair.CONTROL, 18),
  ]


def test_the_better_rate_is_taken(measured):
  rates = 1e-9, 0.1  # The first learns nothing.
  found = measured(one_tap.OneTap(), (0,), learning_rates=rates)
  assert {f['learning_rate'] for f, _ in found} == {0.1}


def test_the_rate_is_that_of_all_folds(data, plan, monkeypatch):
  """The counts of a tap's rates are added up over the folds."""
  # Three heads, two folds.
  counts = iter([[1, 5], [9, 4], [3, 4], [4, 4], [1, 1], [0, 1]])
  monkeypatch.setattr(study, 'validate', lambda *args: next(counts))
  found = one_tap.OneTap().measure(data, plan((), folds=(1, 4)))
  assert [(f['learning_rate'], f['correct'], f['total']) for f, _ in found] == [
    (0.1, 10, 120),
    (0.01, 8, 120),
    (0.01, 2, 120),
  ]


def _as_read(found):
  return [
    json.loads(json.dumps({'schema': 2, 'run': 'r'} | f))
    for f, head in found
    if head is None
  ]


def test_known_choices_are_not_made_again(measured, monkeypatch):
  first = measured(one_tap.OneTap(), (0, 1))
  monkeypatch.setattr(study, 'validate', None)
  again = measured(one_tap.OneTap(), (1,), known=_as_read(first))
  wanted = [(f, h) for f, h in first if h is None or f['seed'] == 1]
  for (fields, head), (other, same) in zip(again, wanted, strict=True):
    assert {k: fields[k] for k in other} == other
    if head is not None:
      np.testing.assert_allclose(head.head.kernel, same.head.kernel, atol=1e-4)


def test_a_known_choice_is_kept_whatever_would_be_chosen_now(measured):
  known = [
    f | {'learning_rate': 0.03}
    for f in _as_read(measured(one_tap.OneTap(), (0,)))
  ]
  found = measured(one_tap.OneTap(), (0,), known=known)
  assert {f['learning_rate'] for f, _ in found} == {0.03}
  assert [f for f, head in found if head is None] == known


@pytest.mark.parametrize('lacks, again', [(0, 'none'), (2, 'tokens')])
def test_only_the_missing_choice_is_made(lacks, again, measured, monkeypatch):
  known = _as_read(measured(one_tap.OneTap(), (0,)))
  del known[lacks]
  taps, validate = [], study.validate

  def count(data, fold, sets, options):
    taps.append({s.fields['tap'] for s in sets})
    return validate(data, fold, sets, options)

  monkeypatch.setattr(study, 'validate', count)
  measured(one_tap.OneTap(), (0,), known=known)
  assert taps == [{again}]
