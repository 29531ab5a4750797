"""The papers' printed numbers, from `results/published/*.csv`.

Source: Evci, Dumoulin, Larochelle, Mozer, "Head2Toe: Utilizing Intermediate
Representations for Better Transfer Learning", ICML 2022. Tables whose names
begin with 'lp_ft' or 'surgical' are of the companion papers, and of others who
replicated one of them.
"""

import pathlib
from typing import TYPE_CHECKING

from vtab_h2t import errors

if TYPE_CHECKING:
  import pandas as pd

SOURCE = 'published numbers (Evci et al., 2022)'  # In words, for figures.
_PACKAGE = pathlib.Path(__file__).parent
# In a checkout beside the package; inside of it where it is installed.
DIRECTORY = next(
  (
    p
    for p in (
      _PACKAGE.parent / 'results' / 'published',
      _PACKAGE / 'results' / 'published',
    )
    if p.is_dir()
  ),
  _PACKAGE.parent / 'results' / 'published',
)


def table(name: str) -> 'pd.DataFrame':
  """One published table, as `results/published/README.md` describes it.

  Args:
    name: file name without ending, for example 'table2_hyperparameters'.

  Raises:
    errors.InputError: the file is not there.
  """
  import pandas as pd

  path = DIRECTORY / f'{name}.csv'
  if not path.exists():
    raise errors.InputError(
      f'the published numbers {path} are missing; install the package again'
    )
  return pd.read_csv(path)
