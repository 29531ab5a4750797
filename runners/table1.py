r"""Regenerates Table 1: test accuracy of each method on each task.

With no flags: the embedded suite, EfficientNet-Lite0 with ImageNet weights, the
quick grid, three seeds; about six minutes on two cores. Rows, CSV and Markdown
are written below --workdir; what is there already is not measured again.

  python -m runners.table1
  python -m runners.table1 --source=published          # the paper's
  python -m runners.table1 --weights=random            # the control
  python -m runners.table1 --grid=paper                # the full search
  python -m runners.table1 --methods=head2toe --grid=fixed \
      --hparams=lr=0.01,steps=500,target_size=256,fraction=0.05,l21=1e-5
  python -m runners.table1 --methods=linear,head2toe,finetune --grid=light \
      --image_size=32
  python -m runners.table1 --suite=vtab --backbone=vit_b16 --weights=FILE
  python -m runners.table1 --suite=vtab --data_source=archive --data_dir=DIR \
      --tasks=caltech101 --backbone=vit_ti16 --weights=FILE
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)


def main() -> None:
  experiment.run(['table1'])


if __name__ == '__main__':
  common.run(main)
