"""What was measured, as Markdown tables: goals, times, solvers.

Its rows are those of results.jsonl:

  python -m benchmarks.summary

With --ranges it writes instead what the report tells of rounding:

  python -m benchmarks.summary --ranges=vtab_h2t/report/arithmetics.csv
"""

from collections.abc import Sequence
import json
import pathlib
import statistics
from typing import Any

from absl import app
from absl import flags

from benchmarks import goals
from vtab_h2t.report import tables

_RESULTS = flags.DEFINE_string(
  'results',
  str(pathlib.Path(__file__).parent / 'results.jsonl'),
  'Rows that the benchmarks wrote.',
)
_RANGES = flags.DEFINE_string(
  'ranges',
  None,
  'CSV file to write instead: the lowest and the highest accuracy of each cell '
  'of Table 1 over the arithmetics that were tried.',
)

Row = goals.Row


def _latest(rows: Sequence[Row], benchmark: str, *keys: str) -> list[Row]:
  """The last full row of each kind, in the order of the kinds' first."""
  found: dict[tuple[Any, ...], Row] = {}
  for row in rows:
    if (row['benchmark'], row['setting']) == (benchmark, 'full'):
      found[tuple(row[k] for k in keys)] = row
  return list(found.values())


def _lines(header: Sequence[str], cells: Sequence[Sequence[Any]]) -> str:
  def text(value: Any) -> str:
    if isinstance(value, str):
      return value
    whole = isinstance(value, int) or value >= 1000
    return f'{value:,.0f}' if whole else f'{value:.3g}'

  return '\n'.join(
    f'| {" | ".join(line)} |'
    for line in (
      header,
      ['---'] * len(header),
      *([text(v) for v in line] for line in cells),
    )
  )


_WHOLE = 'baseline, all ('  # Of the grid; the sum of what is above it.


def spending(rows: Sequence[Row]) -> str:
  """Cpu seconds of a work unit's parts, on each processor for each grid."""
  found: dict[tuple[str, str], dict[str, float]] = {}
  for r in _latest(rows, 'work_unit', 'processor', 'grid', 'what'):
    found.setdefault((r['processor'], r['grid']), {})[r['what']] = r[
      'all_cpu_seconds'
    ]
  parts = dict.fromkeys(what for spent in found.values() for what in spent)
  parts = sorted(parts, key=lambda what: what.startswith(_WHOLE))
  return _lines(
    ['cpu seconds', *(f'{p}, {grid}' for p, grid in found)],
    [
      [what, *(spent.get(what, '') for spent in found.values())]
      for what in parts
    ],
  )


def stepping(rows: Sequence[Row]) -> str:
  """Milliseconds of a group-lasso step."""
  return _lines(
    [
      'processor',
      'D',
      'C',
      'ours',
      'Keras',
      'Keras, eager',
      'copying as many bytes',
    ],
    [
      [
        r['processor'],
        r['features'],
        r['classes'],
        *(
          r.get(f'{side}_ms', '')
          for side in ('ours', 'keras', 'eager', 'bound')
        ),
      ]
      for r in _latest(rows, 'group_lasso', 'processor', 'features', 'classes')
    ],
  )


def extracting(rows: Sequence[Row]) -> str:
  """Images a second."""
  some = [r for r in rows if 'taps_cost_percent' in r]
  return _lines(
    [
      'processor',
      'backbone',
      'pixels',
      'features',
      'images a second',
      'without taps',
    ],
    [
      [
        r['processor'],
        r['backbone'],
        r['image_size'],
        r['features'],
        r['images_a_second'],
        r['bare_images_a_second'],
      ]
      for r in _latest(
        some, 'extraction', 'processor', 'backbone', 'image_size'
      )
    ],
  )


def training(rows: Sequence[Row]) -> str:
  """Milliseconds of a training step, and seconds until the first has run."""
  some = [r for r in rows if 'keras_over_ours_cpu' in r]
  return _lines(
    [
      'processor',
      'backbone',
      'pixels',
      'statistics',
      'ours, cpu',
      'Keras, cpu',
      'ours, wall',
      'Keras, wall',
      'bound, wall',
      'ours, seconds to compile',
      'Keras, seconds to compile',
    ],
    [
      [
        r['processor'],
        r['backbone'],
        r['image_size'],
        r['statistics'],
        *(
          r[k]
          for k in (
            'ours_cpu_ms',
            'keras_cpu_ms',
            'ours_wall_ms',
            'keras_wall_ms',
            'bound_wall_ms',
            'compile_seconds',
            'keras_compile_seconds',
          )
        ),
      ]
      for r in _latest(
        some, 'training', 'processor', 'backbone', 'image_size', 'statistics'
      )
    ],
  )


def allocating(rows: Sequence[Row]) -> str:
  """Milliseconds of a training step with settings of the allocator."""
  some = [r for r in rows if 'allocator' in r]
  return _lines(
    ['processor', 'allocator', 'cpu', 'wall', 'page faults'],
    [
      [
        r['processor'],
        r['allocator'],
        r['step_cpu_ms'],
        r['step_wall_ms'],
        r['page_faults_a_step'],
      ]
      for r in _latest(some, 'training', 'processor', 'allocator')
    ],
  )


def solved(rows: Sequence[Row]) -> str:
  """The convex solver beside Adam and adelie."""
  return _lines(
    [
      'task',
      'D',
      'coefficient',
      'objective',
      'above the optimum by at most',
      "Adam's",
      "adelie's",
      'features used',
      'rank correlation with Adam',
      'shared of those used',
      'of 1%',
      'of 10%',
    ],
    [
      [
        r['task'],
        r['features'],
        f'{r["coefficient"]:g}',
        f'{r["objective"]:.5f}',
        f'{r["relative_gap"]:.0e}',
        f'{r["adam_objective"]:.5f}',
        f'{r["adelie_objective"]:.5f}',
        r['used'],
        f'{r["rank_correlation"]:.2f}',
        f'{r["shared_used"]:.2f}',
        f'{r["shared_0.01"]:.2f}',
        f'{r["shared_0.1"]:.2f}',
      ]
      for r in _latest(rows, 'convex', 'task', 'features', 'coefficient')
    ],
  )


def solving(rows: Sequence[Row]) -> str:
  """Cpu seconds of what `solved` compares, down to the least coefficient."""
  some = _latest(rows, 'convex', 'processor', 'task', 'features', 'coefficient')
  least = min((r['coefficient'] for r in some), default=0)
  return _lines(
    ['processor', 'task', 'D', 'C', 'Adam, 4 heads', 'path', 'adelie'],
    [
      [
        r['processor'],
        r['task'],
        r['features'],
        r['classes'],
        r['adam_cpu_seconds'],
        r['convex_cpu_seconds'],
        r['adelie_cpu_seconds'],
      ]
      for r in some
      if r['coefficient'] == least
    ],
  )


def accuracies(rows: Sequence[Row]) -> str:
  """Head2Toe with either solver; means of accuracies, sums of seconds."""
  found: dict[tuple[str, int], dict[str, dict[str, Row]]] = {}
  for row in _latest(rows, 'solvers', 'processor', 'task', 'pixels', 'solver'):
    tasks = found.setdefault((row['processor'], row['pixels']), {})
    tasks.setdefault(row['task'], {})[row['solver']] = row
  solvers = 'adam', 'convex'
  cells = []
  for (processor, pixels), tasks in found.items():
    numbers = [
      [task[s][k] for k in ('accuracy_percent', 'cpu_seconds') for s in solvers]
      for task in tasks.values()
    ]
    lines = dict(zip(tasks, numbers))
    if len(tasks) > 1:
      columns = list(zip(*numbers))
      lines['all of these'] = [
        *map(statistics.mean, columns[:2]),
        *map(sum, columns[2:]),
      ]
    cells += [
      [processor, pixels, name, *(f'{v:.1f}' for v in values[:2]), *values[2:]]
      for name, values in lines.items()
    ]
  return _lines(
    [
      'processor',
      'pixels',
      'task',
      'Adam',
      'convex',
      'cpu seconds, Adam',
      'cpu seconds, convex',
    ],
    cells,
  )


# A processor's own arithmetic, and that of shorter vectors.
_ARITHMETICS = 'accuracy_percent', 'other_percent'


def rounding(rows: Sequence[Row]) -> str:
  """Each method's mean with either arithmetic, and where it stands."""
  beside = {
    (r['processor'], r['method']): r for r in _rounded(rows, 'beside Head2Toe')
  }
  measured: dict[tuple[str, str], list[Row]] = {}
  for row in _rounded(rows):
    measured.setdefault((row['processor'], row['method']), []).append(row)

  def place(row: Row | None, prefix: str) -> str:
    if row is None:
      return ''
    points, low, high = (row[prefix + k] for k in ('points', 'low', 'high'))
    return f'{points:+.1f} ({low:+.1f} to {high:+.1f})'

  cells = [
    [
      processor,
      tables.LABELS.get(method, method),
      *(
        f'{statistics.mean(r[name] for r in tasks):.1f}'
        for name in _ARITHMETICS
      ),
      _most([[r[name] for name in _ARITHMETICS] for r in tasks], tasks),
      f'{sum(r["another_setting"] for r in tasks)} of {len(tasks)}',
      *(
        place(beside.get((processor, method)), prefix)
        for prefix in ('', 'other_')
      ),
    ]
    for (processor, method), tasks in measured.items()
  ]
  return _lines(
    [
      'processor',
      'method',
      'mean',
      'mean, AVX2',
      'most on a task',
      'other settings',
      'beside Head2Toe',
      'beside Head2Toe, AVX2',
    ],
    cells,
  )


def processors(rows: Sequence[Row]) -> str:
  """By how much all arithmetics of all processors differ, by method."""
  measured: dict[str, dict[str, list[Row]]] = {}
  for row in _rounded(rows):
    of_method = measured.setdefault(row['method'], {})
    of_method.setdefault(row['task'], []).append(row)
  cells = []
  for method, tasks in measured.items():
    # Of each task a list of as many accuracies as there are arithmetics.
    values = [
      [r[name] for r in task for name in _ARITHMETICS]
      for task in tasks.values()
    ]
    means = [statistics.mean(v) for v in zip(*values, strict=True)]
    cells.append(
      [
        tables.LABELS.get(method, method),
        len(means),
        f'{min(means):.1f} to {max(means):.1f}',
        _most(values, [task[0] for task in tasks.values()]),
      ]
    )
  return _lines(['method', 'arithmetics', 'means', 'most on a task'], cells)


def ranges(rows: Sequence[Row]) -> str:
  """Lowest and highest accuracy over all arithmetics by cell, as CSV."""
  cells: dict[tuple[str, str], list[float]] = {}
  for row in _rounded(rows):
    cell = cells.setdefault((row['method'], row['task']), [])
    cell += [row[name] for name in _ARITHMETICS]
  lines = [
    f'{method},{task},{min(found):.7g},{max(found):.7g}'
    for (method, task), found in cells.items()
  ]
  return '\n'.join(['method,task,lowest,highest', *lines]) + '\n'


def _rounded(rows: Sequence[Row], what: str = 'accuracy') -> list[Row]:
  """What each processor gave with both arithmetics, by method and task."""
  found = _latest(rows, 'rounding', 'processor', 'what', 'method', 'task')
  return [row for row in found if row['what'] == what]


def _most(values: Sequence[Sequence[float]], tasks: Sequence[Row]) -> str:
  """The widest range of a task's accuracies, and which task that is."""
  ranges = [max(v) - min(v) for v in values]
  widest = ranges.index(max(ranges))
  return f'{ranges[widest]:.1f} ({tasks[widest]["task"]})'


# Stages of adapting that are one column, and its name.
_STAGES = {
  'examine files': 'examine',
  'embed images': 'embed',
  'choose linear': 'choose',
  'choose head2toe': 'choose',
  'learn from 25% of images': 'learning curve',
  'learn from 50% of images': 'learning curve',
  'train head2toe': 'train',
  'look for wrong labels': 'compare',
  'compare images': 'compare',
}


def _adapted(rows: Sequence[Row]) -> list[Row]:
  """The last row of each number of images, larger images first."""
  keys = 'processor', 'side', 'images', 'memory_gib', 'float16'
  return sorted(
    _latest([r for r in rows if 'peak_gib' in r], 'own_images', *keys),
    key=lambda r: (str(r['processor']), -r['side'], r['images']),
  )


def adapting(rows: Sequence[Row]) -> str:
  """Seconds of adapting by stage, memory and disk.

  Where a process went on with what another one had embedded, the seconds of
  embedding are those of its own images times how many there are of them.
  """
  columns = list(dict.fromkeys(_STAGES.values()))
  cells = []
  for whole in _adapted(rows):
    seconds = dict.fromkeys(columns, 0.0)
    for name, value in whole['stages'].items():
      seconds[_STAGES[name]] += value
    seconds['embed'] *= whole['images'] / whole['embedded']
    all_ = sum(seconds.values())
    derived = ' (derived)' if whole['embedded'] < whole['images'] else ''
    cells.append(
      [
        whole['side'],
        whole['images'],
        *(
          f'{s:,.0f}' + derived * (name == 'embed')
          for name, s in seconds.items()
        ),
        f'{all_:,.0f}{derived}',
        f'{1000 * all_ / whole["images"]:.1f}',
        f'{whole["peak_gib"]:.1f}',
        f'{whole["features_gib"]:.2f}',
      ]
    )
  return _lines(
    [
      'pixels',
      'images',
      *columns,
      'all',
      'all, milliseconds an image',
      'memory, GiB',
      'features, GiB',
    ],
    cells,
  )


def predicting(rows: Sequence[Row]) -> str:
  """Images a second of a model and of its bare network."""
  return _lines(
    ['pixels', 'images adapted to', 'classified a second', 'bare network'],
    [
      [
        r['side'],
        r['images'],
        f'{r["predicted_a_second"]:.1f}',
        f'{r["bare_a_second"]:.1f}',
      ]
      for r in _adapted(rows)
    ],
  )


def read(path: str | pathlib.Path) -> list[Row]:
  """The rows of a file of results."""
  return [
    json.loads(line)
    for line in pathlib.Path(path).read_text('utf-8').splitlines()
  ]


TABLES = (
  goals.frozen,
  goals.trained,
  spending,
  stepping,
  extracting,
  training,
  allocating,
  solved,
  solving,
  accuracies,
  rounding,
  processors,
  adapting,
  predicting,
)


def main(argv: Sequence[str]) -> None:
  del argv
  rows = read(_RESULTS.value)
  if _RANGES.value:
    pathlib.Path(_RANGES.value).write_text(ranges(rows), 'utf-8')
    return
  print('\n\n'.join(make(rows) for make in TABLES))


if __name__ == '__main__':
  app.run(main)
