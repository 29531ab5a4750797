"""What was measured, as Markdown tables: goals, times, solvers.

Its rows are those of results.jsonl:

  python -m benchmarks.summary
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import json
import pathlib
import statistics
from typing import Any

from absl import app
from absl import flags

_RESULTS = flags.DEFINE_string(
  'results',
  str(pathlib.Path(__file__).parent / 'results.jsonl'),
  'Rows that the benchmarks wrote.',
)

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Goal:
  """A quantity that should reach a bound.

  Attributes:
    text: what it is.
    benchmark: whose rows it is read from.
    field: of those rows.
    where: which of them.
    bound: what it should reach; None for what is only stated.
    at_least: whether from below.
    unit: written behind numbers.
  """

  text: str
  benchmark: str
  field: str
  where: Callable[[Row], bool]
  bound: float | None = None
  at_least: bool = True
  unit: str = ''

  def values(self, rows: Sequence[Row], processor: str) -> list[float]:
    """What the full settings gave on a processor, oldest first."""
    return [
      r[self.field]
      for r in rows
      if (r['benchmark'], r['setting'], r['processor'])
      == (self.benchmark, 'full', processor)
      and self.field in r
      and self.where(r)
    ]

  def line(self, rows: Sequence[Row], processors: Sequence[str]) -> str:
    """A row of the table: median and verdict for each processor."""
    goal = (
      ''
      if self.bound is None
      else (
        f'{"at least" if self.at_least else "at most"} '
        f'{self.bound:g}{self.unit}'
      )
    )
    cells = [self._cell(self.values(rows, p)) for p in processors]
    return f'| {" | ".join([self.text, goal, *cells])} |'

  def _cell(self, values: Sequence[float]) -> str:
    if not values:
      return 'not measured'
    median = statistics.median(values)
    runs = f' ({len(values)} runs)' if len(values) > 1 else ''
    verdict = (
      ''
      if self.bound is None
      else ', reached'
      if (median >= self.bound if self.at_least else median <= self.bound)
      else ', missed'
    )
    return f'{median:.3g}{self.unit}{runs}{verdict}'


def _sized(**wanted: Any) -> Callable[[Row], bool]:
  return lambda row: wanted.items() <= row.items()


_BASELINE = 'cpu time of the released manner over ours'
_HEADS = [(d, c) for d in (30_440, 467_688, 1_696_552) for c in (10, 100)]
_BACKBONES = (
  ('efficientnet_lite0', 96),
  ('efficientnet_lite0', 224),
  ('resnet50', 240),
  ('vit_ti16', 224),
)

# Network, pixels, statistics of batch norms, goal.
_TRAINED = (
  ('efficientnet_lite0', 32, 'batch', None),
  ('efficientnet_lite0', 64, 'batch', 2.2),
  ('efficientnet_lite0', 96, 'batch', 1.6),
  ('efficientnet_lite0', 64, 'running', None),
  ('vit_ti16', 224, 'batch', None),
  ('resnet50', 240, 'batch', None),
)

GOALS = (
  Goal(
    f'work unit, quick grid: {_BASELINE}',
    'work_unit',
    'over_ours',
    _sized(grid='quick'),
    30,
    unit='x',
  ),
  Goal(
    f'work unit, paper grid at the smallest target size: {_BASELINE}',
    'work_unit',
    'over_ours',
    _sized(grid='paper'),
    30,
    unit='x',
  ),
  *(
    Goal(
      f"group-lasso step, D = {d:,}, C = {c}: Keras' over ours",
      'group_lasso',
      'keras_over_ours',
      _sized(features=d, classes=c),
      2 if d == 467_688 else None,
      unit='x',
    )
    for d, c in _HEADS[:-1]
  ),  # The last does not fit the memory with Keras.
  *(
    Goal(
      f'the same, D = {d:,}, C = {c}: ours over the bandwidth bound',
      'group_lasso',
      'ours_over_bound',
      _sized(features=d, classes=c),
      2.5 if d == 467_688 else None,
      False,
      'x',
    )
    for d, c in _HEADS
  ),
  Goal(
    'D = 1,696,552, C = 397 (SUN397): most memory held',
    'sun397',
    'peak_gib',
    _sized(classes=397),
    20,
    False,
    ' GiB',
  ),
  *(
    Goal(
      f'selected heads, {d:,} features: {kind} time of model.fit over ours',
      'selected_heads',
      f'fit_over_ours_{kind}',
      _sized(features=d),
      goal,
      unit='x',
    )
    for d, goal in ((256, 30), (4096, 10))
    for kind in ('cpu', 'wall')
  ),
  *(
    Goal(
      f'all taps at three target sizes beside the bare network, {name} '
      f'at {size}',
      'extraction',
      'taps_cost_percent',
      _sized(backbone=name, image_size=size),
      10,
      False,
      '%',
    )
    for name, size in _BACKBONES
  ),
  *(
    Goal(
      f'extraction of {count:,} images: most memory held',
      'extraction',
      'peak_gib',
      _sized(images=count),
      unit=' GiB',
    )
    for count in (256, 1024, 4096)
  ),
  *(
    Goal(
      f'judging heads on {count:,} images: most memory held',
      'streaming',
      'peak_gib',
      _sized(images=count),
      unit=' GiB',
    )
    for count in (9_216, 73_728)
  ),
  *(
    Goal(
      f'training step, {name} at {size}, {statistics} statistics: cpu time of '
      "Keras' layers over ours",
      'training',
      'keras_over_ours_cpu',
      _sized(backbone=name, image_size=size, statistics=statistics),
      goal,
      unit='x',
    )
    for name, size, statistics, goal in _TRAINED
  ),
  *(
    Goal(
      f'the same, {name} at {size}, {statistics} statistics: ours over the '
      'arithmetic bound',
      'training',
      'ours_over_bound',
      _sized(backbone=name, image_size=size, statistics=statistics),
      {64: 3, 224: 2.5}.get(size) if statistics == 'batch' else None,
      False,
      'x',
    )
    for name, size, statistics, _ in _TRAINED
  ),
  Goal(
    'validating 200 images after each epoch of 800: share of training',
    'training',
    'validating_percent',
    _sized(image_size=64),
    10,
    False,
    '%',
  ),
)


def goals(rows: Sequence[Row]) -> str:
  """All goals beside the medians on each processor."""
  processors = list(dict.fromkeys(r['processor'] for r in rows))
  header = ['what', 'goal', *processors]
  return '\n'.join(
    [
      f'| {" | ".join(header)} |',
      '|---' * len(header) + '|',
      *(g.line(rows, processors) for g in GOALS),
    ]
  )


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
  found: dict[tuple[str, str], dict[str, dict[str, Row]]] = {}
  for row in _latest(rows, 'solvers', 'processor', 'task', 'solver'):
    tasks = found.setdefault((row['processor'], row['backbone']), {})
    tasks.setdefault(row['task'], {})[row['solver']] = row
  solvers = 'adam', 'convex'
  cells = []
  for (processor, _), tasks in found.items():
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
      [processor, name, *(f'{v:.1f}' for v in values[:2]), *values[2:]]
      for name, values in lines.items()
    ]
  return _lines(
    [
      'processor',
      'task',
      'Adam',
      'convex',
      'cpu seconds, Adam',
      'cpu seconds, convex',
    ],
    cells,
  )


def read(path: str | pathlib.Path) -> list[Row]:
  """The rows of a file of results."""
  return [
    json.loads(line)
    for line in pathlib.Path(path).read_text('utf-8').splitlines()
  ]


TABLES = (
  goals,
  spending,
  stepping,
  extracting,
  training,
  allocating,
  solved,
  solving,
  accuracies,
)


def main(argv: Sequence[str]) -> None:
  del argv
  rows = read(_RESULTS.value)
  print('\n\n'.join(make(rows) for make in TABLES))


if __name__ == '__main__':
  app.run(main)
