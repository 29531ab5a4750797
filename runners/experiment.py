"""The course of every runner of tables and figures: measure, derive, write."""

from collections.abc import Sequence

from runners import common
from runners import run_flags
from vtab_h2t import errors
from vtab_h2t.protocol import reproduction
from vtab_h2t.tasks import registry as tasks_registry


def run(names: Sequence[str] | None) -> None:
  """Makes tables and figures of `report.catalogue`, and prints what it made.

  Args:
    names: which; None for all that the backbone and the source have.

  Raises:
    errors.InputError: an unknown name, one that the source does not have, or
      something could not be measured; what could be is made first.
  """
  from vtab_h2t.report import catalogue
  unknown = [name for name in names or () if name not in catalogue.OUTPUTS]
  if unknown:
    raise errors.InputError(
        f'there is no {unknown[0]}; choose from '
        f'{", ".join(catalogue.OUTPUTS)}')
  chosen = [catalogue.OUTPUTS[name] for name in names or catalogue.OUTPUTS]
  published = run_flags.SOURCE.value == run_flags.PUBLISHED
  if published:
    possible = [o for o in chosen if o.published]
  else:
    possible = [o for o in chosen if (o.measured or o.from_ledger)
                and o.vit in (None, run_flags.is_vit())]
  if names and len(possible) < len(chosen):
    first = next(o for o in chosen if o not in possible)
    raise errors.InputError(
        f'{first.name}: ' + (
            'the paper\'s numbers do not suffice; leave out --source'
            if published else 'not for this backbone, or nothing of it is '
            'measured; try --source=published'))
  failures: list[str] = []
  if published:
    made = [(output, output.published()) for output in possible]
  elif run_flags.is_shard():
    made, failures = [], _measure(possible)[1]
    if not failures:
      print('this shard is done; when all are, the same command without shard '
            'flags makes the tables and figures')
  else:
    made, failures = _measured(possible)
  for output, frames in made:
    output.show(frames)
    paths = output.write(frames, run_flags.folder(output.kind),
                         run_flags.source_text())
    print('\n'.join(f'{output.name}: {path}' for path in paths))
  if not published:
    print(f'rows: {run_flags.WORKDIR.value}/rows')
  if failures:
    raise errors.InputError('; '.join(failures))


def _measure(outputs):
  """What `measure` gives for some outputs."""
  return measure([job for o in outputs for job in o.jobs],
                 list(dict.fromkeys(m for o in outputs for m in o.methods)))


def _measured(outputs):
  """Pairs of outputs and their frames, and what went wrong."""
  rows, failures = _measure(outputs)
  from vtab_h2t.protocol import ledger as ledger_lib
  ledger = ledger_lib.Ledger(run_flags.WORKDIR.value)
  made = []
  for output in outputs:
    if output.from_ledger:
      made.append((output, output.from_ledger(ledger)))
    elif all(rows[job] for job in output.jobs):
      made.append((output, output.measured(rows)))
  return made, failures


def measure(jobs: Sequence[str], required: Sequence[str]
            ) -> tuple[dict[str, list], list[str]]:
  """The rows of each job, and what went wrong.

  Args:
    jobs: of `protocol.reproduction`.
    required: methods that they must have.
  """
  tasks = run_flags.tasks()
  batches = reproduction.batches(jobs)
  for batch in batches:  # Bad settings fail before anything is measured.
    job = reproduction.JOBS[batch[0]]
    run_flags.networks(job)
    if not job.study:
      for task in tasks:
        run_flags.settings(task, job, (), required)
  common.prepare_tensorflow()
  from runners import executors
  from vtab_h2t.protocol import ledger as ledger_lib
  ledger = ledger_lib.Ledger(run_flags.WORKDIR.value)
  execute = executors.EXECUTORS[run_flags.EXECUTOR.value]
  rows: dict[str, list] = {name: [] for batch in batches for name in batch}
  failures: list[str] = []
  pieces = [(tuple(batch), group) for batch in batches
            for group in tasks_registry.sharing_images(tasks)]
  groups_of: dict[tuple[str, ...], list] = {}
  for names, group in run_flags.shard(pieces):
    groups_of.setdefault(names, []).append(group)
  total = sum(len(g) for groups in groups_of.values() for g in groups)
  with common.Progress(total, 'tasks') as progress:
    for names, groups in groups_of.items():
      studies = tuple(reproduction.study_of(reproduction.JOBS[name], rows)
                      for name in names if reproduction.JOBS[name].study)
      batch = executors.Batch(names, studies, tuple(required))
      for group, found in execute(batch, groups, ledger, progress):
        if isinstance(found, errors.InputError):
          failures.append(f'{", ".join(t.name for t in group)}: {found}')
          continue
        for name in names:
          study = reproduction.JOBS[name].study
          rows[name] += [r for r in found if r['method'] == study or not study]
  return rows, failures
