r"""Regenerates Table 3: what Head2Toe costs beside fine-tuning and Linear.

Prints the cost model's columns beside the published ones, the two constants
that were fitted, and the residuals; writes the same as CSV.

  python -m runners.table3
  python -m runners.table3 --backbone=vit_b16   # the model for another network
"""

import pathlib

from absl import flags

from runners import common
from vtab_h2t import files
from vtab_h2t.backbones import registry as backbones

_BACKBONE = flags.DEFINE_enum(
    'backbone', None, list(backbones.BACKBONES), 'Also count the operations '
    'and parameters of this network, at its usual size.')
_WORKDIR = flags.DEFINE_string('workdir', 'workdir', 'Where the CSV goes.')


def main() -> None:
  common.prepare_tensorflow()
  from vtab_h2t.report import cost
  from vtab_h2t.report import tables
  published = cost.published_table()
  fitted = cost.fit(published)
  ours = cost.table3(fitted, published)
  tables.print_table3(ours, fitted)
  if _BACKBONE.value:
    entry = backbones.BACKBONES[_BACKBONE.value]
    network = cost.measure(backbones.load(
        _BACKBONE.value, 'random', entry.image_size or 224))
    print(f'{_BACKBONE.value}: {network.forward / 1e9:.3f}e9 operations a '
          f'forward pass as TensorFlow counts them, {network.parameters:,} '
          f'parameters, embedding of {network.embedding}')
  path = pathlib.Path(_WORKDIR.value) / 'tables' / 'table3.csv'
  with files.atomic_write(path) as f:
    ours.to_csv(f, index=False, float_format='%.7g', lineterminator='\n')
  print(f'csv: {path}')


if __name__ == '__main__':
  common.run(main)
