"""Made parts of pages on parts of the method: what is kept, what is changed."""

import pathlib

import pandas as pd

from vtab_h2t.report import bootstrap
from vtab_h2t.report import catalogue
from vtab_h2t.report import claims
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import readable
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.studies import granularity


def selection(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
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
    f'one by one have {numerals.number(singly[kept])} % on average over the '
    'tasks.',
    f'As many features in whole layers have {numerals.number(by_mean)} % if '
    'layers are ranked by the mean relevance of their features, and '
    f'{numerals.number(by_group)} % if by a group lasso over layers.',
    f'To be above these, {fewest} features that are chosen one by one are '
    f'enough: they have {numerals.number(singly[fewest])} %.',
    f'Of the numbers of features that were tried {singly.idxmax():,} is best, '
    f'with {numerals.number(singly.max())} %. All candidates together have '
    f'{numerals.number(singly.iloc[-1])} %.',
    'The Oracle reads the embedding and, of each task, the layer that is best '
    f'on the test images. It has {numerals.number(oracle)} %, where Head2Toe '
    f'has {numerals.number(ours.accuracy_percent.mean())} %.',
    f'The Oracle is above Head2Toe on {(ahead > 0).sum()} of {len(ahead)} '
    f'tasks, by {numerals.number(ahead.max())} points on {ahead.idxmax()}, and '
    f'below it by {numerals.number(-ahead.min())} on {ahead.idxmin()}.',
  )
  return '\n'.join(f'- {sentence}' for sentence in said)


def changed(
  measured: results_lib.Measured, place: pathlib.Path, run: str, *pairs: str
) -> str:
  """Head2Toe in one job less that in another, 'job:other', as a list."""
  del place
  said = []
  for one, other in (pair.split(':') for pair in pairs):
    found = standing.of_jobs(measured[run], one, other)
    names = [
      run_names.NORMALIZATIONS[measured[run].run.normalization]
      if job == jobs.ACCURACY
      else run_names.job(job)
      for job in (one, other)
    ]
    said.append(
      f'- {names[0]} less {names[1]}: {readable.with_interval(found)}'
    )
  return '\n'.join(said)


def coefficients(
  measured: results_lib.Measured, place: pathlib.Path, run: str, most: str
) -> str:
  """What the claim on the coefficient says of those up to one, and of all."""
  del place
  results = measured[run]
  (claim,) = (c for c in claims.CLAIMS if c.id == 'robust_to_the_coefficient')
  said = []
  for limit, of in (
    (float(most), f'coefficients above 0 up to {float(most):g}'),
    (float('inf'), 'all that were tried'),
  ):
    rows = {
      job: [r for r in results.of(job) if r['coefficient'] <= limit]
      for job in claim.jobs
    }
    found = judging.judge(claim, rows, results.run.space)
    assert found.interval is not None
    said.append(
      f'- Of {of} the claim {judging.WORDS[found.verdict][0]}: '
      f'{readable.with_interval(found.interval)}.'
    )
  return '\n'.join([*said, f'- The number is: {claim.text}.'])


def ranking(
  measured: results_lib.Measured, place: pathlib.Path, run: str, other: str
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
  offsets = tables_[0].offset
  return pd.DataFrame(
    {'place of the first feature': [f'{x:,}' for x in offsets]}
    | {
      f'accuracy (%), {name}': [
        numerals.number(x)
        for x in table.set_index('offset').percent.loc[offsets]
      ]
      for name, table in zip(names, tables_)
    }
  ).to_markdown(index=False, disable_numparse=True, stralign='right')


def one_layer(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """The Control beside the best layer, and beside fairer choices of one."""
  del place
  results = measured[run]
  frames = catalogue.OUTPUTS['figure4'].of_results(results)
  gains, taps = frames['gains'], frames['taps']
  most = max(r.get('num_features', 0) for r in results.of(jobs.CONTROL))
  small = taps[taps.num_features <= most].groupby('task').percent.max()
  small = small.loc[gains.task]
  control = frames['averages'].set_index('method').average['control']
  return (
    f'Linear has {numerals.number(gains.linear.mean())} % on average, and with '
    f'the Control, so with {most:,} features, {numerals.number(control)} %. '
    'With the layer that is best on the test images it is '
    f'{numerals.number(gains.oracle.mean())} %, with the best of those that '
    f'lead to no more than {most:,} features {numerals.number(small.mean())} '
    '%, and with the layer that validation chooses '
    f'{numerals.number(gains.chosen.mean())} %.'
  )


def fewer_images(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """Linear and Head2Toe by the share of the training images."""
  del place
  results = measured[run]
  means = (
    catalogue.OUTPUTS['figure13']
    .of_results(results)['figure13']
    .pivot(index='train_fraction', columns='method', values='percent')
  )
  lines = []
  for fraction, by_method in means.iterrows():
    rows = results.of(jobs.ACCURACY if fraction == 1 else jobs.REDUCED)
    tests = statistics.tests(
      r for r in rows if r.get('train_fraction', 1) == fraction
    )
    linear, ours = (
      statistics.by_task(tests[tests.method == method])
      for method in ('linear', standing.REFERENCE)
    )
    above = bootstrap.difference(
      ours, linear, dict(zip(tests.task, tests.group))
    )
    lines.append(
      {
        'share of the training images': f'{fraction:g}',
        'Linear (%)': numerals.number(by_method['linear']),
        'Head2Toe (%)': numerals.number(by_method[standing.REFERENCE]),
        'Head2Toe less Linear, points': readable.with_interval(above),
      }
    )
  return pd.DataFrame(lines).to_markdown(
    index=False, disable_numparse=True, stralign='right'
  )
