"""Models whose head was drawn, for tests of what becomes of a model."""

import numpy as np

from vtab_h2t.classifier import artefact
from vtab_h2t.features import extraction
from vtab_h2t.training import readout


def drawn(
  backbone, classes='abc', rule='selected', share=0.1, target_size=256
) -> artefact.Model:
  """A head that reads a share of the features; its temperature is not 1."""
  rng = np.random.default_rng(0)
  layout = extraction.layout_of(backbone, target_size)
  count = max(1, round(share * layout.size))
  columns = np.sort(rng.choice(layout.size, count, replace=False))
  return artefact.Model(
    tuple(classes),
    backbone,
    readout.Selected(layout, columns, rule),
    rng.normal(0, 0.5, (len(classes), count)).astype(np.float32),
    rng.normal(0, 0.5, len(classes)).astype(np.float32),
    {'method': 'head2toe'},
    1.7,
  )
