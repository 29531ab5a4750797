r"""Regenerates Table 4: standard deviations over seeds.

  python -m runners.table4
  python -m runners.table4 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table4'])


if __name__ == '__main__':
  common.run(main)
