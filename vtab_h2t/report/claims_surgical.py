"""Claims of surgical fine-tuning (Lee et al., 2023), on networks under shifts.

Each is stated of the small residual network, which is of the paper's kind, and
again of the run's own network. Accuracies are with the fewest labelled images,
which every target has, and with batch norms in inference mode. What is compared
is paired by seed, with which the same network is tuned on the same images. What
is best is so against the best of the others, tuning all among them, by means
over targets; which block in the middle is meant is not stated, so the best of
them is taken, which favours that claim. Corruptions of the same photographs are
several targets here, though they are not independent, so that intervals are too
short rather than too long.
"""

from collections.abc import Callable
import functools
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.report import claim
from vtab_h2t.report import companion_rows
from vtab_h2t.report import surgical_rows

Claim = claim.Claim
_INPUT, _FEATURE, _OUTPUT, _NO_SHIFT = companion_rows.KINDS
_FIRST, _MIDDLE = 'block 1', 'middle '
_RGN_AND_ALL = f'{surgical_rows.AUTO_RGN} and {surgical_rows.ALL}'
_PAPER = 'Lee et al., 2023'


@companion_rows.remembered
def _values(rows: companion_rows.Rows) -> pd.DataFrame:
  """Accuracies by target and seed, a column for each thing that is tuned.

  The first block is called `_FIRST`; those between it and the last layer are
  called `_MIDDLE` and their number.
  """
  table = surgical_rows.tests(rows)
  if table.empty:
    return pd.DataFrame()
  between = surgical_rows.blocks(table)[:-1]
  wide = surgical_rows.by_unit(table)
  return wide.rename(
    columns={
      block: f'{_MIDDLE}{i + 1}' if i else _FIRST
      for i, block in enumerate(between)
    }
  )


def _is_block(name: str) -> bool:
  return name in (_FIRST, surgical_rows.LAST) or name.startswith(_MIDDLE)


def _is_place(name: str) -> bool:
  """Whether a place, or all places, are tuned."""
  return _is_block(name) or name == surgical_rows.ALL


def _differences(
  table: pd.DataFrame,
  is_one: Callable[[str], bool],
  is_other: Callable[[str], bool],
) -> claim.Found:
  """'ONE and OTHER' to differences on the same seeds, of all such two."""
  if table.empty:
    return {}
  names = [c for c in table if c not in surgical_rows.UNIT]
  two = {
    f'{one} and {other}': table[one] - table[other]
    for one in filter(is_one, names)
    for other in filter(is_other, names)
    if one != other
  }
  return companion_rows.found(table[['task']].assign(**two), 'task', two)


def _best(
  is_one: Callable[[str], bool], is_other: Callable[[str], bool]
) -> claim.Gather:
  """What `_margin` needs of accuracies."""
  return lambda rows: _differences(_values(rows), is_one, is_other)


def _margin(a: claim.Accuracies) -> np.ndarray:
  """Of the best of some: its least mean difference from the others, `[...]`."""
  least: dict[str, np.ndarray] = {}
  for condition, values in a.items():
    one = condition.split(' and ')[0]
    mean = claim.mean(values)
    least[one] = np.minimum(least.get(one, mean), mean)
  return np.max(list(least.values()), axis=0)


def _is(*names: str) -> Callable[[str], bool]:
  return lambda name: name in names


def _rgn_and_all(rows: companion_rows.Rows) -> claim.Found:
  """Accuracies under shifts of Auto-RGN and of full fine-tuning."""
  shifted = [r for r in rows if r['group'] != _NO_SHIFT]
  return _best(_is(surgical_rows.AUTO_RGN), _is(surgical_rows.ALL))(shifted)


def _ranks(rows: companion_rows.Rows) -> claim.Found:
  """How many ranks under shifts Auto-RGN is before each of the others."""
  table = surgical_rows.tests(rows)
  if table.empty:
    return {}
  ranks = surgical_rows.ranks_by_seed(table)
  ranks[list(surgical_rows.RANKED)] *= -1  # The first is best.
  rgn = _is(f'rank of {surgical_rows.AUTO_RGN}')
  return _differences(
    ranks.rename(columns={m: f'rank of {m}' for m in surgical_rows.RANKED}),
    rgn,
    lambda name: not rgn(name),
  )


def _of_blocks(row: claim.Row) -> bool:
  """Whether a row is of blocks, the last layer or all, which claims compare."""
  return _is_compared(row) and row['tuned'] not in surgical_rows.AUTOMATIC


def _of_rules(row: claim.Row) -> bool:
  """Whether a row is of what is ranked."""
  return _is_compared(row) and row['tuned'] in surgical_rows.RANKED


def _is_compared(row: claim.Row) -> bool:
  return row['batch_norm'] == surgical_rows.INFERENCE


def _by_shots(row: claim.Row) -> tuple[str, int]:
  return row['task'], row['shots']


_PLACES = {
  _INPUT: (
    'first_block_best_input',
    'Under input shifts tuning the first block is best.',
    'mean of the first block less the largest mean of the other blocks, the '
    'last layer and all, points',
    _best(_is(_FIRST), _is_place),
    (
      f'{_FIRST} and {_MIDDLE}*',
      f'{_FIRST} and {surgical_rows.LAST}',
      f'{_FIRST} and {surgical_rows.ALL}',
    ),
    f'{_PAPER}, abstract',
  ),
  _FEATURE: (
    'middle_block_best_feature',
    'Under feature shifts tuning a block in the middle is best.',
    'largest mean of a block between less the largest mean of the first block, '
    'the last layer and all, points',
    _best(
      lambda name: name.startswith(_MIDDLE),
      _is(_FIRST, surgical_rows.LAST, surgical_rows.ALL),
    ),
    (f'{_MIDDLE}*',),
    _PAPER,
  ),
  _OUTPUT: (
    'last_layer_best_output',
    'Under output shifts tuning the last layer is best.',
    'mean of the last layer less the largest mean of the blocks and all, '
    'points',
    _best(_is(surgical_rows.LAST), _is_place),
    (
      f'{surgical_rows.LAST} and {_FIRST}',
      f'{surgical_rows.LAST} and {surgical_rows.ALL}',
    ),
    _PAPER,
  ),
}


def _claims(job: str, prefix: str, network: str) -> tuple[Claim, ...]:
  """The claims of one network.

  Args:
    job: whose rows.
    prefix: of their ids.
    network: at the end of their sentences.
  """

  def said(sentence: str) -> str:
    return f'{sentence.removesuffix(".")}{network}.'

  make = functools.partial(Claim, of=(), jobs=(job,))
  blocks: dict[str, Any] = {
    'differing': companion_rows.differing(
      'tuned', ('epochs', 'batch'), unit=_by_shots, of=_of_blocks
    )
  }
  rules: dict[str, Any] = {
    'differing': companion_rows.differing(
      'tuned', ('epochs', 'batch'), unit=_by_shots, of=_of_rules
    )
  }
  best_places = (
    make(
      id=f'{prefix}{name}',
      sentence=said(sentence),
      where=where,
      text=text,
      gather=gather,
      statistic=_margin,
      needs=needs,
      groups=(kind,),
      **blocks,
    )
    for kind, (
      name,
      sentence,
      text,
      gather,
      needs,
      where,
    ) in _PLACES.items()
  )
  chosen = (
    make(
      id=f'{prefix}chosen_block_at_least_all_{kind}',
      sentence=said(
        f'Under {kind} shifts tuning the block that validation chooses is at '
        'least as good as full fine-tuning, within 1 point.'
      ),
      where=f'{_PAPER}, abstract',
      text='mean of the chosen block (or last layer) less all, points, plus a '
      'margin of 1 point',
      gather=_best(_is(surgical_rows.CHOSEN), _is(surgical_rows.ALL)),
      statistic=lambda a: _margin(a) + claim.POINT,
      needs=(f'{surgical_rows.CHOSEN} and {surgical_rows.ALL}',),
      groups=(kind,),
      stated='matches or outperforms on seven data sets of three kinds of '
      'shift',
      **blocks,
    )
    for kind in (_INPUT, _FEATURE, _OUTPUT)
  )
  return (
    *best_places,
    *chosen,
    make(
      id=f'{prefix}no_block_gains_without_shift',
      sentence=said(
        'Without a shift tuning no block gains more than 1 point over none.'
      ),
      where="a control of this project's",
      text='mean of none less the largest mean of the blocks and the last '
      'layer, points, plus a margin of 1 point',
      gather=_best(_is(surgical_rows.NONE), _is_block),
      statistic=lambda a: _margin(a) + claim.POINT,
      needs=(f'{surgical_rows.NONE} and {surgical_rows.LAST}',),
      groups=(_NO_SHIFT,),
      **blocks,
    ),
    make(
      id=f'{prefix}auto_rgn_best_rank',
      sentence=said(
        'Auto-RGN has the best average rank of full fine-tuning, the last '
        'layer, Auto-RGN, Auto-SNR and gradual unfreezing.'
      ),
      where=f'{_PAPER}, Table 4',
      text='smallest, over the others, of the mean over targets of the ranks '
      'by which Auto-RGN is before it, each the median over seeds; the paper '
      'ranks a data set once, and not the last layer',
      gather=_ranks,
      statistic=_margin,
      needs=('rank of auto_rgn and rank of all',),
      stratified=False,
      stated='1.42, from 1.29 against 2.71, the next best of six on seven data '
      'sets',
      **rules,
    ),
    make(
      id=f'{prefix}auto_rgn_above_all',
      sentence=said('Auto-RGN is better than full fine-tuning under shifts.'),
      where=f'{_PAPER}, Table 4',
      text='mean over targets of Auto-RGN less all, points',
      gather=_rgn_and_all,
      statistic=_margin,
      needs=(_RGN_AND_ALL,),
      stratified=False,
      **rules,
    ),
  )


CLAIMS: tuple[Claim, ...] = (
  *_claims(companion_rows.SURGICAL_SMALL, '', ' (small residual network)'),
  *_claims(companion_rows.SURGICAL, 'pretrained_', ' (pretrained network)'),
)
