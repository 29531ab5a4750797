r"""Regenerates Table 2: the settings that Head2Toe chose on each task.

  python -m runners.table2
  python -m runners.table2 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table2'])


if __name__ == '__main__':
  common.run(main)
