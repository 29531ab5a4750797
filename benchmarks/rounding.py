r"""Table 1's frozen methods, with two arithmetics of one processor.

  python -m benchmarks.rounding
  python -m benchmarks.rounding --setting=small
  python -m benchmarks.rounding --workdir=DIR     # goes on if stopped

Quick grid, three seeds, the ten tasks of the embedded suite at 64 pixels, twice
on the same processor: as it comes, and with products and convolutions that use
no vectors longer than AVX2's. These add the same numbers in another order, as
another processor does, so that any difference is of rounding.
"""

from collections.abc import Sequence
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

from absl import app
from absl import flags
import pandas as pd

from benchmarks import harness
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import standing
from vtab_h2t.report import statistics

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Where measurements are kept; by default they are not.'
)
# Of either arithmetic, what a process is told.
_ARITHMETICS: dict[str, dict[str, str]] = {
  'as it comes': {},
  'AVX2': {'ONEDNN_MAX_CPU_ISA': 'AVX2'},
}


def _measured(workdir: pathlib.Path, name: str) -> results_lib.Results:
  """What `runners.table1` measures with an arithmetic."""
  place = workdir / name.replace(' ', '_')
  narrowed = (
    ['--tasks=digits', '--image_size=32', '--methods=linear,head2toe']
    if harness.is_small()
    else []
  )
  subprocess.run(
    [sys.executable, '-m', 'runners.table1', f'--workdir={place}', *narrowed],
    check=True,
    stdout=subprocess.DEVNULL,
    env=os.environ | _ARITHMETICS[name],
  )
  (found,) = results_lib.read_all(ledger_lib.Ledger(place))
  return found


def _settings(results: results_lib.Results) -> pd.Series:
  """The setting that was chosen, by method and task."""
  space = results.run.space
  return pd.Series(
    {
      (row['method'], row['task']): {
        key: row[key]
        for key in methods.MEASURED[row['method']].candidates(space)[0].as_row()
      }
      for row in results.of(jobs.ACCURACY)
      if row['split'] == 'test'
    }
  )


def _rows(found: Sequence[results_lib.Results]) -> list[dict[str, Any]]:
  """A row for each method and task, and for each method beside Head2Toe."""
  keys = ['method', 'task']
  one, other = (
    statistics.summarise(r.of(jobs.ACCURACY)).set_index(keys).accuracy_percent
    for r in found
  )
  settings = [_settings(r) for r in found]
  cells = [
    {
      'what': 'accuracy',
      'method': key[0],
      'task': key[1],
      'accuracy_percent': float(one[key]),
      'other_percent': float(other[key]),
      'another_setting': settings[0][key] != settings[1][key],
    }
    for key in one.index
  ]
  places = [standing.of_run(r).set_index('method') for r in found]
  beside = [
    {'what': 'beside Head2Toe', 'method': method, 'task': 'all'}
    | {
      prefix + name: float(place.loc[method, name])
      for prefix, place in zip(('', 'other_'), places)
      for name in ('points', 'low', 'high')
    }
    for method in places[0].index
  ]
  return cells + beside


def main(argv: Sequence[str]) -> None:
  del argv
  with tempfile.TemporaryDirectory() as temporary:
    workdir = pathlib.Path(_WORKDIR.value or temporary)
    found = [_measured(workdir, name) for name in _ARITHMETICS]
    harness.write('rounding', _rows(found))


if __name__ == '__main__':
  app.run(main)
