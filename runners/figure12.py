r"""Regenerates Figure 12: of which taps the selected features are, of a
convolutional network.

  python -m runners.figure12
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure12'])


if __name__ == '__main__':
  common.run(main)
