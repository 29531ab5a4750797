import re

import pytest

from benchmarks import summary
from tools import made_parts
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import judging
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import standing
from vtab_h2t.report import statistics


@pytest.fixture(scope='module')
def measured():
  return {
    r.run.name: r
    for r in results_lib.read_all(ledger_lib.Ledger(made_parts.RESULTS))
  }


@pytest.mark.parametrize('page', made_parts.PAGES, ids=lambda path: path.stem)
def test_pages_have_what_the_rows_give(page, measured):
  """Run python -m tools.made_parts where rows, or the code, have changed."""
  text = page.read_text('utf-8')
  assert made_parts.renewed(text, measured, page.parent) == text
  for link in re.findall(r'\]\(([^():#]+)', text):
    assert (page.parent / link).exists(), link


def test_what_is_around_parts_is_left(measured):
  text = (
    'Before.\n\n<!-- made: refuted vit_b16 -->\nformer\n<!-- end -->\n\n'
    'Between.\n\n<!-- made: contradictions -->\n<!-- end -->\nAfter.\n'
  )
  new = made_parts.renewed(text, {}, made_parts.RESULTS)
  assert re.fullmatch(
    r'Before\.\n\n<!-- made: refuted vit_b16 -->\n\nOf 93 claims \d+ hold, .*'
    r'<!-- end -->\n\nBetween\.\n\n<!-- made: contradictions -->\n\n\| what.*'
    r'\|\n\n<!-- end -->\nAfter\.\n',
    new,
    re.DOTALL,
  )
  assert 'former' not in new
  assert made_parts.renewed(new, {}, made_parts.RESULTS) == new


def test_an_unknown_run_is_told():
  text = '<!-- made: means no-such-run -->\n<!-- end -->'
  with pytest.raises(KeyError, match='no-such-run'):
    made_parts.renewed(text, {}, made_parts.RESULTS)


def test_the_articles_summary_is_what_intervals_say(measured):
  """Its sentences in words on the main run and on VTAB's tasks."""
  article = made_parts.PAGES[1].read_text('utf-8')
  (main,) = re.findall(r'<!-- made: ties (.*?) -->', article)
  for run, reading in (
    (main, standing.WORSE),
    (f'{main}-random', standing.TIE),
  ):
    found = standing.of_run(measured[run]).set_index('method').reading
    assert found['linear'] == standing.WORSE
    assert set(found[['all_l2', 'all_l1', 'all_l21']]) == {reading}
    better = set(found.index[found == standing.BETTER])
    assert better <= {'head2toe_ft', 'head2toe_ft_plus'}
    assert ('head2toe_ft' in better) == (run == main)
  later = standing.of_run(measured[main]).set_index('method').reading
  later = later[[m for m in later.index if m in methods.SUCCESSORS]]
  assert (later == standing.TIE).sum() == 3
  assert standing.BETTER not in set(later)
  wide = statistics.summarise(measured[main].of('accuracy')).pivot(
    index='task', columns='method', values='accuracy_percent'
  )
  apart = wide.alf - wide.head2toe
  assert (
    f'layer fusion is {apart.max():.0f} points ahead of Head2Toe on '
    f'{apart.idxmax()} and {-apart.min():.0f} behind on {apart.idxmin()}'
  ) in ' '.join(article.split())
  runs = re.findall(r'<!-- made: by_task (.*?) -->', article)
  assert len(runs) == 2 and all(run.startswith('vtab') for run in runs)
  for run in runs:
    summary = statistics.summarise(measured[run].of('accuracy'))
    wide = summary.pivot(
      index='task', columns='method', values='accuracy_percent'
    )
    assert len(wide) == 2
    fusion = wide.alf - wide.head2toe
    assert fusion.min() > 0.7 and fusion.max() < 1.2
    ridge = wide.all_ridge - wide.head2toe
    assert ridge.min() > -0.06 and ridge.max() < 1.85


def test_what_the_article_says_of_changed_parts_is_in_the_rows(measured):
  """Its sentences on single tasks, places in the ranking, and layers."""
  article = ' '.join(made_parts.PAGES[1].read_text('utf-8').split())
  results = measured['embedded-lite0-64px']
  changed, usual = (
    statistics.summarise(
      r for r in results.of(job) if r['method'] == 'head2toe'
    ).set_index('task')
    for job in ('normalization_feature', 'accuracy')
  )
  points = changed.accuracy_percent - usual.accuracy_percent
  assert (points.idxmax(), points.idxmin()) == ('shapes_dist', 'shapes_count')
  assert f'shapes_dist gains {points.max():.1f} points' in article
  assert f'shapes_count loses {-points.min():.1f}' in article
  percent, once = (
    catalogue.OUTPUTS['ranking']
    .of_results(measured[name])['ranking']
    .set_index('offset')
    .percent
    for name in ('embedded-lite0-64px', 'embedded-lite0-64px-once')
  )
  assert percent.idxmin() == 12_800 and once.idxmin() == 14_080
  assert percent.iloc[-1] - percent.min() > 10 > 2 > once.iloc[-1] - once.min()
  assert f'accurate by {percent[0] - once[0]:.0f} points' in article
  gains = catalogue.OUTPUTS['figure4'].of_results(results)['gains']
  control = max(r.get('num_features', 0) for r in results.of('control'))
  assert (gains.oracle_features > control).sum() == len(gains) / 2
  scores = catalogue.OUTPUTS['scores'].of_results(results)
  line = scores['scores'].set_index('score')
  assert line.high['random'] < 0
  assert (line.high.drop(['l2', 'random']) > 0).all()
  assert (line.low.drop('l2') < 0).all()
  assert (
    f'accurate on average, by {-line.above_l2["group_lasso"]:.1f}' in article
  )
  of_task = scores['tasks'].pivot(
    index='task', columns='score', values='percent'
  )
  others = of_task.drop(columns=['l1', 'linf', 'random', 'l2'])
  apart = others.sub(of_task.l2, axis=0).T
  assert len(apart) == 6 and (line.above_l2[apart.index] < 0).all()
  behind, ahead = -apart.sprites_ori, apart.shapes_count
  for some, where in ((behind, 'sprites_ori'), (ahead, 'shapes_count')):
    assert f'`{where}`, by {some.min():.0f} to {some.max():.0f}' in article
  vit = measured['vtab-vit_ti16-224px']
  pooled, alone, both = (
    statistics.summarise(r for r in vit.of(job) if r['method'] == 'head2toe')
    .set_index('task')
    .accuracy_percent
    for job in ('accuracy', 'cls_only', 'cls_both')
  )
  ahead, behind = (
    ' and '.join(f'{x:.2f}' for x in points[['caltech101', 'flowers102']])
    for points in (alone - pooled, pooled - both)
  )
  assert f'ahead on both tasks, by {ahead} points' in article
  assert f'it is behind, by {behind}.' in article
  few = catalogue.OUTPUTS['figure13'].of_results(results)['tasks']
  few = few[few.train_fraction == 0.1].pivot(
    index='task', columns='method', values='percent'
  )
  apart = few.head2toe - few.linear
  assert (apart < 0).sum() == 4
  said = f'most on `{apart.idxmin()}`, by {-apart.min():.1f} points'
  assert said in article
  detectable = [
    v.interval.detectable
    for v in judging.verdicts(results)
    if v.claim.id.startswith('taps_above_')
  ]
  assert (
    f'less than {min(detectable):.1f} to {max(detectable):.1f} points would'
    in article
  )


def test_numbers_of_the_convex_solver_are_the_benchmarks():
  """The article's sentences on it, held against the table that they are of."""
  article = (made_parts.PAGES[1]).read_text('utf-8')
  benchmarks = (made_parts.house.ROOT / 'benchmarks' / 'README.md').read_text()
  lines = [
    [cell.strip() for cell in line.split('|')[1:-1]]
    for line in benchmarks.splitlines()
    if line.startswith('|')
  ]

  def of(*first):
    return next(l for l in lines if tuple(l[: len(first)]) == first)

  few, many = (of('digits', '24,344', c) for c in ('1e-05', '0.001'))
  for cell in (few[3], few[5], few[7]):
    assert re.search(rf'\b{cell}\b', article), cell
  for share in (few[10], many[10]):
    assert f'{float(share) * 100:.0f} %' in article
  article = ' '.join(article.split())
  *_, seconds, slower = of('Intel Xeon', '96', 'all of these')
  assert f'{slower} processor seconds where' in article
  assert f"Adam's took {seconds} on an Intel" in article
  *_, seconds, slower = of('AMD EPYC', '96', 'all of these')
  assert f"{slower} where Adam's took {seconds} on an AMD" in article
  *_, adam, convex, _, _ = of('Intel Xeon', '224', 'caltech101')
  assert f'Head2Toe has {convex} % when' in article
  assert f"{adam} % with Adam's ranking" in article


def test_what_the_article_says_of_rounding_is_the_benchmarks():
  rows = [
    row
    for row in summary.read(
      made_parts.house.ROOT / 'benchmarks' / 'results.jsonl'
    )
    if row['benchmark'] == 'rounding' and row['task'] == 'all'
    if row['method'].startswith('all_')
  ]
  # The main run's arithmetic, that of the first processor, and the others.
  first = [row for row in rows if row['processor'] == rows[0]['processor']]
  main = [(-row['points'], row['high']) for row in first]
  others = [(-row['other_points'], row['other_high']) for row in rows]
  others += [(-row['points'], row['high']) for row in rows if row not in first]
  assert (len(main), len(others)) == (3, 9)
  article = ' '.join(made_parts.PAGES[1].read_text('utf-8').split())
  for found in (main, others):
    points = sorted(points for points, _ in found)
    assert f'by {points[0]:.1f} to {points[-1]:.1f}' in article
  assert all(high < 0 for _, high in main)
  assert all(high > 0 for _, high in others)
