r"""Regenerates Table 5: the tasks and their groups.

  python -m runners.table5
  python -m runners.table5 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table5'])


if __name__ == '__main__':
  common.run(main)
