"""The domain-affinity plots, as a user makes them."""

import pandas as pd
import pytest

from tests import testing
from tests.runners import tiny
from vtab_h2t.report import catalogue

_ALL = {'figure2', 'figure3', 'figure4', 'figure8', 'figure11'}


@pytest.mark.soak
def test_all_five_of_the_paper(tmp_path):
  done = testing.run_runner(
    'affinity', '--source=published', f'--workdir={tmp_path}'
  )
  assert done.returncode == 0, done.stderr
  figures = tmp_path / 'published' / 'figures'
  assert {p.stem for p in figures.glob('*.pdf')} == _ALL
  assert {p.stem for p in figures.glob('*.png')} == _ALL
  assert set(catalogue.AFFINITY) == _ALL
  # Pets under ResNet-50, from the rounded Table 1.
  table = pd.read_csv(figures / 'figure3_resnet50.csv').set_index('name')
  assert table.affinity['pets'] == pytest.approx(
    table.linear['pets'] - table.scratch['pets']
  )
  assert table.kind.tolist() == ['task'] * 19 + ['group'] * 3
  gains = pd.read_csv(figures / 'figure2_resnet50.csv').set_index('task')
  assert gains.affinity.is_monotonic_increasing and len(gains) == 19
  assert gains.head2toe_gain['svhn'] == pytest.approx(84.1 - 47.5)


@pytest.mark.soak
def test_measured_for_one_task_with_the_methods_that_they_need(tmp_path):
  done = tiny.run(
    'affinity', tmp_path, '--tasks=one', '--seeds=0', '--methods=linear'
  )
  (folder,) = tiny.folders(tmp_path)
  # What depends on the second network is in the folder derived with it.
  places = dict.fromkeys(_ALL, folder)
  for name, job in (('figure4', 'control'), ('figure8', 'second')):
    (places[name],) = tmp_path.glob(f'{folder.name}.{job}.*')
  assert {p.stem for p in tmp_path.glob('*/figures/*.png')} == _ALL
  rows = testing.read_rows(tmp_path)
  assert {'linear', 'scratch', 'finetune', 'head2toe'} <= {
    r['method'] for r in rows
  }
  assert {r['task'] for r in rows} == {'one'}
  for name in _ALL:
    assert f'{name}: {places[name]}/figures/{name}.png' in done.stdout
