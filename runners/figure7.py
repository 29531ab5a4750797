r"""Regenerates Figure 7: features that other tasks selected; more candidate
features.

  python -m runners.figure7
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure7'])


if __name__ == '__main__':
  common.run(main)
