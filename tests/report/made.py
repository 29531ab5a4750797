"""Made-up rows of everything that tables and figures are made from."""

import dataclasses
import pathlib
import zlib

import numpy as np

from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import companion_rows
from vtab_h2t.report import jobs
from vtab_h2t.report import results as results_lib
from vtab_h2t.studies import relevance

# Of the companion papers' studies `made_shifted` has rows.
JOBS = tuple(name for name in jobs.JOBS if name not in companion_rows.JOBS)
GROUPS = {
  'digits': 'natural',
  'scan_patches': 'specialized',
  'sprites_loc': 'structured',
  'shapes_count': 'structured',
}
# Percent, before what is added for the task, the seed and the step.
LEVELS = {'linear': 40, 'head2toe': 60, 'scratch': 30, 'finetune': 50}


def network(backbone='made', sha256='5a'):
  return run_lib.Network(
    backbone=backbone, weights='imagenet', sha256=sha256, scale=1.0, offset=0.0
  )


SECOND = network('other', '5b')


def run(backbone='made', **changes):
  """A run that needs no network to be built."""
  return run_lib.Run(
    **{
      'suite': 'embedded',
      'data_source': None,
      'network': network(backbone),
      'image_size': 32,
      'space': grids.quick('efficientnet_lite0'),
    }
    | changes
  )


def main_run(backbone='efficientnet_lite0', **changes):
  """One with the settings of the committed main run."""
  of = dataclasses.replace(network(backbone), scale=1 / 128, offset=-127 / 128)
  return run(**{'network': of, 'image_size': 64} | changes)


def fixed(**hparams):
  """A space of one setting."""
  return grids.single('fixed', 'made', hparams)


def row(of, job, method, task, seed, percent, **fields):
  """A test row, or another by its fields."""
  total = fields.pop('total', 1000)
  return {
    'schema': ledger_lib.SCHEMA,
    'run': of.id,
    'job': job,
    'suite': of.suite,
    'backbone': of.backbone,
    'protocol': of.protocol,
    'task': task,
    'group': GROUPS.get(task, 'natural'),
    'manifest_sha256': 'f00',
    'method': method,
    'fold': None,
    'seed': seed,
    'split': 'test',
    'correct': round(total * percent / 100),
    'total': total,
  } | fields


def results(rows=(), of=None, **by_job):
  """Results of rows of methods, and of others by job."""
  of = of or run()
  found = {jobs.ACCURACY: list(rows)} | by_job
  folder = ledger_lib.Folder(of, pathlib.Path('nowhere'))
  return results_lib.Results(folder, {j: r for j, r in found.items() if r}, {})


def _noise(*key):
  """From 0 to 5, always the same."""
  return zlib.crc32(repr(key).encode()) % 50 / 10


def by_tap(kept, sizes=(12, 8)):
  """`selected_by_tap` of two taps."""
  return {
    tap: [n, size] for tap, n, size in zip(('early', 'tokens'), kept, sizes)
  }


def _granularity(of):
  """Two taps of the same size; one number of features is what studies keep."""
  kept = of.space.of('granularity').kept
  size, found = 2 * kept, []
  for kind, percent in (
    ('features', 60),
    ('taps_mean', 50),
    ('taps_group', 50),
  ):
    for n in (max(1, kept // 10), kept, 2 * size):
      late = n // 2 if kind == 'features' else min(n, size)
      fields = {
        'kind': kind,
        'num_features': n,
        'selected_by_tap': by_tap((n - late, late), (size, size)),
      }
      found.append((fields, percent))
  return found


def _steps(of, study):
  """What a study compares: fields, and percent to add."""
  if study == 'one_tap':
    names = (
      'none',
      *(('early', 'tokens') if of.second is None else ('control',)),
    )
    return [
      ({'tap': t, 'learning_rate': 0.1}, 49 + i) for i, t in enumerate(names)
    ]
  if study == 'granularity':
    return _granularity(of)
  if study == 'coefficient':
    return [
      ({'coefficient': c, 'num_features': 20}, 50 if c == 0 else 60)
      for c in of.space.of(study).coefficients
    ]
  if study == 'offset':
    return [({'offset': o, 'num_features': 10}, 60 - o) for o in (0, 10, 20)]
  if study == 'scores':
    return [({'score': s}, 50 + i) for i, s in enumerate(('l2', 'chi2'))]
  assert study == 'scaling'
  return [
    (
      {
        'target_size': size,
        'tap_stride': stride,
        'num_candidates': size * 16 // stride,
      },
      40 + 10 / stride,
    )
    for size in (30, 60)
    for stride in (16, 4, 1)
  ]


def _of_study(of, job, study, task, tasks, seeds):
  """Rows of a study by the name of their file."""
  if study == 'transfer':
    return {
      f'transfer-from-{source}': [
        row(
          of,
          job,
          study,
          task,
          s,
          50 + 5 * (source == task) + _noise(task, source, s),
          source=source,
          num_features=20,
        )
        for s in seeds
      ]
      for source in tasks
    }
  if study == 'relevance':
    return {
      study: [
        row(
          of,
          job,
          study,
          task,
          s,
          0,
          split='selection',
          num_features=20,
          selected=relevance.pack(
            np.sort(
              np.random.default_rng(zlib.crc32(task.encode()) + s).permutation(
                20
              )[:4]
            ),
            20,
          ),
          selected_by_tap=by_tap((3, 1)),
        )
        | {'correct': None, 'total': None}
        for s in seeds
      ]
    }
  rows = []
  for fields, percent in _steps(of, study):
    if study in ('one_tap', 'scaling'):
      rows.append(row(of, job, study, task, 0, percent, split='val', **fields))
    rows += [
      row(
        of,
        job,
        study,
        task,
        s,
        percent + _noise(study, task, s, *fields.values()),
        **({'num_features': 20} | fields),
      )
      for s in seeds
    ]
  return {study: rows}


def write(
  workdir,
  of,
  tasks=tuple(GROUPS),
  seeds=(0, 1, 2),
  names=tuple(methods.METHODS),
  jobs_=JOBS,
  change=None,
):
  """Writes rows of jobs into a work directory, as if they were measured.

  Args:
    workdir: where.
    of: the run.
    tasks: names of tasks.
    seeds: numbers.
    names: methods of the run itself.
    jobs_: which jobs.
    change: is given each row and gives what is written, or None for no row.
  """
  ledger = ledger_lib.Ledger(workdir)
  for name in jobs_:
    job = jobs.JOBS[name]
    for one in job.derive(of, SECOND):
      folder = ledger.open(one)
      for task in tasks:
        files = {}
        if job.study:
          files |= _of_study(one, name, job.study, task, tasks, seeds)
        for method in (
          job.methods
          if not job.study and job.methods
          else (names if name == jobs.ACCURACY else ())
        ):
          files[method] = _of_method(one, name, method, task, seeds)
        for file, rows in files.items():
          rows = [r for r in map(change, rows) if r] if change else rows
          if rows:
            folder.write(
              folder.rows_path(task, 'studies' if job.study else 'rows', file),
              'made',
              rows,
            )


def _of_method(of, job, method, task, seeds):
  """Rows of a method."""
  fields = {'learning_rate': 0.1, 'steps': 5}
  if method in ('finetune', 'scratch', 'head2toe_ft', 'linearized'):
    fields['batch'] = 64
  if method in ('head2toe', 'head2toe_ft_plus'):
    fields |= {'target_size': 30, 'fraction': 0.1, 'coefficient': 1e-5}
  if of.train_fraction < 1:
    fields['train_fraction'] = of.train_fraction
  measures = {}
  if method == 'head2toe':
    measures = {'num_features': 4, 'selected_by_tap': by_tap((3, 1))}
  elif method in ('finetune', 'linearized'):
    measures = {'displacement': 0.1}
  level = LEVELS.get(method, 45) * (0.5 + of.train_fraction / 2)
  return [
    row(of, job, method, task, 0, level, split='val', fold=4, **fields),
    *(
      row(
        of,
        job,
        method,
        task,
        s,
        level + _noise(method, task, s),
        **fields | measures,
      )
      for s in seeds
    ),
  ]


def costly_unit(resumed=(), all_l21_coefficient=1e-4):
  """Ten classes, three seeds, two tasks timed together."""
  common = {'task': 't', 'split': 'test'}
  head = {'learning_rate': 0.1, 'steps': 500, 'target_size': 256}
  rows = {
    'linear': common | {'learning_rate': 0.1, 'steps': 500},
    'all_l21': common | head | {'coefficient': all_l21_coefficient},
    'head2toe': common | head | {'coefficient': 1e-5, 'fraction': 0.01},
    'finetune': common | {'learning_rate': 0.1, 'steps': 80, 'batch': 64},
  }
  seconds = {
    'embed train': 4,
    'train linear': 6,
    'train all_l21': 60,
    'train head2toe': 120,
    'train finetune': 600,
    'test': 1000,
  }
  facts = {
    'task': 't',
    'tasks': ['t', 'u'],
    'resumed': list(resumed),
    'seeds': {method: [0, 1, 2] for method in rows},
    'seconds': {
      k: {'cpu': float(v), 'wall': v / 2} for k, v in seconds.items()
    },
  }
  return ledger_lib.Measurement(
    facts,
    {m: [r | {'split': 'val'}] + [r] * 3 for m, r in rows.items()},
    {'classes': 10},
  )


def with_successors(unit, **rows):
  """The same with test rows of methods after Head2Toe, 30 seconds each."""
  for method, row in rows.items():
    unit.rows[method] = [{'task': 't', 'split': 'test'} | row] * 3
    unit.facts['seeds'][method] = [0, 1, 2]
    unit.facts['seconds'][f'train {method}'] = {'cpu': 30.0, 'wall': 15.0}
  return unit
