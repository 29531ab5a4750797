"""How long measurements took, as provenance tells it."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
from typing import Any, TYPE_CHECKING

from vtab_h2t.methods import registry as methods_registry

if TYPE_CHECKING:
  from vtab_h2t.protocol import ledger as ledger_lib


def total(facts: Iterable[Mapping[str, Any]], clock: str) -> float:
  """What measurements took, all stages together.

  Tasks that share images are timed together, and each has the whole.

  Args:
    facts: of each measurement, as its provenance file has them.
    clock: 'wall' or 'cpu'.
  """
  return sum(
    stage[clock] / len(f.get('tasks') or [f['task']])
    for f in facts
    for stage in f['seconds'].values()
  )


def is_whole(unit: 'ledger_lib.Measurement', method: str) -> bool:
  """Whether a measurement tells what a method cost, in full.

  A training that failed stopped early, so its seconds tell nothing.
  """
  return method not in unit.facts['resumed'] and not any(
    'failed' in row for row in unit.rows[method] if row['split'] == 'test'
  )


def test_rows(
  unit: 'ledger_lib.Measurement',
) -> dict[str, list[dict[str, Any]]]:
  """The test rows of each method."""
  return {
    m: [r for r in rows if r['split'] == 'test']
    for m, rows in unit.rows.items()
  }


def passes_by_task(
  measurements: 'Iterable[ledger_lib.Measurement]',
) -> dict[str, Mapping[str, float]]:
  """What a pass over a task's training images took, by clock.

  Features are kept, so that of the measurements of methods on frozen features
  only the first has it; it is the longest.
  """
  found: dict[str, Mapping[str, float]] = {}
  for unit in measurements:
    one = unit.facts['seconds'].get('embed train')
    if one and any(
      m in methods_registry.MEASURED
      and not methods_registry.MEASURED[m].trains_network
      for m in unit.rows
    ):
      former = found.setdefault(unit.facts['task'], one)
      if one['cpu'] > former['cpu']:
        found[unit.facts['task']] = one
  return found


def training(
  unit: 'ledger_lib.Measurement',
  method: str,
  clock: str,
  passes: Mapping[str, Mapping[str, float]],
) -> float:
  """Of training one predictor of a method with its chosen setting.

  Args:
    unit: has its rows.
    method: its id.
    clock: 'cpu' or 'wall'.
    passes: what a pass over the training images took, by task and clock.
  """
  stages = [f'train {method}']
  if method == 'head2toe' and _selects_as_all_l21(test_rows(unit)):
    stages.append('train all_l21')
  trained = methods_registry.MEASURED[method]
  # Tasks that share images are timed together.
  count = len(unit.facts['tasks'])
  if trained.seeded:
    count *= len(unit.facts['seeds'][method])
  seconds = sum(unit.facts['seconds'][s][clock] for s in stages) / count
  if not trained.trains_network:
    seconds += passes[unit.facts['task']][clock]
  return seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spent:
  """What a method took on a task, in seconds of the processor.

  Attributes:
    choose: the search for its setting.
    train: one predictor with the setting, with a pass over training images.
    processor: which one it was.
  """

  choose: float
  train: float
  processor: str


def by_method(
  measurements: 'Iterable[ledger_lib.Measurement]',
) -> dict[tuple[str, str], Spent]:
  """What each method took on each task.

  Args:
    measurements: of one run; methods that failed, that another process had
      begun, or whose setting was not searched for are passed over.

  Returns:
    By method and task. Head2Toe's search contains that for +All-l2,1 where
    both were measured at once, because it takes its scores from there.
  """
  known = list(measurements)
  passes = passes_by_task(known)
  return {
    (method, unit.facts['task']): Spent(
      choose=_choosing(unit, method),
      train=training(unit, method, 'cpu', passes),
      processor=unit.facts['processor'],
    )
    for unit in known
    for method in unit.rows
    if method in methods_registry.MEASURED
    and is_whole(unit, method)
    and f'choose {method}' in unit.facts['seconds']
  }


def _choosing(unit: 'ledger_lib.Measurement', method: str) -> float:
  """CPU seconds of the search; tasks that share images are timed together."""
  stages = [f'choose {method}']
  if method == 'head2toe' and 'choose all_l21' in unit.facts['seconds']:
    stages.append('choose all_l21')
  return sum(unit.facts['seconds'][s]['cpu'] for s in stages) / len(
    unit.facts['tasks']
  )


def _selects_as_all_l21(
  tests: Mapping[str, Sequence[Mapping[str, Any]]],
) -> bool:
  """Whether Head2Toe's first heads were trained already for +All-l2,1."""
  if 'all_l21' not in tests:
    return False
  ours, other = tests['head2toe'][0], tests['all_l21'][0]
  return all(
    ours[k] == other[k]
    for k in ('learning_rate', 'steps', 'target_size', 'coefficient')
  )
