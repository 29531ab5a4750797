"""Benchmarks run and agree with their baselines; times are not looked at."""

import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import goals
from benchmarks import summary
from vtab_h2t.report import rounding

_ROOT = pathlib.Path(__file__).parents[1]
_NAMES = sorted(
  p.stem
  for p in (_ROOT / 'benchmarks').glob('*.py')
  if p.stem not in ('__init__', 'baseline', 'goals', 'harness', 'summary')
)


@pytest.mark.soak
@pytest.mark.parametrize('name', _NAMES)
def test_small_settings_run(name, tmp_path):
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      f'benchmarks.{name}',
      '--setting=small',
      f'--out={tmp_path}/rows.jsonl',
    ],
    cwd=_ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  rows = [
    json.loads(line)
    for line in (tmp_path / 'rows.jsonl').read_text().splitlines()
  ]
  assert rows and all(r['benchmark'] == name for r in rows)
  assert all(r['setting'] == 'small' for r in rows)


def test_summary_is_of_the_medians_of_full_settings():
  goal = goals.Goal('what', 'b', 'x', lambda row: row.get('n') == 1, 2.0)
  row = lambda x, **changes: (
    {'benchmark': 'b', 'setting': 'full', 'processor': 'p', 'n': 1, 'x': x}
    | changes
  )
  rows = [
    row(1.0),
    row(3.0),
    row(9.0),
    row(0.1, n=2),
    row(1.5, processor='q'),
    row(0.1, setting='small'),
    row(0.1, benchmark='c'),
  ]
  assert goal.values(rows, 'p') == [1, 3, 9]
  assert goal.line(rows, ['p', 'q', 'r']) == (
    '| what | at least 2 | 3 (3 runs), reached | 1.5, missed | not measured |'
  )
  assert goals.frozen(
    [r | {'benchmark': 'growth'} for r in rows[:1]]
    + [r | {'benchmark': 'training', 'processor': 'q'} for r in rows[:1]]
  ).startswith('| what | goal |\n')
  assert goals.trained(
    [r | {'benchmark': 'training'} for r in rows]
  ).startswith('| what | goal | p | q |\n')


def test_accuracies_of_several_tasks_have_a_mean_and_their_seconds_a_sum():
  rows = [
    {
      'benchmark': 'solvers',
      'setting': 'full',
      'processor': 'p',
      'pixels': pixels,
      'task': task,
      'solver': solver,
      'accuracy_percent': accuracy,
      'cpu_seconds': seconds,
    }
    for pixels, task, solver, accuracy, seconds in [
      (64, 's', 'adam', 0.0, 9),
      (64, 's', 'adam', 50.0, 1),
      (64, 's', 'convex', 40.0, 3),
      (64, 't', 'adam', 70.0, 4),
      (64, 't', 'convex', 80.0, 5),
      (96, 's', 'adam', 1.0, 6),
      (96, 's', 'convex', 2.0, 7),
    ]
  ]
  assert summary.accuracies(rows).splitlines()[2:] == [
    '| p | 64 | s | 50.0 | 40.0 | 1 | 3 |',
    '| p | 64 | t | 70.0 | 80.0 | 4 | 5 |',
    '| p | 64 | all of these | 60.0 | 60.0 | 5 | 8 |',
    '| p | 96 | s | 1.0 | 2.0 | 6 | 7 |',
  ]


def test_rounding_is_told_by_method():
  row = {'benchmark': 'rounding', 'setting': 'full', 'processor': 'p'}
  rows = [
    row
    | {
      'what': 'accuracy',
      'method': 'linear',
      'task': task,
      'accuracy_percent': one,
      'other_percent': other,
      'another_setting': one != other,
    }
    for task, one, other in [('s', 50.0, 53.0), ('t', 70.0, 70.0)]
  ]
  rows.append(
    row
    | {'what': 'beside Head2Toe', 'method': 'linear', 'task': 'all'}
    | {'points': -2.0, 'low': -3.0, 'high': -1.0}
    | {'other_points': -1.0, 'other_low': -2.5, 'other_high': 0.5}
  )
  assert summary.rounding(rows).splitlines()[2:] == [
    '| p | Linear | 60.0 | 61.5 | 3.0 (s) | 1 of 2 '
    '| -2.0 (-3.0 to -1.0) | -1.0 (-2.5 to +0.5) |'
  ]
  slower = [r | {'processor': 'q'} for r in rows]
  slower[0] = slower[0] | {'other_percent': 48.5}
  assert summary.processors(rows + slower).splitlines()[2:] == [
    '| Linear | 4 | 59.2 to 61.5 | 4.5 (s) |'
  ]


def test_the_report_tells_of_rounding_what_was_measured():
  committed = [
    r
    for r in summary.read(_ROOT / 'benchmarks' / 'results.jsonl')
    if r['benchmark'] == 'rounding'
  ]
  by_cell, highest = {}, {}
  for r in committed:
    if r['what'] == 'accuracy':
      cell = by_cell.setdefault((r['method'], r['task']), [])
      cell += [r['accuracy_percent'], r['other_percent']]
    else:  # The main run's arithmetic is the first.
      highest.setdefault(r['method'], []).extend([r['high'], r['other_high']])
  report = _ROOT / 'vtab_h2t' / 'report' / 'arithmetics.csv'
  assert report.read_text('utf-8') == summary.ranges(committed)
  widest = max(max(cell) - min(cell) for cell in by_cell.values())
  assert rounding.most() == pytest.approx(widest, abs=1e-4)
  ties = [
    method
    for method, (first, *others) in highest.items()
    if first < 0 < min(others)
  ]
  assert tuple(ties) == rounding.TIES
  assert {len(cell) for cell in by_cell.values()} == {4}


def test_embedding_that_was_gone_on_with_is_derived_as_a_whole():
  row = {
    'benchmark': 'own_images',
    'setting': 'full',
    'processor': 'p',
    'memory_gib': 4.0,
    'float16': False,
    'side': 96,
    'images': 2000,
    'embedded': 2000,
    'stages': {
      'examine files': 2.0,
      'embed images': 10.0,
      'choose linear': 1.0,
      'choose head2toe': 3.0,
    },
    'peak_gib': 1.25,
    'features_gib': 0.18,
  }
  resumed = row | {'images': 4000, 'embedded': 1000, 'side': 224}
  assert summary.adapting([row, resumed]).splitlines()[2:] == [
    '| 224 | 4,000 | 2 | 40 (derived) | 4 | 0 | 0 | 0 | 46 (derived) | 11.5 '
    '| 1.2 | 0.18 |',
    '| 96 | 2,000 | 2 | 10 | 4 | 0 | 0 | 0 | 16 | 8.0 | 1.2 | 0.18 |',
  ]


def test_readme_shows_the_tables_of_the_committed_results():
  rows = summary.read(_ROOT / 'benchmarks' / 'results.jsonl')
  readme = (_ROOT / 'benchmarks' / 'README.md').read_text('utf-8')
  for make in summary.TABLES:
    assert make(rows) in readme


def test_every_goal_has_a_benchmark_of_its_name():
  assert {g.benchmark for g in goals.GOALS} <= set(_NAMES)
  assert len({g.text for g in goals.GOALS}) == len(goals.GOALS)
