"""The measurements that the paper's tables and figures are made from.

A job is a set of rows: methods or a study, on every task, in the run itself or
in runs that are derived from it: with another network, other taps, another
normalisation, or fewer images. Jobs are work units like any other, so they can
be cut off and taken up again, and what several tables need is measured once.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import retapping
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.methods import interface
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.protocol import companions
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.protocol import unit as unit_lib
from vtab_h2t.studies import registry as studies
from vtab_h2t.studies import surgical_shift
from vtab_h2t.studies import transfer

ACCURACY = run_lib.ACCURACY
RELEVANCE, TRANSFER, REDUCED = 'relevance', 'transfer', 'reduced'
CONTROL, SECOND = 'control', 'second'
# The small residual network of Lee et al., in place of the run's own.
SURGICAL_SMALL = companions.SMALL
_STUDIES: dict[str, interface.Measured] = {
  **studies.STUDIES,
  **studies.COMPANIONS,
}
# Of section 3.3's comparison: each rule that is not the usual one, and its job.
NORMALIZATIONS = {
  rule: f'normalization_{rule}'
  for rule in (normalization.ONCE, normalization.FEATURE, normalization.NONE)
}
_FRACTIONS = 0.1, 0.25, 0.5, 0.75

# From a run and the second network's to those that a job is measured in.
_Derive = Callable[[run_lib.Run, run_lib.Network | None], list[run_lib.Run]]


def _itself(
  run: run_lib.Run, other: run_lib.Network | None
) -> list[run_lib.Run]:
  del other
  return [run]


def _control(
  run: run_lib.Run, other: run_lib.Network | None
) -> list[run_lib.Run]:
  """The second network's embedding beside the first's (Figure 4)."""
  return [
    run.derived(
      CONTROL, _label(other), second=other, taps=backbone_lib.ALL_TAPS
    )
  ]


def _second(
  run: run_lib.Run, other: run_lib.Network | None
) -> list[run_lib.Run]:
  """The second network in place of the first (Figure 8)."""
  return [
    run.derived(
      SECOND,
      _label(other),
      network=other,
      taps=backbone_lib.ALL_TAPS,
      cls_pooling=pooling.CLS_POOLED,
    )
  ]


def _small(
  run: run_lib.Run, other: run_lib.Network | None
) -> list[run_lib.Run]:
  """Surgical fine-tuning of a second network."""
  return [
    run.derived(
      SURGICAL_SMALL,
      _label(other),
      network=other,
      image_size=companions.small_image_size(run.image_size),
      space=companions.small_space(run.space),
    )
  ]


def _label(network: run_lib.Network | None) -> str:
  if network is None:
    raise ValueError('this job needs a second network')
  return f'{network.backbone}-{network.sha256[:8]}'


def _reduced(
  run: run_lib.Run, other: run_lib.Network | None
) -> list[run_lib.Run]:
  """Parts of the training set (Figure 13)."""
  del other
  return [
    run.derived(REDUCED, f'{fraction:g}', train_fraction=fraction)
    for fraction in _FRACTIONS
  ]


def _changed(
  job: str,
  run: run_lib.Run,
  other: run_lib.Network | None,
  *,
  changes: Mapping[str, Any],
) -> list[run_lib.Run]:
  """A run with other values of some fields.

  Other taps or another use of the class token (Tables 6 and 7), another
  normalisation (section 3.3).
  """
  del other
  return [run.derived(job, **changes)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """What is measured on every task.

  Attributes:
    methods: method ids; the user's where empty and there is no study.
    study: its id, or None.
    only_named: whether of these only the user's are measured.
    derive: gives the runs that it is measured in.
    has_second: whether it needs a second network.
  """

  methods: tuple[str, ...] = ()
  only_named: bool = False
  study: str | None = None
  derive: _Derive = _itself
  has_second: bool = False


JOBS: dict[str, Job] = (
  {ACCURACY: Job()}
  | {name: Job(study=name) for name in _STUDIES}
  | {
    TRANSFER: Job(study=TRANSFER),
    CONTROL: Job(study='one_tap', derive=_control, has_second=True),
    SECOND: Job(methods=('linear', 'scratch'), derive=_second, has_second=True),
    # Fine-tuning takes longer there than all else of Figure 13.
    REDUCED: Job(
      methods=('linear', 'head2toe', 'finetune'),
      only_named=True,
      derive=_reduced,
    ),
  }
  | {
    kind: Job(
      methods=('head2toe',),
      derive=functools.partial(_changed, kind, changes={'taps': kind}),
    )
    for kind in retapping.KINDS
  }
  | {
    f'cls_{kind}': Job(
      methods=('head2toe',),
      derive=functools.partial(
        _changed, f'cls_{kind}', changes={'cls_pooling': kind}
      ),
    )
    for kind in (pooling.CLS_ONLY, pooling.CLS_BOTH)
  }
  | {
    job: Job(
      methods=('head2toe',),
      derive=functools.partial(_changed, job, changes={'normalization': rule}),
    )
    for rule, job in NORMALIZATIONS.items()
  }
  | {
    SURGICAL_SMALL: Job(
      study=surgical_shift.SurgicalShift.name, derive=_small, has_second=True
    )
  }
)


def check(
  names: Sequence[str], methods: Sequence[str], backbone: backbone_lib.Backbone
) -> None:
  """Raises InputError if a network does not allow what is to be measured.

  Args:
    names: of jobs; their methods are checked too, but not of jobs that are
      measured with a second network.
    methods: ids of methods of the run itself.
    backbone: the run's, with its usual taps.
  """
  wanted = list(methods)
  for name in names:
    if name in retapping.KINDS:
      retapping.check(backbone, name)
    if not JOBS[name].has_second:
      wanted += _of_job(name, methods)
  measured: list[interface.Measured] = [
    *methods_registry.measured(wanted),
    *(_STUDIES[name] for name in names if name in _STUDIES),
  ]
  for one in measured:
    one.check_backbone(backbone)


def batches(names: Sequence[str]) -> list[list[str]]:
  """Jobs with those that they need, in an order that serves them.

  Those in one list are measured together, so one pass over the images serves
  them: methods and studies of the run itself.
  """
  wanted = set(names)
  if TRANSFER in wanted:
    wanted.add(RELEVANCE)
  own = [n for n in JOBS if n in wanted and (n == ACCURACY or n in _STUDIES)]
  others = [[n] for n in JOBS if n in wanted and n not in own]
  return [own, *others] if own else others


def count(names: Sequence[str]) -> int:
  """In how many runs a batch is measured."""
  return len(_FRACTIONS) if REDUCED in names else 1


def _of_job(name: str, methods: Sequence[str]) -> tuple[str, ...]:
  """The methods that a job measures, given the user's."""
  if name == ACCURACY:
    return tuple(methods)
  job = JOBS[name]
  return tuple(m for m in job.methods if m in methods or not job.only_named)


def units(
  names: Sequence[str],
  run: run_lib.Run,
  other: run_lib.Network | None,
  groups: Sequence[tuple[str, ...]],
  methods: Sequence[str],
  seeds: tuple[int, ...],
  ledger: ledger_lib.Ledger,
) -> list[unit_lib.Unit]:
  """The work of one batch.

  Args:
    names: a list that `batches` gave.
    run: the run.
    other: a second network, if a job needs one.
    groups: names of the tasks that label the same images.
    methods: the user's.
    seeds: of what is trained in the end.
    ledger: has the rows of the batches before, if they succeeded.
  """
  wanted = tuple(m for name in names for m in _of_job(name, methods))
  chosen: tuple[interface.Measured, ...] = tuple(
    _STUDIES[study]
    for study in (JOBS[n].study for n in names)
    if study is not None and study != TRANSFER
  )
  if TRANSFER in names:
    chosen = _transfers(run, seeds, ledger)
  if not wanted and not chosen:
    return []
  return [
    unit_lib.Unit(
      run=one, tasks=group, methods=wanted, studies=chosen, seeds=seeds
    )
    for one in JOBS[names[0]].derive(run, other)
    for group in groups
  ]


def _transfers(
  run: run_lib.Run, seeds: tuple[int, ...], ledger: ledger_lib.Ledger
) -> tuple[transfer.Transfer, ...]:
  """A study for each task that has selected features with all seeds."""
  folder = ledger.find(run)
  selections: dict[str, dict[int, str]] = {}
  for row in folder.rows() if folder else ():
    if row['job'] == RELEVANCE:
      selections.setdefault(row['task'], {})[row['seed']] = row['selected']
  return tuple(
    transfer.Transfer(task, sorted(by_seed.items()))
    for task, by_seed in selections.items()
    if set(seeds) <= set(by_seed)
  )
