"""Every table and figure of the paper: what it needs, how it is made.

An output has frames (its numbers, each written as CSV), and a drawing or a
Markdown table of them. Measured frames come from the rows of jobs
(`protocol.reproduction`), published ones from what the paper prints.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vtab_h2t import published
from vtab_h2t.backbones import retapping
from vtab_h2t.protocol import reproduction
from vtab_h2t.report import cost
from vtab_h2t.report import figures
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import statistics
from vtab_h2t.report import tables

_ACCURACY = reproduction.ACCURACY
PAPER_BACKBONES = 'resnet50', 'vit_b16'


def _summaries_of_the_paper() -> output_lib.Frames:
  """Tables 1 and 4, by backbone, in the form of `statistics.summarise`."""
  table = published.table('table1_accuracy')
  table = table[table.task != 'mean'].merge(
      published.table('table4_std'), how='left')
  return {b: table[table.backbone == b].reset_index(drop=True)
          for b in PAPER_BACKBONES}


def comparable(row: Mapping[str, Any]) -> bool:
  """Whether the paper has measured the same: its network on its tasks."""
  return row['suite'] == 'vtab' and row['backbone'] in PAPER_BACKBONES


def _table1(rows):
  """Measured; where it is fair, published and the difference beside."""
  summary = statistics.summarise(rows[_ACCURACY])
  found = {'table1': summary}
  first = rows[_ACCURACY][0]
  if comparable(first):
    theirs = _summaries_of_the_paper()[first['backbone']]
    theirs = theirs[theirs.task.isin(set(summary.task))]
    found['published'] = theirs.reset_index(drop=True)
    both = summary.merge(theirs, on=['method', 'task', 'group'],
                         suffixes=('', '_published'))
    both['accuracy_percent'] -= both.accuracy_percent_published
    found['difference'] = both.assign(std_percent=float('nan'))[
        ['method', 'task', 'group', 'accuracy_percent', 'std_percent']]
  return found


def _heading(name):
  """Over a frame of Table 1; None for a measured one, which says it itself."""
  if name == 'table1':
    return None
  if name == 'difference':
    return 'Measured less published, in points'
  network = '' if name == 'published' else f'{name}, '
  return (f'Published (Tables 1 and 4): VTAB-1k, {network}test accuracy in '
          'percent, median of 3 seeds')


def _table1_markdown(frames):
  return '\n'.join(tables.markdown(table, _heading(name))
                   for name, table in frames.items())


def _print_table1(frames):
  for name, table in frames.items():
    tables.print_terminal(table, _heading(name))


def _table3(ledger=None):
  """The model beside the published, and what was measured."""
  table = cost.published_table()
  frames = {'table3': cost.table3(cost.fit(table), table)}
  measured = cost.measured(ledger.units()) if ledger else ()
  return frames | ({'measured': measured} if len(measured) else {})


def _print_table3(frames):
  tables.print_table3(frames['table3'], cost.fit(cost.published_table()))
  if 'measured' in frames:
    tables.print_measured_cost(frames['measured'])


def _table2(rows):
  """The chosen settings of Head2Toe."""
  chosen = pd.DataFrame([
      r for r in rows[_ACCURACY] if r['method'] == 'head2toe'
      and r['split'] == 'test']).drop_duplicates('task')
  return {'table2': chosen[['backbone', 'task', 'target_size', 'fraction',
                            'learning_rate', 'steps', 'coefficient']].rename(
                                columns={'coefficient': 'l21_coefficient'})}


def _settings_markdown(frames):
  return frames['table2'].to_markdown(index=False) + '\n'


def _table4(table):
  """Standard deviations as a table of methods by tasks."""
  wide = table.pivot(index='method', columns='task', values='std_percent')
  wide = wide.reindex(index=table.method.unique(), columns=table.task.unique())
  wide.columns.name = None
  return wide.reset_index()


def _table4_measured(rows):
  return {'table4': _table4(statistics.summarise(rows[_ACCURACY]))}


def _table4_published():
  return {b: _table4(t) for b, t in _summaries_of_the_paper().items()}


def _deviations_markdown(frames):
  return '\n\n'.join(
      f'Standard deviation over seeds, in points ({name}).\n\n'
      + table.to_markdown(index=False, floatfmt='.2f')
      for name, table in frames.items()) + '\n'


def _table5(rows):
  first = pd.DataFrame(rows[_ACCURACY]).drop_duplicates('task')
  return {'table5': first[['task', 'group']].reset_index(drop=True)}


def _variants(rows, variants, theirs):
  """Mean accuracy of Head2Toe for the run's taps and for others."""
  columns, groups = {}, None
  for label, job in variants.items():
    table = frames_lib.accuracies(
        [r for r in rows[job] if r['method'] == 'head2toe'])
    table = table.set_index('task')
    groups = table.group
    columns[label] = table.percent
  ours = frames_lib.group_means(columns, groups).rename(
      columns={'method': 'variant'})
  if comparable(rows[_ACCURACY][0]):
    ours = ours.merge(theirs, on='variant', suffixes=('', '_published'))
  return ours


_TABLE6 = {'original': _ACCURACY,
           'pre_normalization': retapping.PRE_NORMALIZATION,
           'pre_activation': retapping.PRE_ACTIVATION,
           'adding_pooled_input': retapping.WITH_INPUT}
_TABLE7 = {'original': _ACCURACY, 'only_cls': 'cls_only',
           'original_plus_cls': 'cls_both'}


def _affinity_of_the_paper():
  return {b: frames_lib.by_affinity(frames_lib.published_accuracies(b))
          for b in PAPER_BACKBONES}


def _affinity(rows):
  """By the backbone's name; where it is fair, published beside."""
  first = rows[_ACCURACY][0]
  name = first['backbone']
  found = {name: frames_lib.by_affinity(
      frames_lib.accuracies(rows[_ACCURACY]))}
  if comparable(first):
    theirs = _affinity_of_the_paper()[name]
    found[f'{name}_published'] = theirs[theirs.task.isin(
        set(found[name].task))].reset_index(drop=True)
  return found


def _gains(tables_, over, compared):
  return {b: frames_lib.gains(t, over, compared) for b, t in tables_.items()}


def _figure4(rows):
  table = frames_lib.accuracies(rows[_ACCURACY]).pivot(
      index='task', columns='method', values='percent')
  taps = frames_lib.one_tap(rows['one_tap'])
  best = frames_lib.oracle(taps, frames_lib.chosen_taps(rows['one_tap']))
  control = frames_lib.one_tap(rows[reproduction.CONTROL])
  by_task = best.set_index('task')
  best['affinity'] = best.task.map(table.linear - table.scratch)
  best['oracle_gain'] = best.oracle - best.task.map(table.linear)
  return {
      'taps': taps, 'gains': best,
      'averages': frames_lib.group_means(
          {'linear': table.linear[by_task.index],
           'control': control.set_index('task').percent,
           'oracle': by_task.oracle}, by_task.group)}


def _figure8(rows):
  """The run's own network and the second one."""
  found = {}
  for job in (_ACCURACY, reproduction.SECOND):
    first = rows[job][0]
    found[f'{first["backbone"]} ({first["weights"]})'] = (
        frames_lib.by_affinity(frames_lib.accuracies(rows[job])))
  return {'figure8': frames_lib.affinities(found)}


def _figure8_published():
  """The table, and its rank correlation as printed and as computed."""
  table = frames_lib.affinities(_affinity_of_the_paper())
  printed = published.table('correlations')
  printed = printed[printed['where'].str.contains('Figure 8')].value.item()
  return {'figure8': table, 'spearman': pd.DataFrame([
      {'from': 'the rounded Table 1', 'spearman': statistics.spearman(
          *(table[b] for b in PAPER_BACKBONES))},
      {'from': 'as printed', 'spearman': printed}])}


def _draw8(frames):
  if 'spearman' not in frames:
    return figures.figure8(frames['figure8'])
  return figures.figure8(frames['figure8'], frames['spearman'].spearman.iloc[1])


def _granularity(rows):
  table = frames_lib.granularity(rows['granularity'])
  return {'figure10': table, 'figure6': frames_lib.mean_over_tasks(
      table, ['kind', 'step'])}


def _scaling(rows):
  table = frames_lib.scaling(rows['scaling'])
  return table, frames_lib.mean_over_tasks(
      table, ['target_size', 'tap_stride', 'num_candidates'])


def _figure7(rows):
  return {'transfer': frames_lib.transfer(rows[reproduction.TRANSFER]),
          'scaling': _scaling(rows)[1]}


def _figure11(rows):
  gains = _gains(_affinity(rows), 'finetune', ('head2toe',))
  places = frames_lib.offset(rows['offset'])
  return gains | {
      'overlap': frames_lib.overlap(rows['relevance']),
      'offset': frames_lib.mean_over_tasks(places, ['offset'])}


def _draw11(frames):
  rest = dict(frames)
  overlap, offset = rest.pop('overlap', None), rest.pop('offset', None)
  return figures.figure11(rest, overlap, offset)


def _figure13(rows):
  table = frames_lib.reduced([*rows[reproduction.REDUCED], *rows[_ACCURACY]])
  return {'tasks': table, 'figure13': frames_lib.mean_over_tasks(
      table, ['method', 'train_fraction'])}


def _scores(rows):
  table = frames_lib.scores(rows['scores'])
  return {'tasks': table,
          'scores': frames_lib.mean_over_tasks(table, ['score'])}


_BASELINES = 'linear', 'scratch', 'finetune'

_Output = output_lib.Output
_ALL = (
    _Output('table1', 'Table 1: test accuracy of each method on each task',
            (_ACCURACY,), measured=_table1, published=_summaries_of_the_paper,
            markdown=_table1_markdown, terminal=_print_table1),
    _Output('table2', 'Table 2: the settings that Head2Toe chose',
            (_ACCURACY,), ('head2toe',), _table2,
            lambda: {'table2': published.table('table2_hyperparameters')},
            markdown=_settings_markdown),
    _Output('table3', 'Table 3: cost', from_ledger=_table3, published=_table3,
            markdown=lambda f: '\n\n'.join(
                t.to_markdown(index=False, floatfmt='.7g') for t in f.values())
            + '\n', terminal=_print_table3),
    _Output('table4', 'Table 4: standard deviations over seeds',
            (_ACCURACY,), measured=_table4_measured,
            published=_table4_published, markdown=_deviations_markdown),
    _Output('table5', 'Table 5: tasks', (_ACCURACY,), measured=_table5,
            published=lambda: {'table5': published.table('table5_tasks')}),
    _Output('table6', 'Table 6: Head2Toe on other taps',
            tuple(_TABLE6.values()), ('head2toe',),
            lambda rows: {'table6': _variants(
                rows, _TABLE6, published.table('table6_ablation_resnet50'))},
            lambda: {'table6': published.table('table6_ablation_resnet50')},
            vit=False),
    _Output('table7', 'Table 7: Head2Toe and the class token',
            tuple(_TABLE7.values()), ('head2toe',),
            lambda rows: {'table7': _variants(
                rows, _TABLE7, published.table('table7_cls_token_vit_b16'))},
            lambda: {'table7': published.table('table7_cls_token_vit_b16')},
            vit=True),
    _Output('figure2', 'Figure 2: Linear, Scratch and fine-tuning by affinity',
            (_ACCURACY,), _BASELINES, _affinity, _affinity_of_the_paper,
            figures.figure2),
    _Output('figure3', 'Figure 3: gains over Linear by affinity',
            (_ACCURACY,), (*_BASELINES, 'head2toe'),
            lambda rows: _gains(_affinity(rows), 'linear',
                                ('head2toe', 'finetune')),
            lambda: _gains(_affinity_of_the_paper(), 'linear',
                           ('head2toe', 'finetune')), figures.figure3),
    _Output('figure4', 'Figure 4: one additional tap; Oracle and Control',
            (_ACCURACY, 'one_tap', reproduction.CONTROL), _BASELINES[:2],
            _figure4,
            lambda: {'averages': published.table('figure4_averages_resnet50')},
            lambda f: figures.figure4(f.get('gains'), f['averages'])),
    _Output('figure6', 'Figure 6: selecting features or whole taps',
            ('granularity',), (),
            lambda rows: {'figure6': _granularity(rows)['figure6']},
            draw=lambda f: figures.figure6(f['figure6'])),
    _Output('figure7', 'Figure 7: other tasks\' features; more candidates',
            (reproduction.TRANSFER, 'scaling'), (), _figure7,
            draw=lambda f: figures.figure7(f['transfer'], f['scaling'])),
    _Output('figure8', 'Figure 8 (left): domain affinity under two backbones',
            (_ACCURACY, reproduction.SECOND), _BASELINES[:2], _figure8,
            _figure8_published, _draw8),
    _Output('figure10', 'Figure 10: selecting features or whole taps, by task',
            ('granularity',), (),
            lambda rows: {'figure10': _granularity(rows)['figure10']},
            draw=lambda f: figures.figure10(f['figure10'])),
    _Output('figure11', 'Figure 11: gain over fine-tuning; overlap; ranking',
            (_ACCURACY, 'relevance', 'offset'), (*_BASELINES, 'head2toe'),
            _figure11, lambda: _gains(_affinity_of_the_paper(), 'finetune',
                                      ('head2toe',)), _draw11),
    _Output('figure12', 'Figure 12: selected features by depth',
            ('relevance',), (),
            lambda rows: {'figure12': frames_lib.depth(rows['relevance'])},
            draw=lambda f: figures.figure12(f['figure12']), vit=False),
    _Output('figure13', 'Figure 13: fewer training images',
            (_ACCURACY, reproduction.REDUCED), ('linear', 'head2toe'),
            _figure13,
            draw=lambda f: figures.figure13(f['figure13'])),
    _Output('figure14', 'Figure 14: more candidate features, by task',
            ('scaling',), (), lambda rows: {'figure14': _scaling(rows)[0]},
            draw=lambda f: figures.figure14(f['figure14']), vit=False),
    _Output('figure15', 'Figure 15: selected features by depth of a ViT',
            ('relevance',), (),
            lambda rows: {'figure15': frames_lib.depth(rows['relevance'])},
            draw=lambda f: figures.figure12(f['figure15']), vit=True),
    _Output('figure16', 'Figure 16: more candidate features of a ViT, by task',
            ('scaling',), (), lambda rows: {'figure16': _scaling(rows)[0]},
            draw=lambda f: figures.figure14(f['figure16']), vit=True),
    _Output('scores', 'Relevance scores other than the group lasso\'s',
            ('scores',), (), _scores,
            draw=lambda f: figures.scores(f['scores'])),
)
OUTPUTS: dict[str, output_lib.Output] = {o.name: o for o in _ALL}
