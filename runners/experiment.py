"""The course of every runner of tables and figures: measure, derive, write."""

from collections.abc import Sequence
import functools
import time

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
  else:
    made, failures = _measured(possible)
  for output, frames in made:
    paths = output.write(frames, run_flags.folder(output.kind),
                         run_flags.source_text())
    output.show(frames)
    print('\n'.join(f'{output.name}: {path}' for path in paths))
  if not published:
    print(f'rows: {run_flags.WORKDIR.value}/rows')
  if failures:
    raise errors.InputError('; '.join(failures))


def _measured(outputs):
  """Pairs of outputs and their frames, and what went wrong."""
  rows, failures = measure(
      [job for o in outputs for job in o.jobs],
      list(dict.fromkeys(m for o in outputs for m in o.methods)))
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
  from vtab_h2t.protocol import ledger as ledger_lib
  ledger = ledger_lib.Ledger(run_flags.WORKDIR.value)
  rows: dict[str, list] = {name: [] for batch in batches for name in batch}
  failures: list[str] = []
  with common.Progress(len(tasks) * len(batches), 'tasks') as progress:
    for batch in batches:
      _measure(batch, tasks, required, ledger, rows, failures, progress)
  return rows, failures


def _measure(batch, tasks, required, ledger, rows, failures, progress) -> None:
  """Adds the rows of jobs that are alike but for their studies."""
  from vtab_h2t.features import extraction
  from vtab_h2t.protocol import unit
  job = reproduction.JOBS[batch[0]]
  title = '' if batch == [reproduction.ACCURACY] else ', '.join(batch) + ': '
  progress.start(title)
  progress.stage('load', 0, 1)
  backbone = run_flags.load_backbone(job)
  extractor_for = functools.cache(
      lambda sizes: extraction.Extractor(backbone, sizes))
  studies = tuple(
      reproduction.study_of(reproduction.JOBS[name], rows)
      for name in batch if reproduction.JOBS[name].study)
  for together in tasks_registry.sharing_images(tasks):
    started = time.monotonic()
    names = ', '.join(t.name for t in together)
    progress.start(title + names)
    try:
      found = unit.run(
          reproduction.tasks_of(job, together), backbone,
          run_flags.weights_name(job),
          {t.name: run_flags.settings(t, job, studies, required)
           for t in together},
          ledger, extractor_for, progress.stage)
    except errors.InputError as e:
      failures.append(f'{names}: {e}')
      progress.finish(f'{title}{names}: failed', len(together))
      continue
    for name in batch:
      study = reproduction.JOBS[name].study
      rows[name] += [r for r in found if r['method'] == study or not study]
    progress.finish(f'{title}{names}: {time.monotonic() - started:.0f} s',
                    len(together))
