import re

import pandas as pd
import pytest

from tests.report import made
from vtab_h2t import published
from vtab_h2t.report import table_outputs

_BY_NAME = {o.name: o for o in table_outputs.OUTPUTS}


def test_every_table_is_there_and_none_is_drawn():
  assert list(_BY_NAME) == [
    *(f'table{n}' for n in range(1, 8)),
    'successors',
    'taylor',
    'normalization',
    'ranking',
    'claims',
    'contradictions',
  ]
  assert not any(o.draw for o in table_outputs.OUTPUTS)


def test_claims_of_the_paper_are_judged_by_backbone():
  frames = _BY_NAME['claims'].of_paper()
  assert list(frames) == ['resnet50', 'vit_b16']
  for table in frames.values():
    assert {'claim', 'verdict', 'derived'} <= set(table) and len(table)
    assert 'measured' not in table
  text = _BY_NAME['claims'].text(frames, 'published')
  assert 'nan' not in text.lower()


def test_contradictions_are_of_the_paper_only():
  output = _BY_NAME['contradictions']
  assert output.measured is None and not output.possible(made.results())
  frames = output.of_paper()
  assert frames['contradictions'].number.notna().any()
  text = output.text(frames, 'published')
  assert '0.907' in text and 'nan' not in text.lower().split()


def test_table1_of_the_paper_says_whose_scratch_is_quoted():
  output = _BY_NAME['table1']
  resnet, vit = (
    line
    for line in output.text(output.of_paper(), 'published').splitlines()
    if line.startswith('Published')
  )
  assert 'resnet50' in resnet and 'Zhai et al. (2019)' in resnet
  assert 'vit_b16' in vit and 'Zhai' not in vit


def test_table3_ends_with_the_averages_that_its_caption_quotes():
  output = _BY_NAME['table3']
  heading, text = output.text(output.of_paper(), 'published').split('\n\n')[:2]
  assert heading.startswith('Published (Table 3, ResNet-50)')
  last = [cell.strip() for cell in text.splitlines()[-1].split('|')[1:-1]]
  assert last[:4] == ['mean', '', '', '']
  printed = published.table('table3_cost_resnet50').iloc[-1]
  assert [float(cell) for cell in last[4:7]] == pytest.approx(
    [
      printed.flops_vs_finetune,
      printed.size_vs_finetune,
      printed.size_vs_linear,
    ],
    rel=0.05,  # The last has one digit after the point.
  )
  assert last[7] == ''  # Steps have no average.


def test_what_additions_in_another_order_did_stands_under_the_deviations():
  def text(**changes):
    of = made.main_run(**changes)
    rows = [
      made.row(of, 'accuracy', 'head2toe', 'sprites_loc', seed, percent)
      for seed, percent in enumerate((63.1, 64.6, 64.8))
    ]
    output = _BY_NAME['table4']
    return output.text(output.of_results(made.results(rows, of)), 'made')

  above, heading, table = text().rsplit('\n\n', 2)
  assert above.startswith('Standard deviation over seeds, in points (made).')
  assert re.search(r'\| Head2Toe +\| +0\.929 \|', above)
  assert heading.startswith('Below are the lowest and the highest accuracy')
  assert re.search(r'\| Head2Toe +\| 58\.6 to 64\.6 +\|', table)
  # It was measured with the main run's settings alone.
  assert 'Below are the lowest' not in text(image_size=96)


def test_what_a_run_measured_is_told_from_what_the_paper_prints():
  table = pd.DataFrame({'task': ['t'], 'mean': [1.0]})
  text = _BY_NAME['table4'].text({'table4': table}, 'embedded, made')
  assert text.startswith('Standard deviation over seeds, in points (embedded,')
  text = _BY_NAME['table4'].text({'vit_b16': table}, 'published numbers')
  assert '(published, vit_b16)' in text
  three = _BY_NAME['table3']
  cost = pd.DataFrame(
    {
      'task': ['t', 'u'],
      'head2toe_cpu_seconds': [3.5, 5.5],
      'head2toe_wall_seconds': [7.0, 7.0],
    }
  )
  text = three.text(three.of_paper() | {'measured': cost}, 'embedded, made')
  assert text.index('(embedded, made).') < text.index('Published (Table 3')
  assert re.search(r'\| mean +\| +4\.50 \|', text) and 'wall' not in text


def test_methods_after_head2toe_name_their_processor_once():
  table = pd.DataFrame(
    {
      'method': ['head2toe', 'ridge'],
      'choose_cpu_seconds': [13.2, 1.1],
      'processor': ['A processor'] * 2,
    }
  )
  text = _BY_NAME['successors'].text({'successors': table}, 'x')
  assert text.count('A processor') == 1
  assert 'CPU seconds of the search' in text


def test_table3_shows_what_each_method_cost(capsys):
  output = _BY_NAME['table3']
  table = pd.DataFrame({'method': ['knn'], 'cpu_seconds': [12.3456]})
  frames = output.of_paper() | {'by_method': table}
  output.show(frames, 'embedded, made')
  for text in (capsys.readouterr().out, output.text(frames, 'x')):
    assert 'method by method' in text.replace('\n', ' ') and '12.3' in text


def test_table3_prints_the_overhead_of_the_search(capsys):
  output = _BY_NAME['table3']
  output.show(output.of_paper(), 'published')
  printed = capsys.readouterr().out
  assert '0.1885' in printed and '0.3885' in printed
