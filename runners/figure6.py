r"""Regenerates Figure 6: selecting single features or whole taps.

  python -m runners.figure6
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure6'])


if __name__ == '__main__':
  common.run(main)
