"""Which taps of a network the variants of Table 6 move."""

import functools

import pandas as pd

from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import retapping
from vtab_h2t.report import run_names


@functools.cache
def table(backbone: str, image_size: int) -> pd.DataFrame:
  """How many taps each kind of `retapping` moves, and which ones stay.

  Args:
    backbone: registry id.
    image_size: side in pixels of what it sees.

  Returns:
    A line for each kind, with the columns `variant` (the kind), `moved` and
    `taps` (how many are moved, of how many) and `unmoved` (the names of the
    others). None of a network that cannot be built without a file, and of one
    whose taps are not moved.
  """
  entry = backbones.BACKBONES.get(backbone)
  kinds = [
    kind
    for kind in (retapping.PRE_NORMALIZATION, retapping.PRE_ACTIVATION)
    if entry is not None
    and 'random' in entry.weights
    and kind in entry.tap_sets
  ]
  if not kinds:
    return pd.DataFrame()
  # Which taps move follows from the graph, whatever the weights are.
  network = backbones.load(backbone, 'random', image_size)
  unmoved = {kind: retapping.unmoved(network, kind) for kind in kinds}
  return pd.DataFrame(
    {
      'variant': kind,
      'moved': len(network.taps) - len(taps),
      'taps': len(network.taps),
      'unmoved': ' '.join(taps),
    }
    for kind, taps in unmoved.items()
  )


def note(found: pd.DataFrame) -> str:
  """What `table` gave, in sentences."""
  lines = []
  for (moved, taps, unmoved), alike in found.groupby(
    ['moved', 'taps', 'unmoved'], sort=False
  ):
    names = ' and '.join(run_names.TAPS[kind] for kind in alike.variant)
    text = (
      f'The variants {names} move'
      if len(alike) > 1
      else f'The variant {names} moves'
    )
    text += f' {moved} of {taps} taps.'
    if unmoved:
      text += " The rest are no ReLU's output and stay: "
      text += f'{", ".join(unmoved.split())}.'
    lines.append(f'{text}\n')
  return ''.join(lines)
