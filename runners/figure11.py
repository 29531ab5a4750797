r"""Regenerates Figure 11: gain over fine-tuning by affinity; overlap of
selections; accuracy by place in the ranking.

  python -m runners.figure11
  python -m runners.figure11 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure11'])


if __name__ == '__main__':
  common.run(main)
