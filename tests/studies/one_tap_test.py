import dataclasses

from vtab_h2t.studies import one_tap


def test_a_head_for_each_tap_beside_the_embedding(measured, layout, space):
  found = measured(one_tap.OneTap())
  sizes = {b.tap: b.size for b in layout.blocks}
  tests = [f for f, head in found if head is not None]
  assert [(f['tap'], f['seed']) for f in tests] == [
      (tap, seed) for tap in ('early', 'tokens') for seed in (0, 1)]
  for fields in tests:
    assert fields['num_features'] == sizes[fields['tap']] + sizes['pooled']
  choices = {f['tap']: f for f, head in found if head is None}
  assert list(choices) == ['early', 'tokens']
  for fields in tests:
    choice = choices[fields['tap']]
    assert fields['learning_rate'] == choice['learning_rate']
    assert choice['learning_rate'] in space.learning_rates
    assert choice['total'] == 60 and 0 <= choice['correct'] <= 60


def test_the_better_rate_is_taken(measured, space):
  rates = 1e-9, 0.1  # The first learns nothing.
  found = measured(one_tap.OneTap(), (0,), dataclasses.replace(
      space, learning_rates=rates))
  assert {f['learning_rate'] for f, _ in found} == {0.1}
