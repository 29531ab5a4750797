r"""Regenerates Figure 13: Head2Toe and Linear with fewer training images.

  python -m runners.figure13
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure13'])


if __name__ == '__main__':
  common.run(main)
