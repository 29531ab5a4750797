r"""Regenerates Table 6: Head2Toe with taps before the activation or the batch
norm, or with the input image added.

  python -m runners.table6
  python -m runners.table6 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table6'])


if __name__ == '__main__':
  common.run(main)
