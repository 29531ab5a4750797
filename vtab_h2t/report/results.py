"""All that a run and those derived from it have measured."""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
import functools

from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import jobs
from vtab_h2t.tasks import registry as tasks

_MAIN_SUITE = 'embedded'


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
  """Rows that belong together, sorted by task and method.

  Attributes:
    folder: of the run.
    rows: by job; of jobs without rows none.
    derived: the runs that were derived from it and have rows, by job.
  """

  folder: ledger_lib.Folder
  rows: Mapping[str, Sequence[ledger_lib.Row]]
  derived: Mapping[str, Sequence[ledger_lib.Folder]]

  @property
  def run(self) -> run_lib.Run:
    """The run that is not derived."""
    return self.folder.run

  @functools.cached_property
  def own_measurements(self) -> list[ledger_lib.Measurement]:
    """What provenance tells of; a derived run's methods are none of it."""
    return list(self.folder.measurements())

  @functools.cached_property
  def measurements(self) -> list[ledger_lib.Measurement]:
    """What provenance tells of, derived runs included."""
    derived = (f for folders in self.derived.values() for f in folders)
    return self.own_measurements + [
      m for folder in derived for m in folder.measurements()
    ]

  def of(self, job: str) -> Sequence[ledger_lib.Row]:
    """The rows of a job; empty if there are none."""
    return self.rows.get(job, ())

  def view(
    self,
    tasks_: Collection[str],
    methods_: Collection[str],
    seeds: Collection[int],
  ) -> 'Results':
    """Only the rows of some tasks, methods and seeds."""
    return dataclasses.replace(
      self,
      rows={
        job: kept
        for job, rows in self.rows.items()
        if (
          kept := [
            r
            for r in rows
            if r['task'] in tasks_
            and (r['split'] == 'val' or r['seed'] in seeds)
            and (job != jobs.ACCURACY or r['method'] in methods_)
          ]
        )
      },
    )


Measured = Mapping[str, Results]  # By the name of the run.


def read(
  ledger: ledger_lib.Ledger,
  run: run_lib.Run,
  other: run_lib.Network | None = None,
) -> Results | None:
  """What was measured with a run; None if nothing was.

  Args:
    ledger: of a work directory.
    run: one that is not derived.
    other: which second network, where several were measured; by default the
      first by name.

  Raises:
    errors.InputError: rows are damaged.
  """
  folder = ledger.find(run)
  return None if folder is None else _read(folder, ledger.folders(), other)


def read_all(ledger: ledger_lib.Ledger) -> list[Results]:
  """What a work directory has, run by run.

  First comes the main run: that of Table 1's methods on the embedded suite with
  pretrained weights that has most rows. Other runs of these methods follow,
  then those of studies alone; of either those with most rows first.

  Raises:
    errors.InputError: rows are damaged.
  """
  folders = ledger.folders()
  found = [
    _read(folder, folders, None)
    for folder in folders
    if folder.run.parent is None
  ]
  ordered = sorted(
    (r for r in found if r.rows),
    reverse=True,
    key=lambda r: (
      bool(r.of(jobs.ACCURACY)),
      sum(map(len, r.rows.values())),
    ),
  )
  main = next(filter(_may_be_main, ordered), None)
  return sorted(ordered, key=lambda r: r is not main)


def _may_be_main(results: Results) -> bool:
  run = results.run
  return (
    bool(results.of(jobs.ACCURACY))
    and run.suite == _MAIN_SUITE
    and run.network.weights != 'random'
  )


def _read(
  folder: ledger_lib.Folder,
  folders: Sequence[ledger_lib.Folder],
  other: run_lib.Network | None,
) -> Results:
  derived: dict[str, list[ledger_lib.Folder]] = {}
  for one in folders:
    if one.run.parent == folder.run.id:
      derived.setdefault(one.run.job, []).append(one)
  for job, several in list(derived.items()):
    if job not in jobs.JOBS:
      del derived[job]  # Of another version; no output reads it.
    elif jobs.JOBS[job].has_second:  # Rows of two networks are never pooled.
      derived[job] = [
        f
        for f in several
        if other
        in (None, f.run.second if job == jobs.CONTROL else f.run.network)
      ][:1]
  rows: dict[str, list[ledger_lib.Row]] = {}
  for one in [folder, *(f for several in derived.values() for f in several)]:
    for row in one.rows():
      rows.setdefault(row['job'], []).append(row)
  places = {name: i for i, name in enumerate(tasks.order(folder.run.suite))}
  order = {name: i for i, name in enumerate(methods.METHODS)}
  for some in rows.values():
    some.sort(
      key=lambda r: (
        places.get(r['task'], len(places)),
        r['task'],
        order.get(r['method'], len(order)),
      )
    )
  return Results(folder, rows, derived)
