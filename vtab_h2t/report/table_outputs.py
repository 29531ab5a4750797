"""The paper's tables as outputs, and tables of what its text says."""

import pandas as pd

from vtab_h2t import published
from vtab_h2t.methods import registry as methods
from vtab_h2t.report import claim_tables
from vtab_h2t.report import cost
from vtab_h2t.report import frames as frames_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import making
from vtab_h2t.report import making_figures
from vtab_h2t.report import measured_cost
from vtab_h2t.report import moved_taps
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import papers
from vtab_h2t.report import readable
from vtab_h2t.report import rounding
from vtab_h2t.report import tables
from vtab_h2t.report import terminal

_ACCURACY = jobs.ACCURACY
_Output = output_lib.Output


def _heading(name: str, frames: output_lib.Frames, source: str) -> str:
  """Over a frame of Table 1."""
  if name == 'table1':
    return tables.title(frames[name], source)
  if name == 'difference':
    return 'Measured less published, in points'
  network = '' if name == 'published' else f'{name}, '
  text = (
    f'Published (Tables 1 and 4): VTAB-1k, {network}test accuracy in '
    'percent, median of 3 seeds'
  )
  scratch = frames[name].query('method == "scratch"')
  if len(scratch) and scratch.std_percent.isna().all():
    text += '; Scratch is quoted there from Zhai et al. (2019)'
  return text


def _table1_markdown(frames: output_lib.Frames, source: str) -> str:
  return '\n'.join(
    tables.markdown(table, _heading(name, frames, source))
    for name, table in frames.items()
  )


def _table1_terminal(frames: output_lib.Frames, source: str) -> str:
  return '\n'.join(
    tables.for_terminal(table, _heading(name, frames, source))
    for name, table in frames.items()
  )


def _table3_markdown(frames: output_lib.Frames, source: str) -> str:
  """Each table under what it is, a run's first; all with means over tasks."""
  shown = dict(frames)
  if 'table3' in frames:
    table = frames['table3']
    mean = table.filter(regex='_vs_').mean().round(6)
    last = pd.DataFrame([{'task': frames_lib.MEAN, **mean}])
    shown['table3'] = pd.concat([table, last])
  if 'measured' in frames:
    shown['measured'] = measured_cost.in_short(frames['measured'])
  headings = {
    'measured': 'Measured: what it takes to train one predictor with the '
    'chosen setting, without the search, and what is then stored; operations '
    f"are those of the paper's cost model ({source})",
    'by_method': f'Measured, method by method ({source})',
    'table3': 'Published (Table 3, ResNet-50), and what the cost model gives',
    'overhead': 'Operations of the search for the fraction, relative to the '
    'heads on all features',
  }
  printed = 'table3', 'overhead'
  return (
    '\n\n'.join(
      f'{heading}.\n\n{readable.markdown(shown[name], name in printed)}'
      for name, heading in headings.items()
      if name in shown
    )
    + '\n'
  )


def _table3_terminal(frames: output_lib.Frames, source: str) -> str:
  del source
  network = cost.fit(cost.published_table())
  parts = [
    tables.table3_for_terminal(frames['table3'], network),
    terminal.markdown(
      'Operations of the search for the fraction, relative to the heads on all '
      f'features:\n\n{readable.markdown(frames["overhead"], is_printed=True)}'
    ),
  ]
  if 'measured' in frames:
    parts.append(tables.cost_for_terminal(frames['measured']))
  if 'by_method' in frames:
    parts.append(
      terminal.markdown(
        'One predictor with the chosen setting, without the search, method by '
        f'method:\n\n{readable.markdown(frames["by_method"])}'
      )
    )
  return '\n'.join(parts)


_SUCCESSORS = (
  'Mean over the tasks that all methods after Head2Toe were measured on: '
  'accuracy in percent, points above Head2Toe with a 95 % interval over tasks '
  'and seeds, and CPU seconds a task of the search for the setting and of one '
  'training with it'
)


def _claims_terminal(frames: output_lib.Frames, source: str) -> str:
  def heading(name: str) -> str:
    of_paper = f"the paper's numbers, {papers.LABELS.get(name, name)}"
    return f'Judged on {source if name == "claims" else of_paper}.'

  return '\n'.join(
    claim_tables.claims(table, heading(name)) for name, table in frames.items()
  )


def _contradictions_terminal(frames: output_lib.Frames, source: str) -> str:
  del source
  return claim_tables.contradictions(frames['contradictions'])


def _table6_markdown(frames: output_lib.Frames, source: str) -> str:
  text = output_lib.plain({'table6': frames['table6']}, source)
  if 'moved_taps' in frames:
    text += '\n' + moved_taps.note(frames['moved_taps'])
  return text


_TABLE4_HEADINGS = {
  making.ARITHMETICS: (
    'Below are the lowest and the highest accuracy in percent, each the median '
    'of three seeds, of four computations, and one number where these agree: '
    f'{rounding.OVER} ({rounding.WHERE}, "What rounding alone does"). With '
    'other methods this was not measured'
  )
}


def _deviations_markdown(frames: output_lib.Frames, source: str) -> str:
  deviations = {k: v for k, v in frames.items() if k != making.ARITHMETICS}
  rounded = {k: v for k, v in frames.items() if k == making.ARITHMETICS}
  text = (
    '\n\n'.join(
      'Standard deviation over seeds, in points '
      f'({source if name == "table4" else f"published, {name}"}).\n\n'
      + readable.markdown(table, name != 'table4' or source == published.SOURCE)
      for name, table in deviations.items()
    )
    + '\n'
  )
  if rounded:
    text += '\n' + output_lib.plain(rounded, source, _TABLE4_HEADINGS)
  return text


OUTPUTS = (
  _Output(
    name='table1',
    title='Table 1: test accuracy of each method on each task',
    jobs=(_ACCURACY,),
    measured=making.table1,
    published=making.summaries_of_the_paper,
    markdown=_table1_markdown,
    terminal=_table1_terminal,
  ),
  _Output(
    name='table2',
    title='Table 2: the settings that Head2Toe chose',
    jobs=(_ACCURACY,),
    methods=('head2toe',),
    measured=making.table2,
    published=lambda: {'table2': published.table('table2_hyperparameters')},
  ),
  _Output(
    name='table3',
    title='Table 3: cost',
    measured=making.table3,
    published=making.table3,
    markdown=_table3_markdown,
    terminal=_table3_terminal,
  ),
  _Output(
    name='table4',
    title='Table 4: standard deviations over seeds',
    jobs=(_ACCURACY,),
    measured=making.table4_measured,
    published=making.table4_published,
    headings=_TABLE4_HEADINGS,
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
    name='successors',
    title='Methods after Head2Toe on the same frozen features',
    jobs=(_ACCURACY,),
    methods=('head2toe',),
    one_of=tuple(methods.SUCCESSORS),
    measured=making.successors,
    headings={'successors': _SUCCESSORS},
  ),
  _Output(
    name='taylor',
    title='Taylor (section 3.1): a linearised network beside Linear and '
    'fine-tuning',
    jobs=(_ACCURACY,),
    methods=making.TAYLOR,
    measured=making.taylor,
  ),
  _Output(
    name='normalization',
    title='Normalization (section 3.3): Head2Toe under four rules',
    jobs=tuple(making.NORMALIZATION.values()),
    methods=('head2toe',),
    measured=making.normalizations,
    headings={
      'normalization': 'Unit norm after the selection is the usual rule of '
      'this suite and of the released code; before it is as the text of the '
      'paper reads'
    },
    compares_normalization=True,
  ),
  _Output(
    name='ranking',
    title='Ranking (Figure 11, right): accuracy by place in the ranking',
    jobs=('offset',),
    measured=lambda r: {'ranking': making_figures.ranking(r)},
  ),
  _Output(
    name='claims',
    title='Claims: what the paper states, and what rows say of it',
    jobs=(_ACCURACY,),
    measured=making.claims,
    published=making.claims_of_the_paper,
    terminal=_claims_terminal,
  ),
  _Output(
    name='contradictions',
    title="Contradictions: where the paper's text and its tables differ",
    published=making.contradictions,
    terminal=_contradictions_terminal,
  ),
)
