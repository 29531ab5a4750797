"""Tables for terminals and as Markdown, from frames."""

import collections

import pandas as pd

from vtab_h2t.methods import registry as methods
from vtab_h2t.report import cost
from vtab_h2t.report import numerals
from vtab_h2t.report import rounding
from vtab_h2t.report import statistics
from vtab_h2t.report import terminal
from vtab_h2t.tasks import task as task_lib

_OWN = {
  'linear': 'Linear',
  'all_l2': '+All-l2',
  'all_l1': '+All-l1',
  'all_l21': '+All-l2,1',
  'head2toe': 'Head2Toe',
  'ridge': 'Ridge',
  'all_ridge': '+All-ridge',
  'logistic': 'Logistic',
  'all_logistic': '+All-logistic',
  'knn': 'k nearest',
  'dino_linear': 'DINOv2 linear',
  'alf': 'Layer fusion',
  'vqt': 'Query tuning',
  'scratch': 'Scratch',
  'finetune': 'Fine-tuning',
  'linearized': 'Linearized',
  'head2toe_ft': 'Head2Toe-FT',
  'head2toe_ft_plus': 'Head2Toe-FT+',
  'lp_ft': 'LP-FT',
  'surgical': 'Surgical',
  'auto_rgn': 'Auto-RGN',
  'auto_snr': 'Auto-SNR',
  'head_probe': 'Head probing',
}
# Those of plugins, which are registered later, as well.
LABELS = collections.ChainMap(methods.LABELS, _OWN)
AFFINITY = 'affinity (Linear - Scratch)'
_EMBEDDED = 'embedded'


def _text(value: float, spread: float | None = None) -> str:
  """A percentage, '' where it was not measured."""
  if pd.isna(value):
    return ''
  return numerals.number(value) + (
    '' if spread is None or pd.isna(spread) else f' ± {numerals.number(spread)}'
  )


def seeds_text(summary: pd.DataFrame, in_cells: bool = True) -> str:
  """Over how many seeds a table's medians are taken.

  Args:
    summary: what `statistics.summarise` gives.
    in_cells: whether cells show their numbers where those differ.
  """
  counts = sorted(set(summary.seeds))
  if len(counts) > 1:
    if not in_cells:
      return f'medians of {counts[0]} to {counts[-1]} seeds'
    return (
      'median of as many seeds as stand in brackets, from '
      f'{counts[0]} to {counts[-1]}'
    )
  return f'median of {counts[0]} seed{"s" if counts[0] > 1 else ""}'


def title(summary: pd.DataFrame, source: str) -> str:
  """What Table 1 shows, in a line.

  Args:
    summary: what `statistics.summarise` gives.
    source: which run.
  """
  return f'Test accuracy in percent, {source}, {seeds_text(summary)}'


def cells(summary: pd.DataFrame, spread: bool = True) -> pd.DataFrame:
  """Text of Table 1's cells: '47.1 ± 0.1', with '(2)' where seeds differ.

  Args:
    summary: what `statistics.summarise` gives.
    spread: whether with the deviation over seeds.

  Returns:
    One row a method; columns (group, task) as `statistics.wide` has them.
  """
  values, spreads, seeds = (
    statistics.wide(summary, task_lib.GROUPS, column)
    for column in ('accuracy_percent', 'std_percent', 'seeds')
  )
  differ = summary.seeds.nunique() > 1

  def text(method: str, column: tuple[str, str]) -> str:
    value = values.loc[method, column]
    if column[1] == 'mean':
      return _text(value)
    count = seeds.loc[method, column]
    return _text(value, spreads.loc[method, column] if spread else None) + (
      f' ({count:.0f})' if differ and not pd.isna(count) else ''
    )

  return pd.DataFrame(
    {
      column: [text(method, column) for method in values.index]
      for column in values.columns
    },
    index=values.index,
  )


def note(summary: pd.DataFrame) -> str:
  """How far numbers of Table 1 may move, in a sentence or two; '' if unknown.

  Args:
    summary: what `statistics.summarise` gives, or a published one.
  """
  if 'range_points' not in summary or summary.range_points.isna().all():
    return ''
  text = f'The largest difference between seeds is {_widest(summary)}.'
  frozen = summary[summary.method.isin(rounding.METHODS)]
  if set(summary.suite) == {_EMBEDDED} and frozen.range_points.notna().any():
    of_frozen, moved = _widest(frozen), numerals.number(rounding.most())
    text += (
      f' With {rounding.AMONG}'
      if of_frozen == _widest(summary)
      else f' Of {rounding.AMONG} it is {of_frozen}. With these'
    )
    text += (
      ', the order of additions alone moved single tasks of the run '
      f'{rounding.RUN} by up to {moved} points, where '
      'another setting then won on the validation images: it was measured on '
      f'two processors ({rounding.WHERE}, "What rounding alone does"; each '
      "task stands under that run's Table 4). With "
      'other methods this was not measured.'
    )
  return text


def _widest(summary: pd.DataFrame) -> str:
  """The largest difference between seeds, of what and where."""
  line = summary.loc[summary.range_points.idxmax()]
  return (
    f'{numerals.number(line.range_points)} points, of '
    f'{LABELS.get(line.method, line.method)} on {line.task}'
  )


def markdown(summary: pd.DataFrame, heading: str) -> str:
  """Table 1 with deviations, as Markdown, under what it shows, over `note`."""
  values, found = statistics.wide(summary, task_lib.GROUPS), cells(summary)
  table = pd.DataFrame(
    {
      f'{group}: {task}': found[group, task].to_list()
      for group, task in found.columns
    }
  )
  table.insert(0, 'method', [LABELS.get(m, m) for m in values.index])
  affinity = statistics.domain_affinity(values)
  if len(affinity):
    table.loc[len(table)] = [AFFINITY, *map(_text, affinity)]
  text = table.to_markdown(index=False, disable_numparse=True)
  below = note(summary)
  return f'{heading}.\n\n{text}\n' + (f'\n{below}\n' if below else '')


def for_terminal(
  summary: pd.DataFrame, heading: str, width: int | None = None
) -> str:
  """Table 1 under its heading, by group if the terminal is too narrow for all.

  Args:
    summary: what `statistics.summarise` gives.
    heading: what it shows.
    width: columns of the terminal; found out where None.
  """
  values = statistics.wide(summary, task_lib.GROUPS)
  texts = cells(summary, spread=False)
  affinity = statistics.domain_affinity(values)
  names = [LABELS.get(method, method) for method in values.index]
  last = len(names)
  columns = [
    terminal.Column(
      head='method',
      cells=names + [AFFINITY] * bool(len(affinity)),
      is_text=True,
    )
  ]
  for group, task in values.columns:
    found = values[group, task]
    columns.append(
      terminal.Column(
        head=task,
        cells=[*texts[group, task]]
        + ([_text(affinity[group, task])] if len(affinity) else []),
        group=group,
        bold=frozenset(i for i, v in enumerate(found) if v == found.max()),
      )
    )
  rules = [last] if len(affinity) else []
  below = note(summary)
  return (
    f'{terminal.prose(heading, width)}\n\n'
    f'{terminal.table(columns, 1, width, rules)}'
  ) + (f'\n{terminal.prose(below, width)}\n' if below else '')


def table3_for_terminal(
  table: pd.DataFrame, network: cost.Network, width: int | None = None
) -> str:
  """Table 3, published beside the cost model's.

  Args:
    table: what `cost.table3` gives.
    network: the fitted constants.
    width: columns of the terminal; found out where None.
  """
  shares = {
    'flops_vs_finetune': 'operations\nvs fine-tuning',
    'size_vs_finetune': 'size\nvs fine-tuning',
    'size_vs_linear': 'size\nvs Linear',
  }
  columns = [
    terminal.Column(head='task', cells=[*table.task, 'mean'], is_text=True)
  ]
  for head, field, form in (
    ('F', 'fraction', 'g'),
    ('N', 'num_features', '.0f'),
    ('C', 'num_classes', '.0f'),
  ):
    texts = [f'{value:{form}}' for value in table[field]]
    columns.append(terminal.Column(head=head, cells=[*texts, '']))
  for field, group in shares.items():
    for head, name in (('published', field), ('model', f'ours_{field}')):
      texts = [f'{value:.6f}' for value in (*table[name], table[name].mean())]
      columns.append(terminal.Column(head=head, cells=texts, group=group))
  worst = max(table[f'residual_{field}'].abs().max() for field in shares)
  fit = (
    f'Fitted: {network.forward / 1e9:.3f}e9 operations a forward pass, '
    f'{network.parameters:,.0f} parameters without classifier. Largest '
    f'residual: {worst:.1e}; the table is printed to 1e-06.'
  )
  return (
    f'{terminal.table(columns, 1, width, [len(table)])}\n'
    f'{terminal.prose(fit, width)}\n'
  )


def cost_for_terminal(table: pd.DataFrame, width: int | None = None) -> str:
  """Measured seconds and bytes beside the cost model's shares.

  Args:
    table: what `cost.measured` gives.
    width: columns of the terminal; found out where None.
  """
  columns = [terminal.Column(head='task', cells=[*table.task], is_text=True)]
  against, linear = 'Head2Toe\nvs fine-tuning', 'Head2Toe\nvs Linear'
  for group, head, field, form in (
    ('cpu seconds', 'Linear', 'linear_cpu_seconds', '.1f'),
    ('cpu seconds', 'Head2Toe', 'head2toe_cpu_seconds', '.1f'),
    ('cpu seconds', 'fine-tuning', 'finetune_cpu_seconds', '.1f'),
    (against, 'seconds measured', 'seconds_vs_finetune', '.4f'),
    (against, 'operations model', 'flops_at_equal_steps', '.4f'),
    (against, 'bytes measured', 'bytes_vs_finetune', '.4f'),
    (against, 'size model', 'size_vs_finetune', '.4f'),
    (linear, 'bytes measured', 'bytes_vs_linear', '.4f'),
    (linear, 'size model', 'size_vs_linear', '.4f'),
    ('bytes', 'Head2Toe', 'head2toe_bytes', ','),
    ('bytes', 'fine-tuning', 'finetune_bytes', ','),
  ):
    texts = [f'{value:{form}}' for value in table[field]]
    columns.append(terminal.Column(head=head, cells=texts, group=group))
  return terminal.table(columns, 1, width)
