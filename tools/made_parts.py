r"""Parts of pages that are made from results; the rest is written by hand.

python -m tools.made_parts

A part begins with `<!-- made: NAME ARGUMENTS -->`, ends with `<!-- end -->`,
and is made again where it stands. Most arguments are names of runs.
"""

from collections.abc import Callable, Mapping
import functools
import pathlib
import re

import numpy as np
import pandas as pd

from tools import house
from vtab_h2t import files
from vtab_h2t.features import normalization
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import bootstrap
from vtab_h2t.report import catalogue
from vtab_h2t.report import contradictions
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import headline
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import measured_cost
from vtab_h2t.report import papers
from vtab_h2t.report import readable
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import seconds as seconds_lib
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import summary
from vtab_h2t.report import tables
from vtab_h2t.studies import granularity

RESULTS = house.ROOT / 'results'
PAGES = (
  RESULTS / 'README.md',
  house.ROOT / 'docs' / 'findings.md',
  house.ROOT / 'docs' / 'paper.md',
)
_PART = re.compile(
  r'^<!-- made: (.*?) -->\n.*?^<!-- end -->$', re.DOTALL | re.MULTILINE
)

Measured = Mapping[str, results_lib.Results]
_VERDICTS = {
  judging.HOLDS: 'holds',
  judging.FAILS: 'does not hold',
  judging.UNDECIDED: 'is undecided',
}


def renewed(text: str, measured: Measured, place: pathlib.Path) -> str:
  """A page with its parts made again.

  Args:
    text: the page.
    measured: the results of each run, by its name.
    place: the folder of the page, from which links lead.

  Raises:
    KeyError: a part, or a run, is not known.
  """

  def part(found: re.Match[str]) -> str:
    name, *arguments = found[1].split()
    made = _PARTS[name](measured, place, *arguments).strip()
    return f'<!-- made: {found[1]} -->\n\n{made}\n\n<!-- end -->'

  return _PART.sub(part, text)


def _answer(measured: Measured, place: pathlib.Path, run: str) -> str:
  """What a run says, a sentence a line of a list."""
  return summary.listed(measured[run], place)


def _key_numbers(measured: Measured, place: pathlib.Path, run: str) -> str:
  return summary.key_numbers(measured[run], place)


def _index(measured: Measured, place: pathlib.Path) -> str:
  return summary.index(list(measured.values()), place)


def _means(measured: Measured, place: pathlib.Path, run: str) -> str:
  del place
  return summary.means(measured[run])


def _paper_claims(measured: Measured, place: pathlib.Path) -> str:
  del measured, place
  return summary.paper_claims()


def _claims(measured: Measured, place: pathlib.Path, run: str) -> str:
  del place
  return summary.judged_claims(measured[run])


def _successors(measured: Measured, place: pathlib.Path, run: str) -> str:
  """Later methods beside Head2Toe: points, interval, seconds of the search."""
  del place
  results = measured[run]
  (table,) = catalogue.OUTPUTS['successors'].of_results(results).values()
  # Of a single task the numbers are counts, and rounded they would not add up.
  digits = 2 if table.tasks.max() == 1 else 1
  lines = pd.DataFrame(
    {
      'method': [tables.LABELS.get(m, m) for m in table.method],
      'accuracy (%)': [f'{v:.{digits}f}' for v in table.accuracy_percent],
      'points above Head2Toe': [
        '' if method == standing.REFERENCE else f'{points:+z.{digits}f}'
        for method, points in zip(table.method, table.points)
      ],
      '95 % interval': [
        '' if pd.isna(low) else f'{low:+z.1f} to {high:+z.1f}'
        for low, high in zip(table.low, table.high)
      ],
      'CPU seconds of the search': [
        '' if pd.isna(v) else f'{v:.3g}' for v in table.choose_cpu_seconds
      ],
    }
  )
  return lines.to_markdown(index=False, disable_numparse=True)


def _by_task(measured: Measured, place: pathlib.Path, run: str) -> str:
  """Methods by the accuracy on each task, and the seconds of the search."""
  del place
  summary = statistics.summarise(measured[run].of('accuracy'))
  wide = summary.pivot(
    index='method', columns='task', values='accuracy_percent'
  )
  (later,) = catalogue.OUTPUTS['successors'].of_results(measured[run]).values()
  seconds = later.set_index('method').choose_cpu_seconds
  methods = [m for m in tables.LABELS if m in wide.index]
  lines = pd.DataFrame(
    {'method': [tables.LABELS[m] for m in methods]}
    | {
      f'{task} (%)': ['' if v != v else f'{v:.2f}' for v in wide[task][methods]]
      for task in summary.task.unique()
    }
    | {
      'CPU seconds of the search': [
        f'{seconds[m]:.3g}' if m in seconds else '' for m in methods
      ]
    }
  )
  return lines.to_markdown(index=False, disable_numparse=True)


def _fine_tuning(measured: Measured, place: pathlib.Path, run: str) -> str:
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
    m: np.mean([s.choose for (of, _), s in seconds.items() if of == m])
    for m in training
  }
  times = training['finetune'] / training['head2toe']
  times_in_all = (search['finetune'] + training['finetune']) / (
    search['head2toe'] + training['head2toe']
  )
  said = (
    f'Fine-tuning has {means.finetune:.1f} % on average over {len(wide)} '
    f'tasks, where Head2Toe has {means[standing.REFERENCE]:.1f} % and Linear '
    f'{means.linear:.1f} %.',
    f'The difference to Head2Toe is {found.points:+z.1f} points (95 % interval '
    f'{found.low:+z.1f} to {found.high:+z.1f}).',
    f'Fine-tuning is above Head2Toe on {(ahead > 0).sum()} of {len(ahead)} '
    f'tasks, by {ahead.max():.1f} points on {ahead.idxmax()}, and below it on '
    f'{(ahead < 0).sum()}, by {-ahead.min():.1f} on {ahead.idxmin()}.',
    f'The learning rate {larger:g} was chosen on '
    f'{list(chosen.values()).count(larger)} of {len(chosen)} tasks. '
    f'Over all tasks it has {right[larger]:.1f} % of the validation images '
    f'right, and {smaller:g} has {right[smaller]:.1f} %.',
    'Once its setting is chosen, a training of Head2Toe takes '
    f'{training["head2toe"]:.1f} CPU seconds a task, a pass over the images '
    f'included, and one of fine-tuning {training["finetune"]:.0f}, which is '
    f'{times:.0f} times as long. The search takes '
    f'{search["head2toe"]:.1f} CPU seconds for the '
    f'{settings[standing.REFERENCE]} settings of Head2Toe, and '
    f'{search["finetune"]:.0f} for the {settings.finetune} of fine-tuning. '
    f'Both together take {times_in_all:.0f} times as long with fine-tuning.',
    "By the paper's model of costs Head2Toe takes "
    f'{100 * cost.flops_at_equal_steps:.2f} % of the operations of '
    'fine-tuning, at equal steps.',
    f'What is kept for a task takes {size["head2toe"]:.2f} MB with '
    f'Head2Toe, and {size["finetune"]:.1f} MB with fine-tuning.',
  )
  return '\n'.join(f'- {sentence}' for sentence in said)


def _affinity(measured: Measured, place: pathlib.Path, run: str) -> str:
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
    f'Scratch has {means.scratch:.1f} % on average over {len(by_task)} tasks, '
    f'where Linear has {means.linear:.1f} % and Fine-tuning '
    f'{means.finetune:.1f} %. It is above Linear on '
    f'{(by_task.affinity < 0).sum()} of them, which have a negative affinity.',
    "The rank correlation of affinity and Head2Toe's gain over Linear is "
    f'{correlation("gain_falls_with_affinity")}, and that of affinity and its '
    'gain over Fine-tuning '
    f'{correlation("gain_over_finetune_falls_with_affinity")}.',
    f'Over the {far.tasks:.0f} tasks of lowest affinity the difference of '
    f'Head2Toe to Fine-tuning is {far.measured:+z.1f} points on average '
    f'(95 % interval {far.low:+z.1f} to {far.high:+z.1f}).',
  )
  return (
    '\n'.join(f'- {sentence}' for sentence in said)
    + '\n\n'
    + lines.map(lambda v: v if isinstance(v, str) else f'{v:.1f}').to_markdown(
      index=False, disable_numparse=True
    )
  )


def _selection(measured: Measured, place: pathlib.Path, run: str) -> str:
  """Features chosen one by one, and whole layers, in a list of sentences."""
  del place
  frames = catalogue.OUTPUTS['figure6'].of_results(measured[run])
  means = frames['figure6'].set_index(['kind', 'num_features']).percent
  kept = round(frames['layers'].groupby('kind').kept.sum().iloc[0])
  singly = means[granularity.FEATURES]
  by_mean, by_group = (
    means[kind][kept]
    for kind in (granularity.TAPS_MEAN, granularity.TAPS_GROUP)
  )
  fewest = singly.index[singly > max(by_mean, by_group)].min()
  (oracle,) = frames['oracle'].percent
  (taps,) = catalogue.OUTPUTS['figure9'].of_results(measured[run]).values()
  summary = statistics.summarise(measured[run].of('accuracy'))
  ours = summary[summary.method == standing.REFERENCE].set_index('task')
  ahead = taps.groupby('task').percent.max() - ours.accuracy_percent
  said = (
    f'Of {singly.index.max():,} candidates {kept:,} features that are chosen '
    f'one by one have {singly[kept]:.1f} % on average over the tasks.',
    f'As many features in whole layers have {by_mean:.1f} % if layers are '
    f'ranked by the mean relevance of their features, and {by_group:.1f} % if '
    'by a group lasso over layers.',
    f'To be above these, {fewest} features that are chosen one by one are '
    f'enough: they have {singly[fewest]:.1f} %.',
    'Of the numbers of features that were tried '
    f'{singly.idxmax():,} is best, with {singly.max():.1f} %. All candidates '
    f'together have {singly.iloc[-1]:.1f} %.',
    'The Oracle reads the embedding and, of each task, the layer that is best '
    f'on the test images. It has {oracle:.1f} %, where Head2Toe has '
    f'{ours.accuracy_percent.mean():.1f} %.',
    f'The Oracle is above Head2Toe on {(ahead > 0).sum()} of {len(ahead)} '
    f'tasks, by {ahead.max():.1f} points on {ahead.idxmax()}, and below it by '
    f'{-ahead.min():.1f} on {ahead.idxmin()}.',
  )
  return '\n'.join(f'- {sentence}' for sentence in said)


def _output(
  measured: Measured, place: pathlib.Path, run: str, name: str
) -> str:
  """The numbers of an output of a run, as a table."""
  del place
  frames = catalogue.OUTPUTS[name].of_results(measured[run])
  return readable.markdown(frames[name].drop(columns='tasks', errors='ignore'))


def _verdicts(
  measured: Measured, place: pathlib.Path, run: str, *ids: str
) -> str:
  """Claims of the paper with a run's numbers and verdicts, as a list."""
  del place
  found = {v.claim.id: v for v in judging.verdicts(measured[run])}
  said = []
  for one in (found[i] for i in ids):
    assert one.interval is not None
    said.append(
      f'- "{one.claim.sentence[:-1]}" {_VERDICTS[one.verdict]}: '
      f'{_with_interval(one.interval)}. The number is: {one.claim.text}.'
    )
  return '\n'.join(said)


def _with_interval(found: bootstrap.Interval) -> str:
  digits = readable.decimals(found.low, found.high)
  value, low, high = (
    readable.number(x, digits) for x in (found.value, found.low, found.high)
  )
  return f'{value} ({low} to {high})'


def _mean_difference(
  samples: Mapping[str, np.ndarray], one: str, other: str
) -> np.ndarray:
  return (samples[one] - samples[other]).mean(-1)


def _changed(
  measured: Measured, place: pathlib.Path, run: str, *pairs: str
) -> str:
  """Head2Toe in one job less that in another, 'job:other', as a list."""
  del place
  rows = {
    job: [r for r in measured[run].of(job) if r['method'] == 'head2toe']
    for pair in pairs
    for job in pair.split(':')
  }
  tests = {job: statistics.tests(some) for job, some in rows.items()}
  samples = {
    job: {
      str(task): part.percent.to_numpy()
      for task, part in table.groupby('task', sort=False)
    }
    for job, table in tests.items()
  }
  said = []
  for one, other in (pair.split(':') for pair in pairs):
    table = tests[one]
    found = bootstrap.interval(
      {job: samples[job] for job in (one, other)},
      dict(zip(table.task, table.group)),
      functools.partial(_mean_difference, one=one, other=other),
    )
    names = [
      run_names.job(f'normalization_{normalization.SELECTED}')
      if job == jobs.ACCURACY
      else run_names.job(job)
      for job in (one, other)
    ]
    said.append(f'- {names[0]} less {names[1]}: {_with_interval(found)}')
  return '\n'.join(said)


def _ranking(
  measured: Measured, place: pathlib.Path, run: str, other: str
) -> str:
  """Accuracy by place in the ranking, by two rules of normalisation."""
  del place
  tables_ = [
    catalogue.OUTPUTS['ranking'].of_results(measured[name])['ranking']
    for name in (run, other)
  ]
  names = [
    run_names.NORMALIZATIONS[measured[name].run.normalization]
    for name in (run, other)
  ]
  return pd.DataFrame(
    {'place of the first feature': [f'{x:,}' for x in tables_[0].offset]}
    | {
      f'accuracy (%), {name}': [f'{x:.1f}' for x in table.percent]
      for name, table in zip(names, tables_)
    }
  ).to_markdown(index=False, disable_numparse=True, stralign='right')


def _one_layer(measured: Measured, place: pathlib.Path, run: str) -> str:
  """The Control beside the best layer, and beside fairer choices of one."""
  del place
  results = measured[run]
  frames = catalogue.OUTPUTS['figure4'].of_results(results)
  gains, taps = frames['gains'], frames['taps']
  most = max(r.get('num_features', 0) for r in results.of(jobs.CONTROL))
  small = taps[taps.num_features <= most].groupby('task').percent.max()
  return (
    f'Linear has {gains.linear.mean():.1f} % on average, and with the Control, '
    f'so with {most:,} features, '
    f'{frames["averages"].set_index("method").average["control"]:.1f} %. With '
    f'the layer that is best on the test images it is '
    f'{gains.oracle.mean():.1f} %, with the best of those that lead to no more '
    f'than {most:,} features {small.mean():.1f} %, and with the layer that '
    f'validation chooses {gains.chosen.mean():.1f} %.'
  )


def _ties(measured: Measured, place: pathlib.Path, run: str) -> str:
  """How many of the other methods tie with Head2Toe."""
  del place
  found = standing.of_run(measured[run])
  counts = {
    reading: len(standing.read_as(found, reading))
    for reading in (standing.BETTER, standing.TIE, standing.WORSE)
  }
  return (
    f'Of the {len(found)} other methods of this run '
    f'{counts[standing.BETTER] or "none"} came out better than Head2Toe, '
    f'{counts[standing.TIE] or "none"} tie with it, and '
    f'{counts[standing.WORSE] or "none"} came out worse.'
  )


def _contradictions(measured: Measured, place: pathlib.Path) -> str:
  """All of them: what the text says, and what the tables say."""
  del measured, place
  table = contradictions.table()
  lines = pd.DataFrame(
    {
      'what the text says': table.text,
      'what the tables say': contradictions.answers(table),
    }
  )
  return lines.to_markdown(index=False, disable_numparse=True)


def _refuted(measured: Measured, place: pathlib.Path, backbone: str) -> str:
  """Claims that the paper's own tables do not bear out."""
  del measured, place
  judged = judging.of_paper(backbone)
  failing = judged[judged.verdict == judging.FAILS]
  counts = judged.verdict.value_counts()
  said = [
    f'{counts[verdict]} {words}'
    for verdict, words in (
      (judging.HOLDS, 'hold'),
      (judging.FAILS, 'do not'),
      (judging.UNDECIDED, 'are undecided'),
      (judging.NO_VERDICT, 'have no verdict'),
      (judging.UNTESTABLE, 'cannot be tested on printed numbers'),
    )
    if verdict in counts
  ]
  return (
    f'Of {len(judged)} claims {headline.enumerated(said)}. '
    'Those that do not hold, in the words of this project, each with its '
    'statistic, which is above 0 where a claim holds:\n\n'
    + '\n'.join(
      f'- {line.claim.rstrip(".")} ({line.where}'
      + (
        ''
        if papers.LABELS[backbone] in line.of.split(', ')
        else f'; the paper says it of the {line.of} only'
      )
      + f'). {line.statistic[0].upper()}{line.statistic[1:]}: '
      f'{line.measured:.2f}'
      + (
        f', 95 % interval {line.low:.2f} to {line.high:.2f}.'
        if line.low < line.high
        else '.'
      )
      for line in failing.itertuples()
    )
  )


_PARTS: dict[str, Callable[..., str]] = {
  'affinity': _affinity,
  'answer': _answer,
  'by_task': _by_task,
  'changed': _changed,
  'claims': _claims,
  'contradictions': _contradictions,
  'fine_tuning': _fine_tuning,
  'index': _index,
  'key_numbers': _key_numbers,
  'means': _means,
  'one_layer': _one_layer,
  'output': _output,
  'paper_claims': _paper_claims,
  'ranking': _ranking,
  'refuted': _refuted,
  'selection': _selection,
  'successors': _successors,
  'ties': _ties,
  'verdicts': _verdicts,
}


def main() -> None:
  measured = {
    one.run.name: one
    for one in results_lib.read_all(ledger_lib.Ledger(RESULTS))
  }
  for page in PAGES:
    text = renewed(page.read_text('utf-8'), measured, page.parent)
    with files.atomic_write(page) as f:
      f.write(text)


if __name__ == '__main__':
  main()
