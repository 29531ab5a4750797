"""What not to take a run's numbers for; each says so first, then why."""

from collections.abc import Collection, Sequence

from vtab_h2t.methods import space as space_lib
from vtab_h2t.report import budgets
from vtab_h2t.report import claim
from vtab_h2t.report import companion_rows
from vtab_h2t.report import headline
from vtab_h2t.report import jobs
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import standing
from vtab_h2t.report import tables

_LEAST_STEPS = 500  # The smallest budget of the paper (Appendix A).
# What a budget limits.
_LIMITED = 'scratch', 'finetune', 'linearized', 'head2toe_ft'

_UNDECIDED = (
  'Do not take an undecided claim for one that is refuted: with few tasks of '
  'very different kinds the intervals are wide.'
)


_NOT_THE_PAPERS = (
  "Do not compare these accuracies with the paper's: the network or the tasks "
  'are others.'
)


def of(results: results_lib.Results) -> list[str]:
  """Sentences for above all numbers; none where there are none.

  A run under shifts has no Table 1; what is said of it is of claims.
  """
  if results.run.suite == companion_rows.SUITE:
    return [_UNDECIDED]
  tests = [
    r
    for r in results.of(jobs.ACCURACY)
    if r['split'] == 'test' and r['correct'] is not None
  ]
  if not tests:
    is_like_the_papers = papers.comparable(results.run)
    return [_NOT_THE_PAPERS] if results.rows and not is_like_the_papers else []
  tasks = list(dict.fromkeys(r['task'] for r in tests))
  methods = list(dict.fromkeys(r['method'] for r in tests))
  found = _of_budgets(results, tasks, methods)
  if results.run.network.weights == 'random':
    found.append(
      'Do not take these accuracies for transfer learning: the weights of the '
      'network are random. This run is a control.'
    )
  if not results.run.space.folds:
    found.append(
      'Do not use this table to rank methods: each has one setting that was '
      'given, not searched for.'
    )
  if len(tasks) == 1:
    found.append(
      f'Do not take these numbers for averages: {tasks[0]} is the only task, '
      'and one task gives no interval.'
    )
  if len({r['seed'] for r in tests}) == 1:
    found.append(
      'Do not read anything into small differences: one seed was measured, so '
      'how far seeds differ is not known.'
    )
  found += _of_affinity(results, tasks, methods)
  if not papers.comparable(results.run):
    found.append(_NOT_THE_PAPERS)
  return found


def of_search(
  results: results_lib.Results, shown: Collection[str] | None = None
) -> str:
  """What search the trained methods of a table had, for under it.

  Empty where none is in it, where nothing was searched for, and where tasks
  have searches of their own.

  Args:
    results: of the run.
    shown: methods that the table has; None for all that were measured.
  """
  space = results.run.space
  measured = {
    r['method']
    for r in results.of(jobs.ACCURACY)
    if r['split'] == 'test' and (shown is None or r['method'] in shown)
  }
  if not space.folds or space.by_task:
    return ''
  by_search: dict[tuple[str, int], list[str]] = {}
  for method in _LIMITED:
    if method in measured:
      steps = ' or '.join(map(str, space.of(method).steps))
      search = steps, budgets.settings(method, space)
      by_search.setdefault(search, []).append(tables.LABELS[method])
  said = [
    f'{headline.enumerated(names)} had {steps} steps and {count} '
    f'setting{"s" if count > 1 else ""}{" each" if len(names) > 1 else ""}'
    for (steps, count), names in by_search.items()
  ]
  if said and standing.REFERENCE in measured:
    said.append(_frozen_searches(measured, space))
  return f'{"; ".join(said)}.' if said else ''


def _frozen_searches(measured: Collection[str], space: space_lib.Space) -> str:
  """How many settings the methods on a frozen network tried, in words."""
  counts = {
    method: budgets.settings(method, space)
    for method in claim.FROZEN
    if method in measured
  }
  alike = len({counts.get(method) for method in claim.ALL_FEATURES}) == 1
  named = {
    'each +All'
    if alike and method in claim.ALL_FEATURES
    else tables.LABELS[method]: count
    for method, count in counts.items()
  }
  first, *others = named
  return headline.enumerated(
    [f'{first} had {named[first]}', *(f'{o} {named[o]}' for o in others)]
  )


def _of_affinity(
  results: results_lib.Results, tasks: Sequence[str], methods: Sequence[str]
) -> list[str]:
  """That affinities, if there are any, are of a short training."""
  if not {'linear', 'scratch'} <= set(methods):
    return []
  space = results.run.space
  tried = [b for t in tasks for b in budgets.of('scratch', space.of_task(t))]
  steps = max((max(some) for some, _ in tried), default=0)
  if not 0 < steps <= _LEAST_STEPS:
    return []
  return [
    'Do not rely on which tasks are far from the pretraining: domain affinity '
    f'is Linear less Scratch, and Scratch had {steps} steps. Verdicts on '
    'tasks in or out of distribution, or by affinity, depend on it.'
  ]


def _of_budgets(
  results: results_lib.Results, tasks: Sequence[str], methods: Sequence[str]
) -> list[str]:
  """That training was stopped early, or was not equally long."""
  space = results.run.space
  trained = [m for m in methods if m in standing.TRAINED]
  short: dict[str, list[str]] = {}  # Method to its budgets in words.
  for method in trained:
    for task in tasks:
      tried = sorted(budgets.of(method, space.of_task(task)))
      if tried and max(max(steps) for steps, _ in tried) < _LEAST_STEPS:
        words = budgets.in_words(tried)
        if words not in short.setdefault(method, []):
          short[method].append(words)
  if short:
    names = headline.enumerated([tables.LABELS.get(m, m) for m in short])
    after = '; '.join(
      dict.fromkeys(w for words in short.values() for w in words)
    )
    return [
      f'Do not use this table to rank {names}: training was stopped early, '
      f'after {after}.'
    ]
  different = budgets.differing(methods, space, tasks) if trained else ''
  if different and len(methods) > len(trained):
    names = headline.enumerated([tables.LABELS.get(m, m) for m in trained])
    return [
      f'Do not use this table to rank {names} against the other methods: they '
      f'were not trained equally long ({different}).'
    ]
  return []
