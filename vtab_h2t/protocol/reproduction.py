"""The measurements that the paper's tables and figures are made from.

A job is a set of rows: methods or studies, on every task, with one form of the
backbone. Jobs are work units like any other, so they can be cut off and taken
up again, and what several tables need is measured once.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
from typing import Any

from vtab_h2t.backbones import retapping
from vtab_h2t.features import pooling
from vtab_h2t.studies import base as study_lib
from vtab_h2t.studies import registry as studies
from vtab_h2t.studies import transfer
from vtab_h2t.tasks import task as task_lib

ACCURACY = 'accuracy'
TRANSFER, REDUCED = 'transfer', 'reduced'
CONTROL, SECOND = 'control', 'second'
OWN, PAIR = 'own', 'pair'  # Networks, beside SECOND.
_FRACTIONS_SEED = 0


@dataclasses.dataclass(frozen=True)
class Job:
  """What is measured on every task.

  Attributes:
    methods: method ids; those of the run where empty and there is no study.
    study: its name, or None.
    taps, cls_pooling: of the backbone, where not those of the run.
    network: the run's own, a pair of it and a second one, or the second one
      alone.
    fractions: of the training examples; all where empty.
  """

  methods: tuple[str, ...] = ()
  study: str | None = None
  taps: str | None = None
  cls_pooling: str | None = None
  network: str = OWN
  fractions: tuple[float, ...] = ()


JOBS: dict[str, Job] = (
    {ACCURACY: Job()}
    | {name: Job(study=name) for name in studies.STUDIES}
    | {TRANSFER: Job(study=TRANSFER),
       CONTROL: Job(study='one_tap', network=PAIR),
       SECOND: Job(('linear', 'scratch'), network=SECOND),
       REDUCED: Job(('linear', 'head2toe'), fractions=(0.1, 0.2, 0.5))}
    | {kind: Job(('head2toe',), taps=kind) for kind in retapping.KINDS}
    | {f'cls_{kind}': Job(('head2toe',), cls_pooling=kind)
       for kind in (pooling.CLS_ONLY, pooling.CLS_BOTH)})


def batches(names: Iterable[str]) -> list[list[str]]:
  """Jobs with those that they need, in an order that serves them.

  Those in one list are alike but for their studies, so one pass over the images
  serves them.
  """
  wanted = set(names)
  if TRANSFER in wanted:
    wanted.add('relevance')
  found: list[list[str]] = []
  for name in JOBS:
    if name not in wanted:
      continue
    if name in studies.STUDIES and found and found[-1][-1] in studies.STUDIES:
      found[-1].append(name)
    else:
      found.append([name])
  return found


def tasks_of(job: Job, tasks: Sequence[task_lib.Task]) -> list[task_lib.Task]:
  """What a job is measured on."""
  if not job.fractions:
    return list(tasks)
  return [t.reduced(f, _FRACTIONS_SEED) for t in tasks for f in job.fractions]


def study_of(job: Job, rows: Mapping[str, Sequence[dict[str, Any]]]
             ) -> study_lib.Study:
  """A job's study.

  Args:
    job: one that has a study.
    rows: of the jobs before it.
  """
  if job.study != TRANSFER:
    return studies.STUDIES[job.study]
  selections: dict[str, dict[int, str]] = {}
  for row in rows['relevance']:
    selections.setdefault(row['task'], {})[row['seed']] = row['selected']
  return transfer.Transfer(selections)
