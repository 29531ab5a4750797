r"""Regenerates Figure 10: selecting single features or whole taps, for each
task.

  python -m runners.figure10
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure10'])


if __name__ == '__main__':
  common.run(main)
