"""Tables for terminals and as Markdown, from frames."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import cost
from vtab_h2t.report import statistics
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import rich.table

LABELS = {
  'linear': 'Linear',
  'all_l2': '+All-l2',
  'all_l1': '+All-l1',
  'all_l21': '+All-l2,1',
  'head2toe': 'Head2Toe',
  'ridge': 'Ridge',
  'all_ridge': '+All, ridge',
  'logistic': 'Logistic',
  'all_logistic': '+All, logistic',
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
AFFINITY = 'affinity (Linear - Scratch)'


def _text(value: float, spread: float | None = None) -> str:
  """A percentage, '' where it was not measured."""
  if pd.isna(value):
    return ''
  return f'{value:.1f}' + (
    '' if spread is None or pd.isna(spread) else f' ± {spread:.1f}'
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
  return (
    f'Test accuracy in percent, {source}, {summary.protocol.iloc[0]} '
    f'accuracy, {seeds_text(summary)}'
  )


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


def markdown(summary: pd.DataFrame, heading: str) -> str:
  """Table 1 with standard deviations, as Markdown, under what it shows."""
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
  return f'{heading}.\n\n{text}\n'


def plain(table: pd.DataFrame, form: str) -> str:
  """Any table as Markdown; missing numbers are blank.

  Args:
    table: the table.
    form: of its floating-point numbers, as for `format`.
  """
  known = table.astype(object).where(table.notna(), None)
  return known.to_markdown(index=False, floatfmt=form, missingval='')


def print_terminal(
  summary: pd.DataFrame, heading: str, width: int | None = None
) -> None:
  """Prints Table 1, in one piece if the terminal is wide enough.

  Args:
    summary: what `statistics.summarise` gives.
    heading: what it shows.
    width: columns of the terminal; found out where None. Output that is not a
      terminal has any width.
  """
  import rich.console

  console = rich.console.Console(width=width)
  values = statistics.wide(summary, task_lib.GROUPS)
  texts = cells(summary, spread=False)
  groups = list(dict.fromkeys(g for g, _ in values.columns))
  whole = _terminal_table(values, texts, groups)
  needed = rich.console.Console(width=10_000).measure(whole).maximum
  if width is None and not console.is_terminal:
    console = rich.console.Console(width=max(needed, console.width))
  console.print(heading, highlight=False)
  if needed <= console.width:
    console.print(whole)
  else:
    for group in groups:
      console.print(_terminal_table(values, texts, [group]))


def _terminal_table(
  values: pd.DataFrame, texts: pd.DataFrame, groups: Sequence[str]
) -> 'rich.table.Table':
  """Some groups' columns of a table, the best of each in bold."""
  import rich.box
  import rich.table

  table = rich.table.Table(box=rich.box.SIMPLE, padding=(0, 1, 0, 0))
  table.add_column('\n\nmethod', no_wrap=True)
  columns = [c for c in values.columns if c[0] in groups]
  previous = None
  for group, task in columns:
    name = task if '_' in task else f'\n{task}'
    head = group if group != previous else ''
    table.add_column(
      f'{head}\n' + name.replace('_', '\n'), justify='right', no_wrap=True
    )
    previous = group
  affinity = statistics.domain_affinity(values)
  for method, row in values.iterrows():
    best = {c for c in columns if row[c] == values[c].max()}
    table.add_row(
      LABELS.get(method, method),
      *(
        f'[bold]{texts.loc[method, c]}[/bold]'
        if c in best
        else texts.loc[method, c]
        for c in columns
      ),
    )
  if len(affinity):
    table.add_section()
    table.add_row(AFFINITY, *(_text(affinity[c]) for c in columns))
  return table


def print_table3(table: pd.DataFrame, network: cost.Network) -> None:
  """Prints Table 3, published beside the cost model's.

  Args:
    table: what `cost.table3` gives.
    network: the fitted constants.
  """
  import rich.box
  import rich.console
  import rich.table

  shown = rich.table.Table(box=rich.box.SIMPLE, padding=(0, 1, 0, 0))
  columns = {
    'flops_vs_finetune': 'operations\nvs fine-tuning',
    'size_vs_finetune': 'size\nvs fine-tuning',
    'size_vs_linear': 'size\nvs Linear',
  }
  for head in ('task', 'F', 'N', 'C'):
    shown.add_column(
      f'\n\n{head}', justify='left' if head == 'task' else 'right'
    )
  for head in columns.values():
    shown.add_column(f'{head}\npublished', justify='right', no_wrap=True)
    shown.add_column('\n\nmodel', justify='right', no_wrap=True)
  for row in table.to_dict('records'):
    shown.add_row(
      row['task'],
      f'{row["fraction"]:g}',
      f'{row["num_features"]:.0f}',
      f'{row["num_classes"]:.0f}',
      *(f'{row[prefix + c]:.6f}' for c in columns for prefix in ('', 'ours_')),
    )
  shown.add_section()
  shown.add_row(
    'mean',
    '',
    '',
    '',
    *(
      f'{table[prefix + c].mean():.6f}'
      for c in columns
      for prefix in ('', 'ours_')
    ),
  )
  console = rich.console.Console()
  if not console.is_terminal:
    console = rich.console.Console(width=140)
  console.print(shown)
  worst = max(table[f'residual_{c}'].abs().max() for c in columns)
  console.print(
    f'Fitted: {network.forward / 1e9:.3f}e9 operations a forward pass, '
    f'{network.parameters:,.0f} parameters without classifier. Largest '
    f'residual: {worst:.1e}; the table is printed to 1e-06.',
    highlight=False,
  )


def print_measured_cost(table: pd.DataFrame) -> None:
  """Prints measured seconds and bytes beside the cost model's shares.

  Args:
    table: what `cost.measured` gives.
  """
  import rich.box
  import rich.console
  import rich.table

  shown = rich.table.Table(box=rich.box.SIMPLE, padding=(0, 1, 0, 0))
  shown.add_column('\n\ntask')
  for head in (
    'cpu seconds\n\nLinear',
    '\n\nHead2Toe',
    '\n\nfine-tuning',
    'Head2Toe vs fine-tuning\nseconds\nmeasured',
    '\noperations\nmodel',
    '\nbytes\nmeasured',
    '\nsize\nmodel',
    'vs Linear\nbytes\nmeasured',
    '\nsize\nmodel',
    'bytes\n\nHead2Toe',
    '\n\nfine-tuning',
  ):
    shown.add_column(head, justify='right', no_wrap=True)
  for row in table.to_dict('records'):
    shown.add_row(
      row['task'],
      *(
        f'{row[f"{m}_cpu_seconds"]:.1f}'
        for m in ('linear', 'head2toe', 'finetune')
      ),
      *(
        f'{row[c]:.4f}'
        for c in (
          'seconds_vs_finetune',
          'flops_vs_finetune',
          'bytes_vs_finetune',
          'size_vs_finetune',
          'bytes_vs_linear',
          'size_vs_linear',
        )
      ),
      *(f'{row[f"{m}_bytes"]:,}' for m in ('head2toe', 'finetune')),
    )
  console = rich.console.Console()
  if not console.is_terminal:
    console = rich.console.Console(width=140)
  console.print(shown)
