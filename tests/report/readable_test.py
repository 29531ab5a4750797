import pandas as pd

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


def test_a_missing_cell_is_blank_also_where_it_would_be_bold():
  frame = pd.DataFrame({'task': ['pets', 'dtd'], 'block1': [float('nan'), 2.0]})
  lines = readable.markdown(frame, bold={'block1': [0, 1]}).splitlines()
  assert [line.split('|')[2].strip() for line in lines[2:]] == ['', '**2**']
