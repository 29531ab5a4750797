r"""Regenerates Table 3: what Head2Toe costs beside fine-tuning and Linear.

Prints the cost model's columns beside the published ones, the two constants
that were fitted, and the residuals; writes the same as CSV. Where a work
directory has Linear, Head2Toe and fine-tuning of a task, the seconds that they
took and the bytes of what is stored come after, beside the model's shares.

  python -m runners.table3
  python -m runners.table3 --backbone=vit_b16   # the model for another network
  python -m runners.table3 --workdir=results/embedded
"""

import pathlib

from absl import flags

from runners import common
from vtab_h2t import files
from vtab_h2t.backbones import registry as backbones

_BACKBONE = flags.DEFINE_enum(
    'backbone', None, list(backbones.BACKBONES), 'Also count the operations '
    'and parameters of this network, at its usual size.')
_WORKDIR = flags.DEFINE_string(
    'workdir', 'workdir', 'Where measured rows are, and where the CSVs go.')


def main() -> None:
  common.prepare_tensorflow()
  from vtab_h2t.protocol import ledger
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
  written = {'table3.csv': ours}
  measured = cost.measured(ledger.Ledger(_WORKDIR.value).units())
  if len(measured):
    tables.print_measured_cost(measured)
    written['table3_measured.csv'] = measured
  for name, table in written.items():
    path = pathlib.Path(_WORKDIR.value) / 'tables' / name
    with files.atomic_write(path) as f:
      table.to_csv(f, index=False, float_format='%.7g', lineterminator='\n')
    print(f'csv: {path}')


if __name__ == '__main__':
  common.run(main)
