"""Tables for readers: names that they know, and as many digits as say much."""

import collections
from collections.abc import Collection, Mapping
import dataclasses
import math
import types
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.backbones import retapping
from vtab_h2t.report import bootstrap
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import lp_ft_frames
from vtab_h2t.report import numerals
from vtab_h2t.report import run_names
from vtab_h2t.report import tables
from vtab_h2t.tasks import registry

# Digits that what is printed may have, in all (of numbers below 1, and of
# others) and after the point.
_EXACT_BELOW_1, _EXACT, _EXACT_AFTER_POINT = 5, 4, 6
_LABELS = collections.ChainMap(tables.LABELS, lp_ft_frames.LABELS)
# Of the cost model, what stands beside what is printed.
_MODEL, _RESIDUAL = 'ours_', 'residual_'
_PUBLISHED = '_published'  # What stands beside what was measured.
_PROCESSOR = 'processor'
# Columns of settings: each number as somebody would write it.
_SETTINGS = (
  'learning_rate',
  'fraction',
  'train_fraction',
  'coefficient',
  'l21_coefficient',
)
_WORDS = {
  'id': 'ID',
  'ood': 'OOD',
  'accuracy_percent': 'accuracy (%)',
  'percent': 'accuracy (%)',
  'std_percent': 'deviation over seeds',
  'detectable': 'smallest effect that could be seen',
  'choose_cpu_seconds': 'CPU seconds of the search',
  'train_cpu_seconds': 'CPU seconds of one training',
  'num_features': 'features',
  'num_classes': 'classes',
  'cpu_seconds': 'CPU seconds',
  'l21_coefficient': 'group lasso coefficient',
  'size_vs_finetune': 'size vs fine-tuning',
  'size_vs_linear': 'size vs Linear',
  'flops_vs_finetune': 'operations vs fine-tuning',
  'seconds_vs_finetune': 'seconds vs fine-tuning',
  'bytes_vs_finetune': 'bytes vs fine-tuning',
  'bytes_vs_linear': 'bytes vs Linear',
  'above_l2': 'points above the l2 norm',
  'high': '95 % interval, to',
  'low': '95 % interval, from',
}

# Words for the ids that a column has.
_VALUES: Mapping[str, Mapping[str, str]] = {
  'normalization': run_names.NORMALIZATIONS,
  'score': run_names.SCORES,
  'variant': {
    **run_names.TAPS,
    'adding_pooled_input': run_names.TAPS[retapping.WITH_INPUT],
    'only_cls': 'class token alone',
    'original_plus_cls': 'with the class token',
  },
}

# Row numbers by the name that a column has in CSV files.
Cells = Mapping[str, Collection[int]]


@dataclasses.dataclass(frozen=True)
class Table:
  """A table's texts.

  Attributes:
    columns: of each column the texts, by its name in words.
    is_text: of each whether it is words, which stand to the left.
  """

  columns: Mapping[str, list[str]]
  is_text: Mapping[str, bool]


def table(frame: pd.DataFrame, is_printed: bool = False) -> Table:
  """A frame for readers.

  Missing values are blank. Whole numbers are whole. Others of a column have
  three digits in the largest, four where all are below 0.1; where that would
  make a number 0, each has three digits of its own. Columns that are tasks and
  their means have one unit, and as many digits as each other.

  Args:
    frame: the numbers, under the names that CSV files have.
    is_printed: whether its numbers are a paper's, which keep the digits that
      were printed, if these are few.
  """
  shown = _without_what_says_nothing(frame)
  names = {name: heading(str(name)) for name in shown.columns}
  alike = [
    c
    for c in shown.select_dtypes('number')
    if c == frames_lib.MEAN or _is_task(str(c))
  ]
  together = _digits(_known(shown[alike].to_numpy().ravel()), is_printed)
  return Table(
    {
      names[name]: _column(
        str(name),
        shown[name],
        together
        if name in alike
        else _digits_of(str(name), shown[name], is_printed),
      )
      for name in shown.columns
    },
    {
      names[name]: not pd.api.types.is_numeric_dtype(shown[name])
      or pd.api.types.is_bool_dtype(shown[name])
      for name in shown.columns
    },
  )


def markdown(
  frame: pd.DataFrame,
  is_printed: bool = False,
  bold: Cells = types.MappingProxyType({}),
) -> str:
  """A frame for readers as Markdown.

  Args:
    frame: as of `table`.
    is_printed: as of `table`.
    bold: which cells are in bold.
  """
  shown = table(frame, is_printed)
  lines = {name: [*texts] for name, texts in shown.columns.items()}
  for name, rows in bold.items():
    column = lines[heading(name)]
    for i in rows:
      column[i] = f'**{column[i]}**' if column[i] else ''
  return pd.DataFrame(lines).to_markdown(
    index=False,
    disable_numparse=True,
    colalign=[
      'left' if is_text else 'right' for is_text in shown.is_text.values()
    ],
  )


def _without_what_says_nothing(table: pd.DataFrame) -> pd.DataFrame:
  """Without residuals of a fit, and what is the same in all lines.

  That is the network, the processor, and all of a column that has nothing.
  """
  hidden = [
    c
    for c in table.columns
    if str(c).startswith(_RESIDUAL) or table[c].isna().all()
  ]
  if 'backbone' in table and table.backbone.nunique() == 1:
    hidden.append('backbone')
  if said_once(table):
    hidden.append(_PROCESSOR)
  return table.drop(columns=hidden)


def said_once(table: pd.DataFrame) -> str:
  """What all lines have, and a column would repeat; '' if that is nothing."""
  if _PROCESSOR not in table:
    return ''
  known = sorted({str(name) for name in table[_PROCESSOR] if name})
  return f'Processor: {known[0]}' if len(known) == 1 else ''


def heading(name: str) -> str:
  """A column's name in words, with the names that methods and tasks go by."""
  if name in _LABELS:
    return _LABELS[name]
  if name in _WORDS:
    return _WORDS[name]
  if _is_task(name):
    return name
  if name.endswith(_PUBLISHED):
    return f'{heading(name.removesuffix(_PUBLISHED))}, published'
  if name.startswith(_MODEL):
    return f'model: {heading(name.removeprefix(_MODEL))}'
  for method, label in sorted(_LABELS.items(), key=lambda pair: -len(pair[0])):
    if name.startswith(f'{method}_'):
      rest = name.removeprefix(f'{method}_')
      return f'{label}, {heading(rest)}'
  first, _, rest = name.partition('_')
  return f'{_WORDS.get(first, first)} {heading(rest)}' if rest else name


def _is_task(name: str) -> bool:
  return any(name in registry.order(suite) for suite in registry.SUITES)


def with_interval(found: bootstrap.Interval) -> str:
  """A statistic and its interval, for example '1.2 (0.3 to 2.1)'.

  Without an interval, the statistic alone.
  """
  if math.isnan(found.low):
    return numerals.number(found.value, 2)
  digits = numerals.decimals(found.low, found.high)
  value, low, high = (
    numerals.number(x, digits) for x in (found.value, found.low, found.high)
  )
  return f'{value} ({low} to {high})'


def _known(values: np.ndarray) -> np.ndarray:
  """The numbers that are there, and finite."""
  found = values.astype(float)
  return found[np.isfinite(found)]


def _digits_of(name: str, values: pd.Series, is_printed: bool) -> int | None:
  """As `_digits`, of a column that stands for itself."""
  if not pd.api.types.is_numeric_dtype(values):
    return None
  digits = _digits(_known(values.to_numpy()), is_printed)
  if digits is not None and ('percent' in name or 'accuracy' in name):
    return min(digits, 1)
  return digits


def _column(name: str, values: pd.Series, digits: int | None) -> list[str]:
  """The texts of a column, with so many digits; None for each its own."""
  if pd.api.types.is_bool_dtype(values):
    return ['yes' if value else 'no' for value in values]
  if not pd.api.types.is_numeric_dtype(values):
    return ['' if _is_missing(v) else _word(name, v) for v in values]
  if name in _SETTINGS:
    return ['' if _is_missing(v) else f'{v:g}' for v in values]
  texts = []
  for value in values:
    if _is_missing(value):
      texts.append('')
    elif digits is None or not math.isfinite(value):
      texts.append(f'{value:.3g}')
    else:
      texts.append(numerals.number(float(value), digits))
  return texts


def _is_missing(value: Any) -> bool:
  return value is None or bool(pd.isna(value))


def _word(column: str, value: Any) -> str:
  """A name for the id of a method or network; numbers as they are printed."""
  if isinstance(value, Mapping | list | tuple | np.ndarray):
    return str(value)
  if isinstance(value, float | np.floating):
    return f'{value:.4g}'
  if column in ('network', 'backbone'):
    return run_names.network(str(value))
  if column in _VALUES:
    return _VALUES[column].get(str(value), str(value))
  return _LABELS.get(str(value), str(value))


def _digits(values: np.ndarray, is_printed: bool) -> int | None:
  """How many a column has after the point; None for each its own."""
  sizes = np.abs(values[values != 0])
  if not len(sizes):
    return 0
  spread = sizes.max() / sizes.min()
  before_point = math.floor(math.log10(sizes.max())) + 1
  exact = _EXACT_BELOW_1 if before_point < 1 else _EXACT
  # Whole numbers are whole, however large.
  most = min(max(exact - before_point, 0), _EXACT_AFTER_POINT)
  for digits in range(most * is_printed + 1):
    if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-9):
      return None if digits > 3 and spread >= 1000 else digits
  digits = max(0, (4 if sizes.max() < 0.1 else 3) - before_point)
  digits = max(digits, int(sizes.max() <= 100))  # As percentages have.
  is_lost = sizes.min() < 0.5 * 10.0**-digits and spread >= 1000
  return None if is_lost or digits > _EXACT_AFTER_POINT else digits
