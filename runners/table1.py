r"""Regenerates Table 1: test accuracy of each method on each task.

With no flags: the embedded suite, EfficientNet-Lite0 with ImageNet weights, the
quick grid, three seeds; about six minutes on two cores, without the
installation. Rows, CSV and Markdown are written to the run's folder in
--workdir. What is there already is not measured again; --tasks, --methods and
--seeds say what is measured and printed now, and the files always have all that
the run has.

  python -m runners.table1
  python -m runners.table1 --tasks=digits --methods=linear,head2toe
  python -m runners.table1 --source=published          # the paper's
  python -m runners.table1 --explain=sprites_loc/head2toe
  python -m runners.table1 --weights=random            # the control
  python -m runners.table1 --grid=paper                # the full search
  python -m runners.table1 --suite=vtab --backbone=vit_b16 --weights=FILE
"""

from absl import flags as absl_flags

from . import common
from . import experiment
from . import explaining
from . import flags

absl_flags.adopt_module_key_flags(flags)
FIRST = (*flags.FIRST, 'explain')  # Of the flags in --help.

_EXPLAIN = absl_flags.DEFINE_string(
  'explain',
  None,
  'A cell of the table, as TASK/METHOD: says what it is made of, and measures '
  'nothing.',
)


def main() -> None:
  if _EXPLAIN.value is not None:
    explaining.explain(_EXPLAIN.value)
  else:
    experiment.run(['table1'])


if __name__ == '__main__':
  common.run(main, FIRST)
