"""What a cell of Table 1 is made of."""

import json

import pytest

from tests.report import made
from vtab_h2t import errors
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import explain
from vtab_h2t.report import results as results_lib


@pytest.fixture
def results(tmp_path):
  return _results(tmp_path, made.run())


def _results(tmp_path, of):
  """Head2Toe and Linear on digits; Head2Toe tried two settings on two folds."""
  folder = ledger_lib.Ledger(tmp_path).open(of)
  setting = {'learning_rate': 0.1, 'steps': 5, 'fraction': 0.1}
  other = setting | {'fraction': 0.2}
  val = [
    made.row(
      *(of, 'accuracy', 'head2toe', 'digits', 0, percent),
      split='val',
      fold=fold,
      total=200,
      **tried,
    )
    for tried, percents in ((other, (50, 60)), (setting, (60, 55)))
    for fold, percent in enumerate(percents)
  ]
  test = [
    made.row(
      *(of, 'accuracy', 'head2toe', 'digits', seed, percent),
      num_features=4,
      selected_by_tap={'early': [3, 12]},
      **setting,
    )
    for seed, percent in enumerate((61.1, 64.4, 62.5))
  ]
  linear = [made.row(of, 'accuracy', 'linear', 'digits', 0, 50, steps=5)]
  for method, rows in (('head2toe', val + test), ('linear', linear)):
    folder.write(folder.rows_path('digits', 'rows', method), 'made', rows)
  folder.write_manifest({'task': 'digits'})
  folder.write_provenance(
    'digits',
    {
      'when': '2026-01-02T03:04:05+00:00',
      'git': {'commit': 'c0ffee', 'dirty': False},
      'processor': 'some processor',
      'machine': 'some machine',
      'methods': ['head2toe', 'linear'],
      'seconds': {
        name: {'wall': wall, 'cpu': 0.0}
        for name, wall in (
          ('embed train', 1.25),
          ('choose head2toe', 2.5),
          ('choose linear', 3.75),
        )
      },
      'command': 'python -m runners.table1 --tasks=digits',
      'rows': {m: f'rows/digits/{m}.jsonl' for m in ('head2toe', 'linear')},
    },
  )
  return results_lib.read(ledger_lib.Ledger(tmp_path), of)


def _lines(text):
  return [line.split() for line in text.splitlines()]


def test_from_a_cell_to_its_rows_setting_and_provenance(results):
  text = explain.measured(results, 'digits', 'head2toe', ['python', '-x'], 200)
  lines = _lines(text)
  path = results.folder.path / 'rows' / 'digits' / 'head2toe.jsonl'
  assert ' '.join(lines[0]) == (
    'Head2Toe on digits: 62.5 % of the test images, the median of 3 seeds'
  )
  assert ['rows', str(path)] in lines
  # Each seed's line in the file is what is printed.
  file = path.read_text().splitlines()
  for seed, correct in enumerate(('611', '644', '625')):
    number = 6 + seed
    row = json.loads(file[number - 1])
    assert (row['seed'], row['split']) == (seed, 'test')
    assert [
      *(str(number), str(seed), correct, '1000', f'{int(correct) / 10:.3f}')
    ] in lines
  assert 'Of 61.1, 62.5, 64.4 the median is the one in the middle' in text
  assert 'All 1000 test images' in ' '.join(text.split())
  # The chosen setting stands first, the runner-up next.
  assert ['1', '(chosen)', '0.1', '0.1', '5', '230', '400'] in lines
  assert ['2', '0.2', '0.1', '5', '220', '400'] in lines
  for told in ('2026-01-02T03:04:05', 'c0ffee', 'some processor', 'python -x'):
    assert told in text
  assert 'choose head2toe 2.5, embed train 1.2' in text
  assert 'choose linear' not in text


def test_what_additions_in_another_order_did_is_told_of_the_main_run(tmp_path):
  def said(of):
    results = _results(tmp_path / of.id, of)
    text = explain.measured(results, 'digits', 'head2toe', ['again'], 80)
    return ' '.join(text.split())

  assert (
    'For this cell two processors with two orders of additions each, the main '
    "run's among them, gave 97.5 to 98.6 % (benchmarks/README.md"
  ) in said(made.main_run())
  assert 'orders of additions' not in said(made.run())


def test_it_fits_a_narrow_terminal(results):
  text = explain.measured(results, 'digits', 'head2toe', ['python'], 60)
  path = str(results.folder.path)
  assert all(len(line) <= 60 for line in text.splitlines() if path not in line)


def test_what_was_not_chosen_says_so(results):
  text = explain.measured(results, 'digits', 'linear', ['python'], 100)
  assert 'none was chosen by validation' in text
  assert ['steps', '5'] in _lines(text)
  assert 'the only one' in text and 'the median of 1 seed' in text


def test_what_there_is_not_names_what_there_is(results):
  with pytest.raises(
    errors.InputError, match="'nope' in .*; choose from digits$"
  ):
    explain.measured(results, 'nope', 'linear', [], 100)
  with pytest.raises(errors.InputError, match='choose from linear, head2toe$'):
    explain.measured(results, 'digits', 'knn', [], 100)
  assert explain.has(results, 'digits', 'linear')
  assert not explain.has(results, 'digits', 'knn')


def test_of_the_paper_it_says_where_a_number_is_printed():
  text = explain.of_paper('svhn', 'scratch', 200)
  assert text.count('Table 1, part ') == 2 and 'column svhn' in text
  assert text.count('Zhai et al. (2019)') == 1
  lines = _lines(text)
  assert ['percent', '59.3'] in lines and ['percent', '19.4'] in lines
  assert ['deviation', '1.09,', 'Table', '4'] in lines
  line = int(text.rsplit('line ', 1)[1])
  path = text.rsplit('file', 1)[1].split(',')[0].strip()
  with open(path, encoding='utf-8') as f:
    assert (
      f.read().splitlines()[line - 1] == 'vit_b16,scratch,svhn,natural,19.4'
    )
  assert 'mean over the 19 tasks' in explain.of_paper('mean', 'linear', 200)
  with pytest.raises(errors.InputError, match='choose from cifar100'):
    explain.of_paper('digits', 'linear', 100)
  with pytest.raises(errors.InputError, match='choose from linear, all_l2'):
    explain.of_paper('svhn', 'knn', 100)
