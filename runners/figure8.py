r"""Regenerates Figure 8: domain affinity under two backbones (left part).

  python -m runners.figure8
  python -m runners.figure8 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure8'])


if __name__ == '__main__':
  common.run(main)
