"""Rows by counts of correct answers, and what claims make of values."""

import numpy as np

from vtab_h2t.report import claims

CLAIMS = {c.id: c for c in claims.CLAIMS}


def value_of(name, values):
  """A claim's statistic of values by condition and task."""
  found = CLAIMS[name].statistic(
    {c: np.array(v, float) for c, v in values.items()}
  )
  return float(found)


def of_study(study, fields, counts, group='natural', total=200):
  """Test rows: for each of `fields` one for each seed's count.

  Args:
    study: its id.
    fields: what is compared.
    counts: by task, for each of `fields` the counts of its seeds.
    group: of the tasks.
    total: of test images.
  """
  return [
    {
      'protocol': 'exact',
      'method': study,
      'split': 'test',
      'task': task,
      'group': group,
      'seed': seed,
      'correct': correct,
      'total': total,
      'num_features': 10,
    }
    | one
    for task, by_seed in counts.items()
    for one, seeds in zip(fields, by_seed)
    for seed, correct in enumerate(seeds)
  ]
