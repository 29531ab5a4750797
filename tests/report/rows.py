"""Test rows of a study, by their counts of correct answers."""


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
