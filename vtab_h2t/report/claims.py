"""The paper's checkable statements, and what measurements say of each.

A claim has a statistic that it says is above 0, from accuracies by task (in
percent, medians over seeds) under some conditions. It holds if the whole 95 %
interval of a stratified bootstrap over tasks and seeds is above 0, does not
hold if the whole interval is below, and is undecided otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.backbones import retapping
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics

HOLDS, FAILS = 'holds', 'does not hold'
UNDECIDED, UNTESTABLE = 'undecided', 'not testable here'

Accuracies = Mapping[str, np.ndarray]  # Condition to accuracies by task.
Row = Mapping[str, Any]

_ACCURACY = jobs.ACCURACY


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement.

  Attributes:
    id: short name.
    sentence: what the paper says.
    where: in the paper.
    statistic_text: what is computed; the claim is that it is above 0.
    job: whose rows it is tested on.
    condition: the condition that a row belongs to, or None.
    statistic: of the accuracies under the conditions.
    published: the paper's value, where it prints enough.
    needs: conditions that must be there.
  """

  id: str
  sentence: str
  where: str
  statistic_text: str
  job: str
  condition: Callable[[Row], str | None]
  statistic: Callable[[Accuracies], float]
  published: float | None = None
  needs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What was found.

  Attributes:
    claim: of what.
    interval: of the statistic; None where it cannot be tested.
    verdict: of `HOLDS`, `FAILS`, `UNDECIDED`, `UNTESTABLE`.
    tasks: on how many tasks.
    rows: job and method of the rows that it came from; or what lacks.
  """

  claim: Claim
  interval: statistics.Interval | None
  verdict: str
  tasks: int
  rows: str


_Statistic = Callable[[Accuracies], float]
_Condition = Callable[[Row], str | None]


def _mean_difference(one: str, other: str) -> _Statistic:
  return lambda a: float(np.mean(a[one] - a[other]))


def _correlation(gaining: str) -> _Statistic:
  """Minus Spearman's rho of affinity and a condition's gain over Linear."""
  def statistic(a: Accuracies) -> float:
    affinity = pd.Series(a['linear'] - a['scratch'])
    return -statistics.spearman(affinity, pd.Series(a[gaining] - a['linear']))
  return statistic


def _method(*names: str) -> _Condition:
  """Rows of Table 1's methods, of the run itself."""
  return lambda row: row['method'] if (
      row['method'] in names and row['job'] == _ACCURACY) else None


def _above(method: str, label: str, published_value: float | None,
           where: str = 'Table 1') -> Claim:
  return Claim(
      f'head2toe_above_{method}',
      f'Head2Toe is better than {label} on average.', where,
      f'mean of Head2Toe less {label}, points', _ACCURACY,
      _method('head2toe', method), _mean_difference('head2toe', method),
      published_value, ('head2toe', method))


def _best_of_all(a: Accuracies) -> float:
  means = {m: v.mean() for m, v in a.items()}
  ours = means.pop('head2toe_ft_plus')
  return float(ours - max(means.values()))


def _granularity(row: Row) -> str | None:
  if row['method'] != 'granularity':
    return None
  return f'{row["kind"]} {row.get("fraction") or row.get("num_taps")}'


def _features_above_taps(a: Accuracies) -> float:
  """Best of each kind's curve that keeps less than everything."""
  def best(kind: str) -> np.ndarray:
    steps = [c for c in a if c.startswith(f'{kind} ')]
    largest = max(steps, key=lambda c: float(c.split()[1]))
    return np.max([a[c] for c in steps if c != largest], axis=0)
  return float(np.mean(best('features') - np.maximum(
      best('taps_mean'), best('taps_group'))))


def _ordered(prefix: str) -> _Statistic:
  """Minus the mean over tasks of Spearman's rho with the condition's number."""
  def statistic(a: Accuracies) -> float:
    steps = sorted((c for c in a if c.startswith(prefix)),
                   key=lambda c: float(c.removeprefix(prefix)))
    curves = np.stack([a[c] for c in steps], axis=1)
    order = pd.Series(range(len(steps)))
    rho = [statistics.spearman(order, pd.Series(curve)) for curve in curves]
    return -float(np.nanmean(rho))
  return statistic


def _own_and_others(row: Row) -> str | None:
  if row['method'] != jobs.TRANSFER:
    return None
  return 'own' if row['source'] == row['task'] else f'other {row["source"]}'


def _candidates(row: Row) -> str | None:
  if row['method'] != 'scaling':
    return None
  return f'{row["target_size"]} {row["tap_stride"]}'


def _more_candidates(a: Accuracies) -> float:
  """All taps at the largest target size less a sixteenth at the smallest."""
  sizes = sorted({int(c.split()[0]) for c in a})
  return float(np.mean(a[f'{sizes[-1]} 1'] - a[f'{sizes[0]} 16']))


def _fraction(row: Row) -> str | None:
  if row['method'] != 'head2toe':
    return None
  return f'of {row.get("train_fraction", 1.0)}'


def _variant(job: str) -> _Condition:
  """Head2Toe's rows of a run that is derived, and of the run itself."""
  return lambda row: {job: 'variant', _ACCURACY: 'original'}.get(
      row['job']) if row['method'] == 'head2toe' else None


def _ablation(kind: str, label: str, value: float) -> Claim:
  condition = _variant(kind)
  return Claim(
      f'taps_above_{kind}', f'Tapping after norm and activation is better than '
      f'{label}.', 'Table 6', f'mean of Head2Toe less that {label}, points',
      kind, condition, _mean_difference('original', 'variant'), value,
      ('original', 'variant'))


def _cls(kind: str, sentence: str, value: float, sign: int = 1) -> Claim:
  condition = _variant(f'cls_{kind}')
  return Claim(
      f'class_token_{kind}', sentence, 'Table 7',
      'mean of pooled tokens less the variant, points' if sign > 0 else
      'mean of the variant less pooled tokens, points', f'cls_{kind}',
      condition, lambda a: sign * float(np.mean(a['original'] - a['variant'])),
      value, ('original', 'variant'))


CLAIMS: tuple[Claim, ...] = (
    _above('linear', 'Linear', 8.8),
    _above('all_l2', '+All-l2', 2.5),
    _above('all_l1', '+All-l1', 1.2),
    _above('all_l21', '+All-l2,1', 1.5),
    _above('finetune', 'fine-tuning', 2.2),
    Claim('gain_falls_with_affinity', 'Head2Toe gains most where the task is '
          'far from the source.', 'section 4.1', 'minus Spearman of affinity '
          'and the gain over Linear', _ACCURACY,
          _method('head2toe', 'linear', 'scratch'), _correlation('head2toe'),
          0.789, ('head2toe', 'linear', 'scratch')),
    Claim('oracle_gain_falls_with_affinity', 'The best single additional layer '
          'helps most far from the source.', 'Figure 4', 'minus Spearman of '
          'affinity and the oracle\'s gain over Linear', 'one_tap',
          lambda row: _method('linear', 'scratch')(row) or (
              f'tap {row["tap"]}' if row['method'] == 'one_tap' else None),
          lambda a: _correlation('oracle')(dict(a) | {'oracle': np.max(
              [v for c, v in a.items() if c.startswith('tap ')], axis=0)}),
          0.745, ('linear', 'scratch')),
    Claim('features_above_taps', 'Selecting single features is better than '
          'selecting whole layers.', 'Figure 6', 'mean over tasks of the best '
          'of features less the best of whole taps, points', 'granularity',
          _granularity, _features_above_taps),
    Claim('own_features_best', 'A task\'s own features serve it best.',
          'Figure 7', 'mean of own less the mean of other tasks\', points',
          jobs.TRANSFER, _own_and_others,
          lambda a: float(np.mean(a['own'] - np.nanmean(
              [v for c, v in a.items() if c != 'own'], axis=0))), None,
          ('own',)),
    Claim('ranking_matters', 'Accuracy falls with the place in the ranking.',
          'Figure 11', 'minus the mean over tasks of Spearman of place and '
          'accuracy', 'offset', lambda row: (
              f'offset {row["offset"]}' if row['method'] == 'offset' else None),
          _ordered('offset ')),
    Claim('more_candidates_help', 'More candidate features help.', 'Figure 7',
          'mean of all taps at the largest target size less a sixteenth of '
          'them at the smallest, points', 'scaling', _candidates,
          _more_candidates),
    Claim('more_data_help', 'Head2Toe gets better with more training images.',
          'Figure 13', 'mean of all images less a tenth, points',
          jobs.REDUCED, _fraction,
          _mean_difference('of 1.0', 'of 0.1'), None, ('of 1.0', 'of 0.1')),
    Claim('ft_plus_best', 'Head2Toe-FT+ is the best on average.', 'Table 1',
          'mean of Head2Toe-FT+ less the best other mean of the paper\'s '
          'methods, points', _ACCURACY,
          _method('linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe',
                  'scratch', 'finetune', 'head2toe_ft', 'head2toe_ft_plus'),
          _best_of_all, 2.2, ('head2toe_ft_plus', 'finetune', 'head2toe')),
    _ablation(retapping.PRE_NORMALIZATION, 'before the batch norm', 2.3),
    _ablation(retapping.PRE_ACTIVATION, 'before the activation', 2.3),
    _ablation(retapping.WITH_INPUT, 'adding the input image', 0.8),
    _cls('only', 'A ViT\'s class token alone is worse than pooled tokens.',
         6.0),
    _cls('both', 'The class token beside pooled tokens adds a little.', 0.1,
         -1),
)


def samples(claim: Claim, rows: Mapping[str, Sequence[Row]]
            ) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
  """Accuracies of seeds by condition and task, and each task's group.

  Tasks that a condition lacks are left out, and seeds that failed.

  Args:
    claim: the claim.
    rows: by job.
  """
  found: dict[str, dict[str, list[float]]] = {}
  groups: dict[str, str] = {}
  wanted = dict.fromkeys([_ACCURACY, claim.job])
  for row in (r for job in wanted for r in rows.get(job, ())):
    if row['split'] != 'test' or row['correct'] is None:
      continue
    condition = claim.condition(row)
    if condition is not None:
      groups[row['task']] = row['group']
      found.setdefault(condition, {}).setdefault(row['task'], []).append(
          statistics.percent(row))
  whole = {c: t for c, t in found.items()
           if not c.startswith('other ')} or found
  tasks = set.intersection(*(set(t) for t in whole.values())) if whole else ()
  return {c: {t: np.array(by_task[t]) if t in by_task else np.array([np.nan])
              for t in sorted(tasks)}
          for c, by_task in found.items()}, groups


def judge(claim: Claim, rows: Mapping[str, Sequence[Row]]) -> Verdict:
  """Tests a claim on rows, by job."""
  found, groups = samples(claim, rows)
  lacking = [c for c in claim.needs if c not in found]
  tasks = len(next(iter(found.values()), ()))
  if lacking or not found or not tasks or not rows.get(claim.job):
    what = claim.job if not rows.get(claim.job) else ', '.join(lacking)
    return Verdict(claim, None, UNTESTABLE, 0, f'no rows of {what}')
  interval = statistics.bootstrap(found, groups, claim.statistic)
  # Correlations of one or two tasks are none.
  if not np.isfinite([interval.value, interval.low, interval.high]).all():
    return Verdict(claim, None, UNTESTABLE, tasks, f'{tasks} tasks do not do')
  verdict = (HOLDS if interval.low > 0 else FAILS if interval.high < 0
             else UNDECIDED)
  used = [r for job in dict.fromkeys([_ACCURACY, claim.job])
          for r in rows.get(job, ()) if claim.condition(r) is not None]
  names = sorted({f'{r["job"]}/{r["method"]}' for r in used})
  return Verdict(claim, interval, verdict, tasks, ' '.join(names))


def table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
  """One line a claim."""
  nan = statistics.Interval(np.nan, np.nan, np.nan)
  return pd.DataFrame([{
      'id': v.claim.id, 'claim': v.claim.sentence, 'where': v.claim.where,
      'statistic': v.claim.statistic_text, 'published': v.claim.published,
      'measured': (v.interval or nan).value, 'low': (v.interval or nan).low,
      'high': (v.interval or nan).high, 'verdict': v.verdict,
      'tasks': v.tasks, 'rows': v.rows} for v in verdicts])


def cost_row(measured: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
  """The claim on cost, from `cost.measured`; a line for `table`."""
  line = {'id': 'cost_below_1_percent', 'claim': 'Head2Toe takes less than 1 % '
          'of fine-tuning\'s cost.', 'where': 'Table 3',
          'statistic': '1 less the mean share of fine-tuning\'s cpu seconds, '
          'percent', 'published': 1 - 0.63}
  if not len(measured):
    return line | {'measured': np.nan, 'low': np.nan, 'high': np.nan,
                   'verdict': UNTESTABLE, 'tasks': 0,
                   'rows': 'no task with linear, head2toe and finetune'}
  shares = {'share': {row.task: np.array([100 * row.seconds_vs_finetune])
                      for row in measured.itertuples()}}
  found = statistics.bootstrap(
      shares, dict.fromkeys(shares['share'], ''),
      lambda a: 1 - float(a['share'].mean()), seed)
  verdict = (HOLDS if found.low > 0 else FAILS if found.high < 0
             else UNDECIDED)
  return line | dataclasses.asdict(found) | {
      'measured': found.value, 'verdict': verdict, 'tasks': len(measured),
      'rows': 'provenance'}


def toy_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """The companion papers' claims on their toy problems.

  Args:
    tables: what `toys.tables.tables` gives.

  Returns:
    id, claim, where, `seeds` that agree, `of` how many, verdict (holds if all
    agree, does not hold if none does).
  """
  lp_ft = tables['lp_ft']
  ood = lp_ft[lp_ft.epsilon == lp_ft.epsilon.min()].pivot(
      index='seed', columns='method', values='ood')
  shifts = tables['shifts'].pivot(
      index=['shift', 'seed'], columns='layers', values='loss')
  best = shifts.idxmin(axis=1)
  probing = tables['probing'].sort_values('energy')
  moved = probing.groupby('seed').l2.apply(lambda v: v.is_monotonic_increasing)
  norm = probing.groupby('seed').norm.apply(
      lambda v: v.max() > max(v.iloc[0], v.iloc[-1]))
  found = [
      ('lp_ft_generalises', 'With good features LP-FT errs less out of '
       'distribution than fine-tuning.', 'Kumar et al., 2022',
       ood.lp_ft < ood.ft),
      ('first_layer_for_input_shift', 'Under a shift of the input the first '
       'layer is the one to tune.', 'Lee et al., 2023',
       best['input'] == 'first'),
      ('last_layer_for_output_shift', 'Under a shift of the output the last '
       'layer is the one to tune.', 'Lee et al., 2023',
       best['output'] == 'last'),
      ('energy_moves_features', 'Features move further the more energy the '
       'head leaves.', 'Ren et al., 2023', moved),
      ('norm_peaks_between', 'The features\' norm is largest at an energy in '
       'between.', 'Ren et al., 2023', norm)]
  return pd.DataFrame([{
      'id': name, 'claim': sentence, 'where': where, 'seeds': int(agree.sum()),
      'of': len(agree), 'verdict': HOLDS if agree.all() else
      FAILS if not agree.any() else UNDECIDED}
                       for name, sentence, where, agree in found])
