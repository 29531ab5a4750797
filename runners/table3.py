r"""Regenerates Table 3: what Head2Toe costs beside fine-tuning and Linear.

Prints the cost model's columns beside the published ones, the two constants
that were fitted, and the residuals; writes the same as CSV. Where a work
directory has Linear, Head2Toe and fine-tuning of a task, the seconds that they
took and the bytes of what is stored come after, beside the model's shares.

  python -m runners.table3
  python -m runners.table3 --source=published
  python -m runners.table3 --workdir=results/embedded
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table3'])


if __name__ == '__main__':
  common.run(main)
