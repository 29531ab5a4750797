import re

import pytest

from vtab_h2t.classifier import model_card

_ACCURACY = {'correct': 97, 'total': 99, 'low': 0.929, 'high': 0.994}
_LINEAR = {'correct': 90, 'total': 99, 'low': 0.836, 'high': 0.951}
_FACTS = {
  'format': 4,
  'classes': ['Abyssinian', 'golden_retriever', 'a|b'],
  'method': 'head2toe',
  'hparams': {'fraction': 0.05, 'target_size': 512, 'l21': 1e-5},
  'target_size': 512,
  'num_features': 24344,
  'normalization': 'selected',
  'backbone': 'efficientnet_lite0',
  'weights': 'imagenet',
  'weights_sha256': 'a' * 64,
  'image_size': 224,
  'taps': 'all',
  'resize': 'bilinear_antialias',
  'cls_pooling': 'pooled',
  'tensors_sha256': 'b' * 64,
  'accuracy': _ACCURACY,
  'apart': {'correct': 96, 'total': 99, 'low': 0.915, 'high': 0.99},
  'linear': _LINEAR,
  'scale': 0.0078125,
  'offset': -0.9921875,
  'crop': None,
  'temperature': 1.25,
  'label_type': 'str',
  'source': 'pets',
  'images': [30, 60, 9],
  'calibration_error': {'before': 0.051, 'after': 0.02, 'by_chance': 0.015},
}


def test_it_tells_what_there_is_to_know():
  text = model_card.text(_FACTS, 1217, 9876)
  for part in (
    '# Image classifier: Abyssinian, golden\\_retriever, a\\|b',
    '1,217 of the 24,344 features',
    'trained on 99 images from pets',
    '| golden\\_retriever | 60 |',
    '| `head2toe` | 98.0 % | 92.9 to 99.4 % | 97 of 99 |',
    '| `linear` | 90.9 % | 83.6 to 95.1 % | 90 of 99 |',
    '97.0 % are right (95 % interval\n91.5 to 99.0 %)',
    'temperature of\n1.250',
    'is 2.0 %\n(5.1 % without',
    'would show 1.5 % by chance',
    "Head2Toe.load('FOLDER')",
    '| l21 | 1e-05 |',
    f'`{"a" * 64}`',
    '224 by 224 pixels',
    'Some classes have fewer than ten images',
  ):
    assert part in text
  assert 'was better' not in text
  # Every line of a table has as many cells as its header.
  for table in re.findall(r'(?:^\|.*\n)+', text, re.M):
    cells = {len(re.findall(r'(?<!\\)\|', r)) for r in table.splitlines()}
    assert len(cells) == 1


def test_a_temperature_that_is_not_used_is_told():
  def of(temperature, **error):
    error = _FACTS['calibration_error'] | error
    facts = {'temperature': temperature, 'calibration_error': error}
    return ' '.join(model_card.text(_FACTS | facts, 1, 1).split())

  text = of(1.0, after=0.051)
  assert 'of logits as they are; no temperature was known' in text
  assert 'is 5.1 %. On as many' in text and 'divided by' not in text
  assert 'by chance (without the temperature, 0.9 %).' in of(
    1.25, before_by_chance=0.009
  )


def test_it_tells_how_the_accuracy_was_measured():
  def of(**given):
    facts = _FACTS | given
    return ' '.join(model_card.text(facts, 1, 1).split())

  assert 'Each of the 99 images was held out in turn' in of()
  assert 'The answers to 99 of the 200 images are of heads that were' in of(
    images=[100, 50, 50]
  )
  first = {k: v for k, v in _FACTS.items() if k != 'images'}
  text = ' '.join(model_card.text(first, 1, 1).split())
  assert 'The answers to 99 images are of heads that were trained' in text


def test_linear_is_named_where_it_is_better():
  text = model_card.text(
    _FACTS | {'accuracy': _LINEAR, 'linear': _ACCURACY}, 1, 1
  )
  assert '`linear`, which reads the last layer, was better' in text
  text = model_card.text(_FACTS | {'method': 'linear'}, 1, 1)
  assert text.count('| `linear` |') == 1 and 'was better' not in text


def test_weights_that_are_a_file_are_in_the_commands():
  text = model_card.text(_FACTS | {'weights': 'mine.npz'}, 1, 1)
  assert '--images=photo.jpg --weights=mine.npz' in text
  assert '`mine.npz`, are in no package' in text
  assert 'are in no package' not in model_card.text(_FACTS, 1, 1)
  assert "load('FOLDER', weights='mine.npz')" in text


def test_a_model_of_an_earlier_format_has_a_card():
  first = {
    k: v
    for k, v in _FACTS.items()
    if k
    not in ('temperature', 'label_type', 'source', 'images', 'scale', 'crop')
  }
  third = {k: v for k, v in _FACTS.items() if k != 'apart'}
  assert 'a little too\nhigh.\nWhere' in model_card.text(third, 1, 1)
  text = model_card.text(first | {'accuracy': {}, 'linear': {}}, 1, 1)
  assert '## Network' in text
  assert not {'## Data', '## Accuracy', '## Calibration'} & set(
    text.splitlines()
  )


def test_of_many_classes_the_first_are_shown():
  names = [f'class {i}' for i in range(130)]
  text = model_card.text(
    _FACTS | {'classes': names, 'images': list(range(130))}, 1, 1
  )
  assert '# Image classifier: class 0, class 1, class 2' in text
  assert '| class 99 | 99 |' in text and '| class 100 |' not in text
  assert 'first 100 of 130 classes' in text


@pytest.mark.parametrize(
  'name, found',
  [('a b', 'a b'), ('a\n# b', 'a \\# b'), ('<x>', '\\<x\\>'), ('é_', 'é\\_')],
)
def test_names_are_shown_as_they_are(name, found):
  assert model_card.plain(name) == found
