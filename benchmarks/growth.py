r"""How the cost of a sweep grows with each of its sizes, the others held.

  python -m benchmarks.growth
  python -m benchmarks.growth --setting=small

Times 56 steps of group-lasso heads, starting included, around 1000 examples,
16,384 features, 10 classes, 4 heads, 1 task; draws growth.png and growth.pdf.
"""

from collections.abc import Callable, Mapping, Sequence
import pathlib
from typing import Any

from absl import app
import numpy as np

from benchmarks import harness
from vtab_h2t.heads import sweep
from vtab_h2t.report import plotting

_STEPS = 56
_BASE = {
  'examples': 1000,
  'features': 16_384,
  'classes': 10,
  'heads': 4,
  'tasks': 1,
}
_SIZES = {
  'examples': (250, 500, 1000, 2000, 4000),
  'features': (1024, 4096, 16_384, 65_536, 262_144),
  'classes': (2, 10, 50, 100, 400),
  'heads': (1, 2, 4, 8, 16),
  'tasks': (1, 2, 4, 8),
}


def _run(
  examples: int, features: int, classes: int, heads: int, tasks: int
) -> harness.Time:
  rows = len(sweep.padded(np.arange(examples)))
  labels = np.random.default_rng(0).integers(0, classes, examples)
  specs = [sweep.HeadSpec(0.01, (seed,), 1e-4) for seed in range(heads)]
  problems = [
    sweep.Problem(
      lambda: [harness.uniform(rows, features)], features, labels, specs
    )
    for _ in range(tasks)
  ]
  return harness.timed(
    lambda: list(
      sweep.train(
        problems,
        classes=classes,
        steps=_STEPS,
        penalty='l21',
        memory_bytes=12 * 2**30,
      )
    ),
    3,
  )


def measured(
  run: Callable[..., harness.Time],
  base: Mapping[str, int],
  sizes: Mapping[str, Sequence[int]],
) -> list[dict[str, Any]]:
  """Rows of a run's times, each size growing while the others are as in base.

  Args:
    run: is given all sizes by name.
    base: where the curves meet.
    sizes: what each grows through.
  """
  rows = []
  for name, values in sizes.items():
    for value in values[:2] if harness.is_small() else values:
      setting = {**base, name: value}
      spent = run(**setting)
      rows.append(
        {
          'of': name,
          **setting,
          'cpu_seconds': spent.cpu,
          'wall_seconds': spent.wall,
        }
      )
  return rows


def drawn(
  rows: Sequence[Mapping[str, Any]],
  sizes: Mapping[str, Sequence[int]],
  limits: tuple[float, float],
  squares: Sequence[str] = (),
) -> Any:
  """A panel a size, with a line in proportion through its largest value.

  Args:
    rows: as `measured` gives them.
    sizes: what each grows through.
    limits: of seconds, the same for all panels.
    squares: sizes to whose square the line is in proportion.
  """
  figure, axes = plotting.figure(1, len(sizes), 2.5, 2.5)
  for ax, name in zip(axes, sizes):
    some = [r for r in rows if r['of'] == name]
    values = [r[name] for r in some]
    ax.loglog(values, [r['cpu_seconds'] for r in some], 'ko-', label='measured')
    power = 2 if name in squares else 1
    last = some[-1]['cpu_seconds']
    ax.loglog(
      values,
      [last * (v / values[-1]) ** power for v in values],
      'k:',
      label='in proportion',
    )
    ax.set_xlabel(name)
    ax.set_xticks(
      sizes[name], [f'{v:,}' for v in sizes[name]], rotation=30, fontsize=7
    )
    ax.minorticks_off()
    ax.set_ylim(*limits)
  axes[0].set_ylabel('cpu seconds')
  axes[1].legend(fontsize=7, loc='lower right')
  return figure


def main(argv: Sequence[str]) -> None:
  del argv
  rows = measured(_run, _BASE, _SIZES)
  harness.write('growth', rows)
  if not harness.is_small():
    plotting.save(
      drawn(rows, _SIZES, (0.05, 50)), pathlib.Path(__file__).parent, 'growth'
    )


if __name__ == '__main__':
  app.run(main)
