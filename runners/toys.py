r"""Reproduces the companion papers' toy problems, in seconds on a CPU.

Prints what is predicted beside what is measured; writes tables, figures (PNG,
PDF, and the CSV they were drawn from) and a README below --workdir.

  python -m runners.toys
"""

import pathlib

from absl import flags

from vtab_h2t import devices
from vtab_h2t import files
from vtab_h2t.toys import tables as toys

from . import common

_WORKDIR = flags.DEFINE_string(
  'workdir', 'workdir', 'Where tables and figures go.'
)


def main() -> None:
  from vtab_h2t.report import folder_readme
  from vtab_h2t.report import plotting
  from vtab_h2t.report import terminal
  from vtab_h2t.report import toy_figures

  common.say_devices(f'CPU {devices.cpu().description}')
  tables = toys.tables()
  print(terminal.frame(tables['predictions'], '.6g'))
  medians = tables['lp_ft'].pivot_table(
    index='epsilon', columns='method', values='ood', aggfunc='median'
  )
  print(
    'LP-FT 1, error out of distribution, median of seeds:\n\n'
    f'{terminal.frame(medians[["lp", "lp_ft", "ft"]].reset_index())}'
  )
  losses = tables['shifts'].pivot_table(
    index='shift', columns='layers', values='loss', aggfunc='median'
  )
  print(
    'SURG 3, population loss by layers tuned, median of seeds:\n\n'
    f'{terminal.frame(losses[["first", "full", "last"]].reset_index())}'
  )
  means = (
    tables['probing']
    .query('scale == scale.max()')
    .groupby('rank')[['energy', 'l2', 'cos', 'dot', 'norm']]
    .mean()
    .reset_index()
  )
  print(
    'HP 2, adaptation of features by initial energy, mean of seeds:\n\n'
    f'{terminal.frame(means)}'
  )
  folder = pathlib.Path(_WORKDIR.value) / 'toys'
  for name, table in tables.items():
    with files.atomic_write(folder / f'{name}.csv') as f:
      table.to_csv(f, index=False, float_format='%.9g', lineterminator='\n')
  for one in toy_figures.FIGURES:
    plotting.save(one.draw(tables[one.name]), folder, one.name)
  folder_readme.write(folder, folder_readme.of_toys())
  print(f'tables and figures: {folder}')


if __name__ == '__main__':
  common.run(main)
