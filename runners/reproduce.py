r"""Regenerates every table and figure of the paper, in one go.

What several of them need is measured once; a run that is cut off goes on from
where it was when it is started again.

  python -m runners.reproduce
  python -m runners.reproduce --source=published    # in a minute, without data
  python -m runners.reproduce --image_size=32 --grid=light
  python -m runners.reproduce --only=figure4,table6
"""

from absl import flags

from runners import common
from runners import experiment
from runners import run_flags

flags.adopt_module_key_flags(run_flags)

_ONLY = flags.DEFINE_list(
    'only', None, 'Comma-separated runners of tables and figures, for example '
    'table1,figure4; by default all that the backbone and the source have.')


def main() -> None:
  experiment.run(_ONLY.value)


if __name__ == '__main__':
  common.run(main)
