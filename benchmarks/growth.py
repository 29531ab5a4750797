r"""How the cost of a sweep grows with each of its sizes, the others held.

  python -m benchmarks.growth
  python -m benchmarks.growth --setting=small

Times 56 steps of group-lasso heads, starting included, around 1000 examples,
16,384 features, 10 classes, 4 heads, 1 task; draws growth.png and growth.pdf.
"""

from collections.abc import Mapping, Sequence
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
      lambda: harness.uniform(rows, features), features, labels, specs
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


def _draw(rows: Sequence[Mapping[str, Any]]) -> Any:
  drawn, axes = plotting.figure(1, len(_SIZES), 2.4, 2.4)
  for ax, name in zip(axes, _SIZES):
    some = [r for r in rows if r['of'] == name]
    ax.loglog(
      [r[name] for r in some],
      [r['cpu_seconds'] for r in some],
      'ko-',
      label='measured',
    )
    first = some[0]
    ax.loglog(
      [r[name] for r in some],
      [first['cpu_seconds'] * r[name] / first[name] for r in some],
      'k:',
      label='in proportion',
    )
    ax.set_xlabel(name)
    ax.set_xticks(
      _SIZES[name],
      [f'{size:,}' for size in _SIZES[name]],
      rotation=30,
      fontsize=7,
    )
    ax.minorticks_off()
    ax.set_ylim(0.05, 50)  # The same for all, as they share a middle.
  axes[0].set_ylabel('cpu seconds')
  axes[0].legend(fontsize=7)
  return drawn


def main(argv: Sequence[str]) -> None:
  del argv
  small = harness.SETTING.value == harness.SMALL
  rows = []
  for name, sizes in _SIZES.items():
    for size in sizes[:2] if small else sizes:
      setting = _BASE | {name: size}
      spent = _run(**setting)
      rows.append(
        {
          'of': name,
          **setting,
          'cpu_seconds': spent.cpu,
          'wall_seconds': spent.wall,
        }
      )
  harness.write('growth', rows)
  if not small:
    plotting.save(_draw(rows), pathlib.Path(__file__).parent, 'growth')


if __name__ == '__main__':
  app.run(main)
