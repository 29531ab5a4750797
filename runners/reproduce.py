r"""Regenerates the tables and figures of the paper: one, some, or all.

What several of them need is measured once. A run that is cut off goes on from
where it was when it is started again.

  python -m runners.reproduce --only=table3,figure6
  python -m runners.reproduce --source=published    # in a minute, without data
  python -m runners.reproduce --image_size=32
"""

from absl import flags as absl_flags

from . import common
from . import experiment
from . import flags

_ONLY = absl_flags.DEFINE_list(
  'only',
  None,
  'Comma-separated tables and figures, for example '
  'table1,figure4; by default all that the backbone and the source have.',
)
absl_flags.adopt_module_key_flags(flags)
FIRST = ('only', *flags.FIRST)  # Of the flags in --help.


def main() -> None:
  experiment.run(_ONLY.value)


if __name__ == '__main__':
  common.run(main, FIRST)
