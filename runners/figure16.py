r"""Regenerates Figure 16: more candidate features of a ViT, for each task.

  python -m runners.figure16 --suite=vtab --backbone=vit_b16 --weights=FILE
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure16'])


if __name__ == '__main__':
  common.run(main)
