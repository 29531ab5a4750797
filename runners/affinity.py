r"""Regenerates the domain-affinity plots: Figures 2, 3, 4, 8 and 11.

Domain affinity is what the pretrained embedding is worth on a task: Linear less
Scratch, in points. The figures need methods that train the network.

  python -m runners.affinity --image_size=32
  python -m runners.affinity --source=published        # the paper's
"""

from absl import flags as absl_flags

from . import common
from . import experiment
from . import flags

absl_flags.adopt_module_key_flags(flags)
FIRST = flags.FIRST  # Of the flags in --help.


def main() -> None:
  from vtab_h2t.report import catalogue

  experiment.run(catalogue.AFFINITY)


if __name__ == '__main__':
  common.run(main, FIRST)
