"""The goals beside the medians of what was measured, as a Markdown table.

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
    'results', str(pathlib.Path(__file__).parent / 'results.jsonl'),
    'Rows that the benchmarks wrote.')

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

  def values(self, rows: Sequence[Row]) -> list[float]:
    """What the full settings gave, oldest first."""
    return [r[self.field] for r in rows
            if (r['benchmark'], r['setting']) == (self.benchmark, 'full')
            and self.field in r and self.where(r)]

  def line(self, rows: Sequence[Row]) -> str:
    """A row of the table."""
    values = self.values(rows)
    goal = '' if self.bound is None else (
        f'{"at least" if self.at_least else "at most"} '
        f'{self.bound:g}{self.unit}')
    if not values:
      return f'| {self.text} | {goal} | not measured | |'
    median = statistics.median(values)
    verdict = '' if self.bound is None else 'yes' if (
        median >= self.bound if self.at_least else median <= self.bound
        ) else 'no'
    runs = f' ({len(values)} runs)' if len(values) > 1 else ''
    return (f'| {self.text} | {goal} | {median:.3g}{self.unit}{runs} | '
            f'{verdict} |')


def _sized(**wanted: Any) -> Callable[[Row], bool]:
  return lambda row: wanted.items() <= row.items()


_BASELINE = 'cpu time of the released manner over ours'
_HEADS = [(d, c) for d in (30_440, 467_688, 1_696_552) for c in (10, 100)]
_BACKBONES = (('efficientnet_lite0', 96), ('efficientnet_lite0', 224),
              ('resnet50', 240), ('vit_ti16', 224))

GOALS = (
    Goal(f'work unit, quick grid: {_BASELINE}', 'work_unit', 'over_ours',
         _sized(grid='quick'), 30, unit='x'),
    Goal(f'work unit, paper grid at the smallest target size: {_BASELINE}',
         'work_unit', 'over_ours', _sized(grid='paper'), 30, unit='x'),
    *(Goal(f'group-lasso step, D = {d:,}, C = {c}: Keras\' over ours',
           'group_lasso', 'keras_over_ours', _sized(features=d, classes=c),
           2 if d == 467_688 else None, unit='x') for d, c in _HEADS),
    *(Goal(f'the same, D = {d:,}, C = {c}: ours over the bandwidth bound',
           'group_lasso', 'ours_over_bound', _sized(features=d, classes=c),
           2.5 if d == 467_688 else None, False, 'x') for d, c in _HEADS),
    Goal('D = 1,696,552, C = 397 (SUN397): most memory held', 'sun397',
         'peak_gib', _sized(classes=397), 20, False, ' GiB'),
    *(Goal(f'selected heads, {d:,} features: cpu time of model.fit over ours',
           'selected_heads', 'fit_over_ours_cpu', _sized(features=d), goal,
           unit='x') for d, goal in ((256, 30), (4096, 10))),
    *(Goal(f'all taps at three target sizes beside the bare network, {name} '
           f'at {size}', 'extraction', 'taps_cost_percent',
           _sized(backbone=name, image_size=size), 10, False, '%')
      for name, size in _BACKBONES),
    *(Goal(f'extraction of {count:,} images: most memory held', 'extraction',
           'peak_gib', _sized(images=count), unit=' GiB')
      for count in (256, 1024, 4096)),
    *(Goal(f'judging heads on {count:,} images: most memory held', 'streaming',
           'peak_gib', _sized(images=count), unit=' GiB')
      for count in (9_216, 73_728)),
)


def table(rows: Sequence[Row]) -> str:
  """All goals."""
  return '\n'.join(['| what | goal | measured, median | reached |',
                    '|---|---|---|---|', *(g.line(rows) for g in GOALS)])


def read(path: str | pathlib.Path) -> list[Row]:
  """The rows of a file of results."""
  return [json.loads(line) for line in
          pathlib.Path(path).read_text('utf-8').splitlines()]


def main(argv: Sequence[str]) -> None:
  del argv
  print(table(read(_RESULTS.value)))


if __name__ == '__main__':
  app.run(main)
