r"""Regenerates Figure 4: one additional tap at a time, the Oracle and the
Control.

  python -m runners.figure4
  python -m runners.figure4 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure4'])


if __name__ == '__main__':
  common.run(main)
