"""Made parts of pages on methods that train networks, beside Head2Toe."""

import pathlib

import numpy as np
import pandas as pd

from vtab_h2t.report import bootstrap
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import judging
from vtab_h2t.report import measured_cost
from vtab_h2t.report import numerals
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import seconds as seconds_lib
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import tables


def fine_tuning(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """Fine-tuning beside Head2Toe and Linear, in a list of sentences."""
  del place
  results = measured[run]
  rows = results.of('accuracy')
  summary = statistics.summarise(rows)
  wide = summary.pivot(
    index='task', columns='method', values='accuracy_percent'
  ).dropna(subset='finetune')
  means = wide.mean()
  found = standing.of_run(results).set_index('method').loc['finetune']
  ahead = wide.finetune - wide[standing.REFERENCE]
  tried = pd.DataFrame([r for r in rows if r['split'] == 'val'])
  settings = tried.groupby(['method', 'task', 'fold']).size()
  settings = settings.groupby('method').max()
  of_rates = tried[tried.method == 'finetune'].groupby('learning_rate')
  right = 100 * of_rates.correct.sum() / of_rates.total.sum()
  larger, smaller = right.index.max(), right.index.min()
  chosen = {
    r['task']: r['learning_rate']
    for r in rows
    if r['split'] == 'test' and r['method'] == 'finetune'
  }
  own = results.own_measurements
  cost = measured_cost.measured(results.run, own).mean(numeric_only=True)
  training = {m: cost[f'{m}_cpu_seconds'] for m in ('head2toe', 'finetune')}
  size = {m: cost[f'{m}_bytes'] / 1e6 for m in training}
  seconds = seconds_lib.by_method(own)
  search = {
    m: float(np.mean([s.choose for (of, _), s in seconds.items() if of == m]))
    for m in training
  }
  times = training['finetune'] / training['head2toe']
  times_in_all = (search['finetune'] + training['finetune']) / (
    search['head2toe'] + training['head2toe']
  )
  said = (
    f'Fine-tuning has {numerals.number(means.finetune)} % on average over '
    f'{len(wide)} tasks, where Head2Toe has '
    f'{numerals.number(means[standing.REFERENCE])} % and Linear '
    f'{numerals.number(means.linear)} %.',
    f'The difference to Head2Toe is {numerals.signed(found.points)} points (95 '
    f'% interval {numerals.signed(found.low)} to '
    f'{numerals.signed(found.high)}).',
    f'Fine-tuning is above Head2Toe on {(ahead > 0).sum()} of {len(ahead)} '
    f'tasks, by {numerals.number(ahead.max())} points on {ahead.idxmax()}, and '
    f'below it on {(ahead < 0).sum()}, by {numerals.number(-ahead.min())} on '
    f'{ahead.idxmin()}.',
    f'The learning rate {larger:g} was chosen on '
    f'{list(chosen.values()).count(larger)} of {len(chosen)} tasks. Over all '
    f'tasks it has {numerals.number(right[larger])} % of the validation images '
    f'right, and {smaller:g} has {numerals.number(right[smaller])} %.',
    'Once its setting is chosen, a training of Head2Toe takes '
    f'{numerals.number(training["head2toe"])} CPU seconds a task, a pass over '
    f'the images included, and one of fine-tuning {training["finetune"]:.0f}, '
    f'which is {times:.0f} times as long. The search takes '
    f'{numerals.number(search["head2toe"])} CPU seconds for the '
    f'{settings[standing.REFERENCE]} settings of Head2Toe, and '
    f'{search["finetune"]:.0f} for the {settings.finetune} of fine-tuning. '
    f'Both together take {times_in_all:.0f} times as long with fine-tuning.',
    "By the paper's model of costs Head2Toe takes "
    f'{100 * cost.flops_at_equal_steps:.2f} % of the operations of '
    'fine-tuning, at equal steps.',
    f'What is kept for a task takes {size["head2toe"]:.2f} MB with Head2Toe, '
    f'and {numerals.number(size["finetune"])} MB with fine-tuning.',
  )
  return '\n'.join(f'- {sentence}' for sentence in said)


def tuned_after_selection(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """Head2Toe-FT and FT+ beside Head2Toe and fine-tuning, as a list."""
  del place
  rows = measured[run].of('accuracy')
  tests = statistics.tests(rows)
  samples = {
    method: statistics.by_task(tests[tests.method == method])
    for method in ('head2toe_ft', 'head2toe_ft_plus', 'head2toe', 'finetune')
  }
  groups = dict(zip(tests.task, tests.group))

  def differs(one: str, other: str) -> str:
    found = bootstrap.difference(samples[one], samples[other], groups)
    return (
      f'{numerals.signed(found.value)} points (95 % interval '
      f'{numerals.signed(found.low)} to {numerals.signed(found.high)})'
    )

  wide = statistics.summarise(rows).pivot(
    index='task', columns='method', values='accuracy_percent'
  )
  means = wide.mean()
  ahead = wide.head2toe_ft - wide.finetune
  chosen = {
    r['task']: r['chosen']
    for r in rows
    if r['method'] == 'head2toe_ft_plus' and r['split'] == 'test'
  }
  tuned = [task for task, method in chosen.items() if method == 'head2toe_ft']
  frozen = [task for task in chosen if task not in tuned]
  said = (
    f'Head2Toe-FT has {numerals.number(means.head2toe_ft)} % on average over '
    f'{len(wide)} tasks. The difference to Head2Toe is '
    f'{differs("head2toe_ft", "head2toe")}, and that to fine-tuning '
    f'{differs("head2toe_ft", "finetune")}.',
    f'It is above fine-tuning on {(ahead > 0).sum()} of {len(ahead)} tasks, by '
    f'{numerals.number(ahead.max())} points on {ahead.idxmax()}, and below it '
    f'on {(ahead < 0).sum()}, by {numerals.number(-ahead.min())} on '
    f'{ahead.idxmin()}.',
    f'Head2Toe-FT+ takes Head2Toe-FT on {len(tuned)} tasks and Head2Toe on '
    f'{len(frozen)}'
    + (f' ({", ".join(frozen)})' if frozen else '')
    + f'. It has {numerals.number(means.head2toe_ft_plus)} %; the difference '
    f'to Head2Toe-FT is {differs("head2toe_ft_plus", "head2toe_ft")}.',
  )
  return '\n'.join(f'- {sentence}' for sentence in said)


def affinity(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """Scratch beside others, tasks by affinity, and how gains go with it."""
  del place
  results = measured[run]
  by_task = frames_lib.by_affinity(
    frames_lib.accuracies(results.of('accuracy'))
  )
  means = by_task[['scratch', 'linear', 'finetune']].mean()
  columns = {'affinity': by_task.affinity} | {
    tables.LABELS[m]: by_task[m]
    for m in ('scratch', 'linear', standing.REFERENCE, 'finetune')
  }
  for over in ('linear', 'finetune'):
    gain = by_task[standing.REFERENCE] - by_task[over]
    columns[f'Head2Toe less {tables.LABELS[over]}'] = gain
  lines = pd.DataFrame({'task': by_task.task} | columns)
  judged = judging.of_run(results).set_index('id')
  far = judged.loc['far_head2toe_above_finetune']

  def correlation(claim: str) -> str:
    # The claims are of falling gains, so that their statistic is the negative.
    found = judged.loc[claim]
    return (
      f'{-found.measured:+z.2f} (95 % interval {-found.high:+z.2f} to '
      f'{-found.low:+z.2f})'
    )

  said = (
    f'Scratch has {numerals.number(means.scratch)} % on average over '
    f'{len(by_task)} tasks, where Linear has {numerals.number(means.linear)} % '
    f'and Fine-tuning {numerals.number(means.finetune)} %. It is above Linear '
    f'on {(by_task.affinity < 0).sum()} of them, which have a negative '
    'affinity.',
    "The rank correlation of affinity and Head2Toe's gain over Linear is "
    f'{correlation("gain_falls_with_affinity")}, and that of affinity and its '
    'gain over Fine-tuning '
    f'{correlation("gain_over_finetune_falls_with_affinity")}.',
    f'Over the {far.tasks:.0f} tasks of lowest affinity the difference of '
    f'Head2Toe to Fine-tuning is {numerals.signed(far.measured)} points on '
    f'average (95 % interval {numerals.signed(far.low)} to '
    f'{numerals.signed(far.high)}).',
  )
  return (
    '\n'.join(f'- {sentence}' for sentence in said)
    + '\n\n'
    + lines.map(
      lambda v: v if isinstance(v, str) else numerals.number(v)
    ).to_markdown(index=False, disable_numparse=True)
  )
