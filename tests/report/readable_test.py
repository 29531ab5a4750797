import math

import pandas as pd

from vtab_h2t.report import bootstrap
from vtab_h2t.report import readable


def test_headings_are_words():
  assert readable.heading('all_l21') == '+All-l2,1'
  assert readable.heading('head2toe_cpu_seconds') == 'Head2Toe, CPU seconds'
  assert readable.heading('lp_ft_less_ft_ood') == 'LP-FT, less FT, OOD'
  assert readable.heading('at_edge') == 'at edge'
  assert readable.heading('seconds_vs_finetune') == ('seconds vs fine-tuning')
  assert readable.heading('ours_size_vs_linear') == 'model: size vs Linear'
  # Names of tasks are what flags and files call them.
  assert readable.heading('clevr_count') == 'clevr_count'


def test_a_frame_as_markdown():
  frame = pd.DataFrame(
    {'method': ['head2toe', 'knn'], 'num_features': [24344, 12], 'x': [1.5, 2]}
  )
  assert readable.markdown(frame, bold={'num_features': [1]}).splitlines() == [
    '| method    |   features |    x |',
    '|:----------|-----------:|-----:|',
    '| Head2Toe  |     24,344 | 1.50 |',
    '| k nearest |     **12** | 2.00 |',
  ]


def test_markdown_of_printed_numbers_keeps_their_digits():
  frame = pd.DataFrame({'task': ['pets', 'dtd'], 'size': [0.0257, 0.005731]})
  assert '0.005731' in readable.markdown(frame, is_printed=True)
  assert '0.005731' not in readable.markdown(frame)


def test_tasks_and_their_mean_have_as_many_digits():
  frame = pd.DataFrame(
    {
      'method': ['linear', 'knn'],
      'digits': [0.12543, 0.0],
      'mnist_5k': [0.05774, 0.0],
      'sprites_loc': [2.2345, 1.0],
      'mean': [0.8059, 0.333],
      'seconds': [0.12543, 0.0],
    }
  )
  columns = readable.table(frame).columns
  assert columns['digits'] == ['0.13', '0.00']
  assert columns['mnist_5k'] == ['0.06', '0.00']
  assert columns['sprites_loc'] == ['2.23', '1.00']
  assert columns['mean'] == ['0.81', '0.33']
  assert columns['seconds'] == ['0.125', '0.000']  # For itself.


def test_what_all_lines_have_is_said_once():
  frame = pd.DataFrame(
    {'method': ['linear', 'knn'], 'processor': ['fast', ''], 'x': [1, 2]}
  )
  assert readable.said_once(frame) == 'Processor: fast'
  assert list(readable.table(frame).columns) == ['method', 'x']
  two = frame.assign(processor=['fast', 'slow'])
  assert readable.said_once(two) == ''
  assert 'processor' in readable.table(two).columns
  assert readable.said_once(frame.drop(columns='processor')) == ''


def test_a_missing_cell_is_blank_also_where_it_would_be_bold():
  frame = pd.DataFrame({'task': ['pets', 'dtd'], 'block1': [float('nan'), 2.0]})
  lines = readable.markdown(frame, bold={'block1': [0, 1]}).splitlines()
  assert [line.split('|')[2].strip() for line in lines[2:]] == ['', '**2**']


def test_a_number_stands_before_its_interval():
  interval = bootstrap.Interval(1.234, -0.26, 4.1)
  assert readable.with_interval(interval) == '1.2 (-0.3 to 4.1)'
  alone = bootstrap.Interval(1.234, math.nan, math.nan)
  assert readable.with_interval(alone) == '1.23'


def test_variants_are_in_words():
  frame = pd.DataFrame(
    {
      'normalization': ['once', 'none'],
      'variant': ['original', 'adding_pooled_input'],
    }
  )
  text = readable.markdown(frame)
  for word in (
    'unit norm before the selection',
    'no normalization',
    'original',
    'with the pooled input',
  ):
    assert f'| {word} ' in text
