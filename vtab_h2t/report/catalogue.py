"""Every table and figure of the paper: what it needs, how it is made.

An output has frames (its numbers, each written as CSV), and a drawing or a
Markdown table of them. Measured frames come from a run's results (`jobs`,
`results`), published ones from what the paper prints; see `making`.
"""

from typing import TYPE_CHECKING

from vtab_h2t import published
from vtab_h2t.report import cost
from vtab_h2t.report import figures
from vtab_h2t.report import jobs
from vtab_h2t.report import making
from vtab_h2t.report import moved_taps
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import study_figures
from vtab_h2t.report import tables

if TYPE_CHECKING:
  from matplotlib import figure as figure_lib

_ACCURACY = jobs.ACCURACY


def _heading(name: str, frames: output_lib.Frames, source: str) -> str:
  """Over a frame of Table 1."""
  if name == 'table1':
    return tables.title(frames[name], source)
  if name == 'difference':
    return 'Measured less published, in points'
  network = '' if name == 'published' else f'{name}, '
  return (
    f'Published (Tables 1 and 4): VTAB-1k, {network}test accuracy in '
    'percent, median of 3 seeds'
  )


def _table1_markdown(frames: output_lib.Frames, source: str) -> str:
  return '\n'.join(
    tables.markdown(table, _heading(name, frames, source))
    for name, table in frames.items()
  )


def _print_table1(frames: output_lib.Frames, source: str) -> None:
  for name, table in frames.items():
    tables.print_terminal(table, _heading(name, frames, source))


def _print_table3(frames: output_lib.Frames, source: str) -> None:
  del source
  tables.print_table3(frames['table3'], cost.fit(cost.published_table()))
  if 'measured' in frames:
    tables.print_measured_cost(frames['measured'])


def _table3_markdown(frames: output_lib.Frames, source: str) -> str:
  del source
  return (
    '\n\n'.join(tables.plain(table, '.7g') for table in frames.values()) + '\n'
  )


def _settings_markdown(frames: output_lib.Frames, source: str) -> str:
  del source
  return tables.plain(frames['table2'], 'g') + '\n'


def _table6_markdown(frames: output_lib.Frames, source: str) -> str:
  del source
  text = tables.plain(frames['table6'], '.1f') + '\n'
  if 'moved_taps' in frames:
    text += '\n' + moved_taps.note(frames['moved_taps'])
  return text


def _deviations_markdown(frames: output_lib.Frames, source: str) -> str:
  del source
  return (
    '\n\n'.join(
      f'Standard deviation over seeds, in points ({name}).\n\n'
      + tables.plain(table, '.2f')
      for name, table in frames.items()
    )
    + '\n'
  )


def _draw8(frames: output_lib.Frames) -> 'figure_lib.Figure':
  if 'spearman' not in frames:
    return figures.figure8(frames['figure8'])
  return figures.figure8(frames['figure8'], frames['spearman'].spearman.iloc[1])


def _draw11(frames: output_lib.Frames) -> 'figure_lib.Figure':
  rest = dict(frames)
  overlap, offset = rest.pop('overlap', None), rest.pop('offset', None)
  return figures.figure11(rest, overlap, offset)


_BASELINES = 'linear', 'scratch', 'finetune'
_GAINING = 'head2toe', 'finetune'

_Output = output_lib.Output
_ALL = (
  _Output(
    name='table1',
    title='Table 1: test accuracy of each method on each task',
    jobs=(_ACCURACY,),
    measured=making.table1,
    published=making.summaries_of_the_paper,
    markdown=_table1_markdown,
    terminal=_print_table1,
  ),
  _Output(
    name='table2',
    title='Table 2: the settings that Head2Toe chose',
    jobs=(_ACCURACY,),
    methods=('head2toe',),
    measured=making.table2,
    published=lambda: {'table2': published.table('table2_hyperparameters')},
    markdown=_settings_markdown,
  ),
  _Output(
    name='table3',
    title='Table 3: cost',
    measured=making.table3,
    published=making.table3,
    markdown=_table3_markdown,
    terminal=_print_table3,
  ),
  _Output(
    name='table4',
    title='Table 4: standard deviations over seeds',
    jobs=(_ACCURACY,),
    measured=making.table4_measured,
    published=making.table4_published,
    markdown=_deviations_markdown,
  ),
  _Output(
    name='table5',
    title='Table 5: tasks',
    jobs=(_ACCURACY,),
    measured=making.table5,
    published=lambda: {'table5': published.table('table5_tasks')},
  ),
  _Output(
    name='table6',
    title='Table 6: Head2Toe on other taps',
    jobs=tuple(making.TABLE6.values()),
    methods=('head2toe',),
    measured=making.table6,
    published=lambda: {'table6': published.table('table6_ablation_resnet50')},
    markdown=_table6_markdown,
    compares_taps=True,
    vit=False,
  ),
  _Output(
    name='table7',
    title='Table 7: Head2Toe and the class token',
    jobs=tuple(making.TABLE7.values()),
    methods=('head2toe',),
    measured=making.table7,
    published=lambda: {'table7': published.table('table7_cls_token_vit_b16')},
    compares_taps=True,
    vit=True,
  ),
  _Output(
    name='figure2',
    title='Figure 2: Linear, Scratch and fine-tuning by affinity',
    jobs=(_ACCURACY,),
    methods=_BASELINES,
    measured=making.affinity,
    published=making.affinity_of_the_paper,
    draw=figures.figure2,
  ),
  _Output(
    name='figure3',
    title='Figure 3: gains over Linear by affinity',
    jobs=(_ACCURACY,),
    methods=(*_BASELINES, 'head2toe'),
    measured=lambda r: making.gains(making.affinity(r), 'linear', _GAINING),
    published=lambda: making.gains(
      making.affinity_of_the_paper(), 'linear', _GAINING
    ),
    draw=figures.figure3,
  ),
  _Output(
    name='figure4',
    title='Figure 4: one additional tap; Oracle and Control',
    jobs=(_ACCURACY, 'one_tap', jobs.CONTROL),
    methods=_BASELINES[:2],
    measured=making.figure4,
    published=lambda: {
      'averages': published.table('figure4_averages_resnet50')
    },
    draw=lambda f: figures.figure4(f.get('gains'), f['averages']),
  ),
  _Output(
    name='figure6',
    title='Figure 6: selecting features or whole taps',
    jobs=('granularity',),
    measured=lambda r: {'figure6': making.granularity(r)['figure6']},
    draw=lambda f: study_figures.figure6(f['figure6']),
  ),
  _Output(
    name='figure7',
    title="Figure 7: other tasks' features; more candidates",
    jobs=(jobs.TRANSFER, 'scaling'),
    measured=making.figure7,
    draw=lambda f: study_figures.figure7(f['transfer'], f['scaling']),
  ),
  _Output(
    name='figure8',
    title='Figure 8 (left): domain affinity under two backbones',
    jobs=(_ACCURACY, jobs.SECOND),
    methods=_BASELINES[:2],
    measured=making.figure8,
    published=making.figure8_published,
    draw=_draw8,
  ),
  _Output(
    name='figure10',
    title='Figure 10: selecting features or whole taps, by task',
    jobs=('granularity',),
    measured=lambda r: {'figure10': making.granularity(r)['figure10']},
    draw=lambda f: study_figures.figure10(f['figure10']),
  ),
  _Output(
    name='figure11',
    title='Figure 11: gain over fine-tuning; overlap; ranking',
    jobs=(_ACCURACY, jobs.RELEVANCE, 'offset'),
    methods=(*_BASELINES, 'head2toe'),
    measured=making.figure11,
    published=lambda: making.gains(
      making.affinity_of_the_paper(), 'finetune', ('head2toe',)
    ),
    draw=_draw11,
  ),
  _Output(
    name='figure12',
    title='Figure 12: selected features by depth',
    jobs=(jobs.RELEVANCE,),
    measured=lambda r: {'figure12': making.depth(r)},
    draw=lambda f: study_figures.figure12(f['figure12']),
    vit=False,
  ),
  _Output(
    name='figure13',
    title='Figure 13: fewer training images',
    jobs=(_ACCURACY, jobs.REDUCED),
    methods=('linear', 'head2toe'),
    measured=making.figure13,
    draw=lambda f: study_figures.figure13(f['figure13']),
  ),
  _Output(
    name='figure14',
    title='Figure 14: more candidate features, by task',
    jobs=('scaling',),
    measured=lambda r: {'figure14': making.scaling(r)[0]},
    draw=lambda f: study_figures.figure14(f['figure14']),
    vit=False,
  ),
  _Output(
    name='figure15',
    title='Figure 15: selected features by depth of a ViT',
    jobs=(jobs.RELEVANCE,),
    measured=lambda r: {'figure15': making.depth(r)},
    draw=lambda f: study_figures.figure12(f['figure15']),
    vit=True,
  ),
  _Output(
    name='figure16',
    title='Figure 16: more candidate features of a ViT, by task',
    jobs=('scaling',),
    measured=lambda r: {'figure16': making.scaling(r)[0]},
    draw=lambda f: study_figures.figure14(f['figure16']),
    vit=True,
  ),
  _Output(
    name='scores',
    title="Relevance scores other than the group lasso's",
    jobs=('scores',),
    measured=making.scores,
    draw=lambda f: study_figures.scores(f['scores']),
  ),
)
OUTPUTS: dict[str, output_lib.Output] = {o.name: o for o in _ALL}
# The domain-affinity plots; the other outputs have no runner of their own.
AFFINITY = 'figure2', 'figure3', 'figure4', 'figure8', 'figure11'
