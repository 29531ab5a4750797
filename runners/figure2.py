r"""Regenerates Figure 2: Linear, Scratch and fine-tuning, tasks by domain
affinity.

  python -m runners.figure2
  python -m runners.figure2 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure2'])


if __name__ == '__main__':
  common.run(main)
