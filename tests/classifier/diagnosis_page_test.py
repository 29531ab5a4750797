import dataclasses

import pytest

from tests import pages
from tests.classifier import diagnosis_test
from vtab_h2t.classifier import diagnosis_page
from vtab_h2t.classifier import held_out


@pytest.fixture(scope='module')
def found():
  return diagnosis_test.diagnosed()


@pytest.fixture(scope='module')
def page(found):
  return diagnosis_page.build(found)


def test_it_needs_no_other_file_and_is_well_formed(page):
  read = pages.check(page)
  assert read.sources
  assert all(link[0] == '#' for link in read.links)
  assert '<script' not in page
  assert len(page) < 2_000_000


def test_it_says_how_good_a_choice_is_that_is_made_without_the_judged(
  page, found
):
  apart = found.adapted.apart
  share = f'{100 * apart.correct / apart.total:.1f}&nbsp;% are right'
  assert share in page.replace('\n', ' ')


def test_a_temperature_that_is_not_used_is_told(page, found):
  said = 'A temperature by which logits are divided would not make them truer'
  words = ' '.join(page.split())
  assert 'divides by a temperature of' in words and said not in words
  assert page.count('share of right answers by their probability') == 2
  kept = diagnosis_test.diagnosed(temperature=1.0)
  assert not kept.reliability.temperature_scaled.any()
  assert kept.calibration.after == kept.calibration.before
  page = diagnosis_page.build(kept)
  words = ' '.join(page.split())
  assert said in words and 'divides by a temperature of' not in words
  assert page.count('share of right answers by their probability') == 1


def test_labels_that_were_not_looked_at_are_counted(page, found):
  assert 'nothing is known of their labels' not in page
  part = dataclasses.replace(found, suspects=found.suspects.iloc[:20])
  text = ' '.join(diagnosis_page.build(part).split())
  assert 'The other 40 images were never held out' in text


def test_what_is_not_listed_is_told(page, found):
  text = ' '.join(page.split())
  count = len(found.duplicates)
  assert f'{count} pairs of images' in text
  assert '<code>duplicates.csv</code> has them all' in text
  assert 'among the 10 images that each is most like' in text
  many = dataclasses.replace(found, duplicates_in_all=123_456)
  text = ' '.join(diagnosis_page.build(many).split())
  assert '123,456 pairs of images' in text
  assert f'<code>duplicates.csv</code> has the first {count},' in text


def test_no_probability_is_called_nothing_or_certain(found):
  sure = found.suspects.assign(
    probability_of_given=1e-9, probability_of_predicted=1 - 1e-9
  )
  text = diagnosis_page.build(dataclasses.replace(found, suspects=sure))
  assert '(below 0.1&nbsp;%)' in text and '(above 99.9&nbsp;%)' in text
  assert '(0.0&nbsp;%)' not in text and '(100.0&nbsp;%)' not in text


def test_what_a_map_shows_adds_up_to_the_answer(page, found):
  explanation = found.examples[0].explanation
  parts = explanation.parts()
  said = '{:+.2f}: places {:+.2f}, no place {:+.2f}, bias {:+.2f}'
  assert said.format(explanation.logit, *parts) in page
  assert sum(parts) == pytest.approx(explanation.logit, rel=1e-3)


def test_labels_of_images_that_were_not_held_out_are_told_apart(page, found):
  said = 'whose features were selected with all images'
  assert said not in page
  adapted = dataclasses.replace(
    found.adapted, accuracy=held_out.Accuracy.of(20, 30)
  )
  part = diagnosis_page.build(dataclasses.replace(found, adapted=adapted))
  assert said in part and '(for accuracies 30 of them)' in ' '.join(
    part.split()
  )


def test_names_are_escaped_and_parts_are_there(page, found):
  assert 'bee &amp; wasp' in page and 'bee & wasp' not in page
  for title in (
    'Labels that may be wrong',
    'Images that are alike',
    'Which classes are confused',
    'How far probabilities can be believed',
    'Would more photographs help?',
    'Photographs unlike all others',
    'What the classifier looks at',
  ):
    assert title in page
  for index in found.suspects.index[:3]:
    assert found.adapted.ids[index].replace('&', '&amp;') in page
  assert '<code>--min_confidence=0.9</code>' in page


def test_what_is_missing_is_left_out(found):
  page = diagnosis_page.build(
    dataclasses.replace(
      found,
      learning_curve=found.learning_curve.iloc[-1:],
      duplicates=found.duplicates.iloc[:0],
      matched=0,
      unmatched=None,
      examples=(),
    )
  )
  assert 'Would more photographs help?' not in page
  assert 'No two images are as alike' in page
  assert 'without near-duplicates' not in page
  assert 'Map of contributions' not in page
  pages.check(page)


def test_a_search_that_is_not_exact_is_told(found):
  neighbours = dataclasses.replace(found.adapted.neighbours, recall=0.97)
  adapted = dataclasses.replace(found.adapted, neighbours=neighbours)
  page = diagnosis_page.build(dataclasses.replace(found, adapted=adapted))
  assert 'the search is not exact' in page
