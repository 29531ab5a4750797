r"""Regenerates Table 7: Head2Toe and a ViT's class token.

  python -m runners.table7 --suite=vtab --data_source=archive --data_dir=DIR \
      --tasks=caltech101 --backbone=vit_ti16 --weights=FILE
  python -m runners.table7 --source=published
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table7'])


if __name__ == '__main__':
  common.run(main)
