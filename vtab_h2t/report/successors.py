"""Head2Toe among other methods on frozen features: accuracy and time."""

from collections.abc import Iterable, Mapping
import math

import numpy as np
import pandas as pd

from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import bootstrap
from vtab_h2t.report import seconds as seconds_lib
from vtab_h2t.report import statistics

_REFERENCE = 'head2toe'


def table(
  rows: Iterable[ledger_lib.Row],
  measurements: Iterable[ledger_lib.Measurement],
) -> pd.DataFrame:
  """Methods on frozen features, on the tasks that all have that came after.

  Args:
    rows: of one run, with test rows of Head2Toe and of a method after it.
    measurements: of the same run, without those of runs that it derives.

  Returns:
    A line for each method that was measured on all these tasks, with

    `tasks`: how many.
    `accuracy_percent`: the mean over tasks of medians over seeds.
    `points`, `low`, `high`: how much better than Head2Toe, and the 95 %
      interval over tasks and seeds (`report.bootstrap`); no interval where
      some group has a single task and no other has two.
    `choose_cpu_seconds`, `train_cpu_seconds`: of the search for the setting,
      and of one predictor with it (with a pass over the training images), the
      mean over tasks; missing where not all of them are known in full, or
      where processors differ.
    `processor`: whose seconds these are.
  """
  tests = statistics.tests(rows)
  compared = [
    m
    for m in (*methods_registry.FROZEN, *methods_registry.SUCCESSORS)
    if m in set(tests.method)
  ]
  of = {m: set(tests[tests.method == m].task) for m in compared}
  needed = [
    m for m in compared if m == _REFERENCE or m in methods_registry.SUCCESSORS
  ]
  tasks = sorted(set.intersection(*(of[m] for m in needed)))
  if _REFERENCE not in of or len(needed) == 1 or not tasks:
    return pd.DataFrame()
  compared = [m for m in compared if of[m] >= set(tasks)]
  groups = dict(zip(tests.task, tests.group))
  of_tasks = tests[tests.task.isin(tasks)]
  samples = {
    m: statistics.by_task(of_tasks[of_tasks.method == m]) for m in compared
  }
  seconds = seconds_lib.by_method(measurements)
  found = []
  for method in compared:
    line = {
      'method': method,
      'tasks': len(tasks),
      'accuracy_percent': np.mean(
        [np.median(values) for values in samples[method].values()]
      ),
      **_difference(samples, groups, method),
      **_mean_seconds(seconds, method, tasks),
    }
    found.append(line)
  return pd.DataFrame(found)


def _difference(
  samples: Mapping[str, Mapping[str, np.ndarray]],
  groups: Mapping[str, str],
  method: str,
) -> dict[str, float]:
  """How much better than Head2Toe a method is, and the interval."""
  if method == _REFERENCE:
    return {'points': 0.0, 'low': math.nan, 'high': math.nan}
  found = bootstrap.difference(samples[method], samples[_REFERENCE], groups)
  return {'points': found.value, 'low': found.low, 'high': found.high}


def _mean_seconds(
  seconds: Mapping[tuple[str, str], seconds_lib.Spent],
  method: str,
  tasks: Iterable[str],
) -> dict[str, float | str]:
  """The means over tasks, and the processor; empty if not all is known."""
  known = [seconds.get((method, task)) for task in tasks]
  processors = {one.processor for one in known if one is not None}
  if None in known or len(processors) != 1:
    return {
      'choose_cpu_seconds': math.nan,
      'train_cpu_seconds': math.nan,
      'processor': '',
    }
  return {
    'choose_cpu_seconds': float(np.mean([one.choose for one in known if one])),
    'train_cpu_seconds': float(np.mean([one.train for one in known if one])),
    'processor': processors.pop(),
  }
