"""What the benchmarks should reach, and what they reached."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import statistics
from typing import Any

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


def frozen(rows: Sequence[Row]) -> str:
  """The goals of all but training, beside the medians on each processor."""
  return _table(rows, [g for g in GOALS if g.benchmark != 'training'])


def trained(rows: Sequence[Row]) -> str:
  """The goals of training a network."""
  return _table(rows, [g for g in GOALS if g.benchmark == 'training'])


def _table(rows: Sequence[Row], some: Sequence[Goal]) -> str:
  """Goals beside the medians on each processor that has rows for them."""
  benchmarks = {g.benchmark for g in some}
  processors = list(
    dict.fromkeys(r['processor'] for r in rows if r['benchmark'] in benchmarks)
  )
  header = ['what', 'goal', *processors]
  return '\n'.join(
    [
      f'| {" | ".join(header)} |',
      '|---' * len(header) + '|',
      *(g.line(rows, processors) for g in some),
    ]
  )
