import pandas as pd
import pytest

from tests import testing
from vtab_h2t import published
from vtab_h2t.report import jobs
from vtab_h2t.report import catalogue


def test_jobs_and_methods_are_known():
  for output in catalogue.OUTPUTS.values():
    assert set(output.jobs) <= set(jobs.JOBS)
    assert output.measured is None or output.jobs


@pytest.mark.parametrize('name', [
    n for n, o in catalogue.OUTPUTS.items() if o.published])
def test_published_frames_are_written(name, tmp_path):
  output = catalogue.OUTPUTS[name]
  frames = output.published()
  assert frames and all(len(t) for t in frames.values())
  paths = output.write(frames, tmp_path, 'published')
  assert len(paths) == len(frames) + (2 if output.draw else 1)
  assert all(p.stat().st_size for p in paths)


def test_table4_of_the_paper_has_each_deviation():
  wide = catalogue.OUTPUTS['table4'].published()['resnet50']
  table = published.table('table4_std')
  row = table[(table.backbone == 'resnet50') & (table.task == 'svhn')
              & (table.method == 'head2toe')].std_percent.item()
  assert wide.set_index('method').svhn['head2toe'] == row
  assert len(wide) == 9 and len(wide.columns) == 20


def test_table2_is_what_head2toe_chose():
  rows = [r | {'target_size': 256, 'fraction': 0.1, 'learning_rate': 0.1,
               'steps': 500, 'coefficient': 1e-5}
          for r in testing.result_rows()]
  table = catalogue.OUTPUTS['table2'].measured({'accuracy': rows})['table2']
  assert table.task.tolist() == ['x', 'y', 'z']
  assert (table.l21_coefficient == 1e-5).all()


def test_variants_of_taps_stand_beside_the_original():
  output = catalogue.OUTPUTS['table6']
  rows = {job: [r | {'correct': r['correct'] + 10 * i}
                for r in testing.result_rows()]
          for i, job in enumerate(output.jobs)}
  table = output.measured(rows)['table6'].set_index('variant')
  assert table.index.tolist() == published.table(
      'table6_ablation_resnet50').variant.tolist()
  # Head2Toe has 60, 60 and 80 of 200 in the median, 5 points more each.
  assert table.natural.tolist() == [60, 65, 70, 75]
  assert table.structured['original'] == pytest.approx(70)
  assert table.average['original'] == pytest.approx(200 / 3)


def _vtab_rows():
  """As if measured with the paper's network: 1 point above what it prints."""
  table = published.table('table1_accuracy')
  table = table[(table.backbone == 'resnet50') & (table.task != 'mean')]
  common = testing.result_rows()[0] | {
      'suite': 'vtab', 'backbone': 'resnet50', 'total': 1000, 'fold': None}
  return [common | {'method': r.method, 'task': r.task, 'group': r.group,
                    'seed': 0, 'correct': round(10 * r.accuracy_percent) + 10}
          for r in table.itertuples()]


def test_published_numbers_stand_beside_where_it_is_fair():
  rows = {'accuracy': _vtab_rows()}
  output = catalogue.OUTPUTS['table1']
  frames = output.measured(rows)
  assert list(frames) == ['table1', 'published', 'difference']
  assert frames['difference'].accuracy_percent.to_numpy() == pytest.approx(1)
  assert len(frames['difference']) == 19 * 9
  text = output.text(frames)
  assert 'Measured less published' in text and 'Published (Tables' in text
  two = catalogue.OUTPUTS['figure2'].measured(rows)
  assert list(two) == ['resnet50', 'resnet50_published']
  pd.testing.assert_frame_equal(two['resnet50'][['affinity']],
                                two['resnet50_published'][['affinity']])
  jobs = dict.fromkeys(catalogue.OUTPUTS['table6'].jobs, _vtab_rows())
  table = catalogue.OUTPUTS['table6'].measured(jobs)['table6']
  assert table.natural[0] - table.natural_published[0] == pytest.approx(
      1, abs=0.06)


def test_nothing_published_stands_beside_other_tasks_or_networks():
  for changes in ({'suite': 'embedded'}, {'backbone': 'vit_ti16'}):
    rows = {'accuracy': [r | changes for r in _vtab_rows()]}
    assert list(catalogue.OUTPUTS['table1'].measured(rows)) == ['table1']
    assert len(catalogue.OUTPUTS['figure2'].measured(rows)) == 1
