import pandas as pd
import pytest

from vtab_h2t.report import moved_taps


@pytest.mark.parametrize(
  'backbone, moved, taps, stays',
  [
    ('efficientnet_lite0', 33, 51, {'block00_output', 'embedding', 'logits'}),
    ('resnet50', 49, 52, {'root', 'pre_logits', 'logits'}),
  ],
)
def test_counts_and_names(backbone, moved, taps, stays):
  """As the docstring of `retapping` and docs/backbones.md have them."""
  found = moved_taps.table(backbone, 32)
  assert found.variant.tolist() == ['pre_normalization', 'pre_activation']
  assert set(found.moved) == {moved} and set(found.taps) == {taps}
  for names in found.unmoved:
    assert stays <= set(names.split()) and len(names.split()) == taps - moved
  text = moved_taps.note(found)
  assert text.startswith(
    'The variants before the normalization and before the activation move '
    f"{moved} of {taps} taps. The rest are no ReLU's output and stay: "
  )
  assert text.count('embedding' if 'block' in text else 'root, pre_logits') == 1


def test_a_variant_that_moves_all_has_no_rest():
  found = pd.DataFrame(
    [
      {'variant': 'pre_normalization', 'moved': 6, 'taps': 6, 'unmoved': ''},
      {'variant': 'pre_activation', 'moved': 5, 'taps': 6, 'unmoved': 'root'},
    ]
  )
  assert moved_taps.note(found).splitlines() == [
    'The variant before the normalization moves 6 of 6 taps.',
    'The variant before the activation moves 5 of 6 taps. The rest are no '
    "ReLU's output and stay: root.",
  ]


@pytest.mark.parametrize('backbone', ['made', 'vit_ti16'])
def test_of_others_nothing_is_said(backbone):
  assert moved_taps.table(backbone, 224).empty
