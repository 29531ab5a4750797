r"""Compares Head2Toe with other relevance scores than the group lasso's.

  python -m runners.scores
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['scores'])


if __name__ == '__main__':
  common.run(main)
