import re

import numpy as np
import pandas as pd
import pytest

from vtab_h2t.report import html_tables


def _cells(is_printed=False, **columns):
  text = html_tables.html(pd.DataFrame(columns), is_printed)
  return [re.findall('<td[^>]*>(.*?)</td>', line) for line in text.split('\n')]


@pytest.mark.parametrize(
  ('values', 'shown'),
  [
    ([1.23456, 98.7654, np.nan], ['1.2', '98.8', '']),
    ([12345.678, 2.0], ['12,346', '2']),
    ([0.0123456, 0.5], ['0.012', '0.500']),
    ([62.05, 3.5], ['62.1', '3.5']),
    ([100.0, 99.5], ['100.0', '99.5']),
    ([1e-5, 0.123], ['1e-05', '0.123']),
    ([1234567.8, 0.00123], ['1.23e+06', '0.00123']),
    ([95.125, 37.5], ['95.1', '37.5']),
    ([3, 40000], ['3', '40,000']),
    ([0.0, -0.0], ['0', '0']),
    ([True, False], ['yes', 'no']),
    (['head2toe', '<'], ['Head2Toe', '&lt;']),
  ],
)
def test_numbers_have_the_digits_that_say_something(values, shown):
  assert [line[0] for line in _cells(x=values)] == shown


def test_what_was_printed_keeps_its_digits():
  for values, shown in (
    ([0.0057, 0.005731], ['0.005700', '0.005731']),
    ([62.05, 3.5], ['62.05', '3.50']),
    ([1 / 3, 2 / 3], ['0.333', '0.667']),
  ):
    assert [line[0] for line in _cells(is_printed=True, x=values)] == shown


def test_percentages_have_one_digit_and_a_name():
  text = html_tables.html(pd.DataFrame({'accuracy_percent': [88.85, 3.0]}))
  assert '>88.8<' in text or '>88.9<' in text
  assert '>3.0<' in text and 'accuracy (%)' in text


def test_networks_have_their_names():
  assert _cells(network=['vit_b16'])[0] == ['ViT-B/16']


def test_texts_stand_to_the_left_and_numbers_to_the_right():
  text = html_tables.html(pd.DataFrame({'task': ['a'], 'x': [1.0]}))
  assert '<th scope="col" class="text">task</th><th scope="col">x</th>' in text
  assert '<td class="text">a</td><td>1</td>' in text


def test_a_long_table_says_where_the_rest_is():
  text = html_tables.html(pd.DataFrame({'x': range(1000)}))
  assert 'the first 200 of 1000 lines' in text and '>200<' not in text


def test_settings_are_written_as_somebody_would_write_them():
  assert [line[0] for line in _cells(learning_rate=[0.1, 0.001])] == [
    '0.1',
    '0.001',
  ]


def test_what_says_nothing_is_left_out():
  text = html_tables.html(
    pd.DataFrame({'backbone': ['a', 'a'], 'residual_x': [0, 1e-9], 'x': [1, 2]})
  )
  assert text.count('<th ') == 1
  assert 'backbone' in html_tables.html(pd.DataFrame({'backbone': ['a', 'b']}))


def test_headings_may_break_between_the_words_of_a_task():
  text = html_tables.html(pd.DataFrame({'photo_patches': [1.5]}))
  assert '>photo_<wbr>patches</th>' in text
