r"""Regenerates Figure 3: what Head2Toe and fine-tuning gain over Linear, by
affinity.

  python -m runners.figure3
  python -m runners.figure3 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure3'])


if __name__ == '__main__':
  common.run(main)
