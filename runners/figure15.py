r"""Regenerates Figure 15: of which taps the selected features are, of a ViT.

  python -m runners.figure15 --suite=vtab --backbone=vit_b16 --weights=FILE
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['figure15'])


if __name__ == '__main__':
  common.run(main)
