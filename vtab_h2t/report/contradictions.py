"""Where the paper's text and its own tables differ, or its text and itself."""

from collections.abc import Callable
import dataclasses
import math

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.report import bootstrap
from vtab_h2t.report import cost
from vtab_h2t.report import frames
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import papers

_RESNET50, _VIT_B16 = papers.BACKBONES
_UNITS = 3, 4, 6, 3  # Of the ResNet-50, by stage (Appendix C).


@dataclasses.dataclass(frozen=True)
class Contradiction:
  """Where the paper differs from itself.

  Attributes:
    text: what is said.
    tables: what its tables, or other sentences, give; a number comes after it.
    check: that number, computed from the published ones; None where it is none.
  """

  text: str
  tables: str
  check: Callable[[], float | bootstrap.Interval] | None = None

  @property
  def number(self) -> bootstrap.Interval:
    """The number, and its interval if it has one; NaN where there is none."""
    found = math.nan if self.check is None else self.check()
    if isinstance(found, bootstrap.Interval):
      return found
    return bootstrap.Interval(float(found), math.nan, math.nan)


def table() -> pd.DataFrame:
  """All of them.

  Returns:
    A line each, with `text` and `tables`, and

    `number`: missing where there is none.
    `low`, `high`: its 95 % interval over tasks (`judging.of_paper`), where it
      is the statistic of a claim that has one.
  """
  lines = []
  for one in CONTRADICTIONS:
    number = one.number
    lines.append(
      {
        'text': one.text,
        'tables': one.tables,
        'number': number.value,
        'low': number.low,
        'high': number.high,
      }
    )
  return pd.DataFrame(lines)


def answers(table: pd.DataFrame) -> list[str]:
  """What stands against each sentence, with its number and interval.

  Args:
    table: what `table` gives.
  """
  found = []
  for line in table.itertuples():
    said = line.tables
    if not pd.isna(line.low):
      digits = numerals.decimals(line.low, line.high)
      number, low, high = (
        numerals.number(v, digits) for v in (line.number, line.low, line.high)
      )
      said += f' {number} (95 % interval {low} to {high})'
    elif not pd.isna(line.number):
      said += f' {_digits(line.number)}'
    found.append(said)
  return found


def _digits(value: float) -> str:
  """With four digits, or all before the point."""
  return f'{value:.0f}' if abs(value) >= 1e4 else f'{value:.4g}'


def _claim(name: str, backbone: str) -> Callable[[], bootstrap.Interval]:
  """The statistic of a claim, from the paper's tables."""

  def check() -> bootstrap.Interval:
    line = judging.of_paper(backbone).set_index('id').loc[name]
    return bootstrap.Interval(line.measured, line.low, line.high)

  return check


def _wide(backbone: str) -> pd.DataFrame:
  """Table 1 by affinity, a line a task."""
  return frames.by_affinity(frames.published_accuracies(backbone))


def _average(column: str) -> float:
  table = published.table('table3_cost_resnet50').set_index('task')
  return float(table[column]['average'])


def _largest_target_size(backbone: str) -> int:
  table = published.table('table2_hyperparameters')
  return int(table.target_size[table.backbone == backbone].max())


def _printed_linear() -> float:
  return papers.table1_mean(_RESNET50, 'linear') - papers.mean_of(
    'figure4_averages_resnet50', 'linear'
  )


def _worse_than_a_baseline() -> float:
  table = _wide(_RESNET50)
  return int((table.finetune < np.maximum(table.linear, table.scratch)).sum())


def _far_without_sprites() -> float:
  table = _wide(_RESNET50)
  far = table[: len(table) // 2]
  far = far[far.task != 'dsprites_loc']
  return float((far.head2toe - far.finetune).mean())


def _common_sizes() -> float:
  table = published.table('table2_hyperparameters')
  found = set(table.target_size[table.backbone == _RESNET50])
  return len(found & {1024, 16384, 40000})


def _many_candidates() -> float:
  return int((cost.published_table().num_features > 1e6).sum())


def _classes(task: str) -> float:
  table = cost.published_table().set_index('task')
  return int(table.num_classes[task])


CONTRADICTIONS: tuple[Contradiction, ...] = (
  Contradiction(
    'Abstract: storage is reduced a hundred fold or more.',
    'Table 3, its line of averages: by a factor of',
    lambda: 1 / _average('size_vs_finetune'),
  ),
  Contradiction(
    "Section 4.1 and Table 3's caption: 0.5 % of the operations of "
    'fine-tuning.',
    'Introduction and Table 3: in percent, on average,',
    lambda: 100 * _average('flops_vs_finetune'),
  ),
  Contradiction(
    'Section 2: fine-tuning performs as well as Linear and Scratch, or better.',
    'Table 1, ResNet-50: tasks of the 19 on which one of these is better:',
    _worse_than_a_baseline,
  ),
  Contradiction(
    'Abstract: Head2Toe outperforms fine-tuning out of distribution.',
    'Table 1, ResNet-50, nine tasks of lowest affinity: in points, on average,',
    _claim('far_head2toe_above_finetune', _RESNET50),
  ),
  Contradiction(
    'The same sentence.',
    'Without dSprites-Location, where Scratch is from another paper and '
    'fine-tuning leads by 29.9: in points, on average,',
    _far_without_sprites,
  ),
  Contradiction(
    'The same sentence.',
    'Table 1, ViT-B/16, nine tasks of lowest affinity: in points, on average,',
    _claim('far_head2toe_above_finetune', _VIT_B16),
  ),
  Contradiction(
    'Appendix I: a clear trend, more gain over fine-tuning further out of '
    'distribution.',
    'Table 1, ResNet-50: minus Spearman of affinity and that gain, so the gain '
    'rises with affinity:',
    _claim('gain_over_finetune_falls_with_affinity', _RESNET50),
  ),
  Contradiction(
    'Section 4.1: on average Head2Toe slightly outperforms all other methods '
    '(ResNet-50).',
    'Table 1: Head2Toe-FT+, of section 4.2, has 68.0; Head2Toe less that, in '
    'points,',
    lambda: (
      papers.table1_mean(_RESNET50, 'head2toe')
      - papers.table1_mean(_RESNET50, 'head2toe_ft_plus')
    ),
  ),
  Contradiction(
    'Section 4.1: Head2Toe does not outperform fine-tuning on natural '
    'tasks (ResNet-50).',
    'Table 1: fine-tuning less Head2Toe, in points, on average,',
    _claim('natural_head2toe_not_above_finetune', _RESNET50),
  ),
  Contradiction(
    'Section 4.1: on specialized tasks Head2Toe excels relative to the other '
    'methods (81.6).',
    'Table 1: of the methods of section 4.1 +All-l2 is best, with 82.15; '
    'Head2Toe less that, in points,',
    _claim('specialized_head2toe_best', _RESNET50),
  ),
  Contradiction(
    'Section 3.2: the Oracle improves accuracy by 3.5 % on average.',
    'The table in Figure 4: in points',
    _claim('oracle_above_linear', _RESNET50),
  ),
  Contradiction(
    'Figure 4: Linear has 56.53 % on average.',
    'Table 1: more than that by, in points,',
    _printed_linear,
  ),
  Contradiction(
    'Appendix F: affinities of the two backbones have Spearman 0.907.',
    'From Table 1, whose rounding changes no rank:',
    _claim('affinity_alike', _RESNET50),
  ),
  Contradiction(
    'Appendix A: target sizes 1024, 16384, 40000 for the ResNet-50.',
    'Table 2: 512, 8192, 24576; in common:',
    _common_sizes,
  ),
  Contradiction(
    'Section 3.3 and Appendix A: validating the fractions adds 18 %.',
    'The sum of the eight that are listed, in percent:',
    lambda: 100 * cost.selection_overhead(papers.LISTED_FRACTIONS),
  ),
  Contradiction(
    'Appendix A lists fractions up to 0.1.',
    'Table 2 chooses 0.2 for four tasks; with it validating adds, in percent,',
    lambda: 100 * cost.selection_overhead(papers.fractions()),
  ),
  Contradiction(
    'Section 4: Head2Toe searches over 24 values (2 rates, 2 numbers of steps, '
    '2 coefficients, 3 target sizes).',
    'With the fractions of Appendix A, which are validated too:',
    lambda: 2 * 2 * 2 * 3 * len(papers.LISTED_FRACTIONS),
  ),
  Contradiction(
    'Section 4: patches of 5x5 of a map of 20x20x128 at a target size of 512 '
    'give 4 features a channel, 1024 in total.',
    'Patches of 5x5 are 16 a channel, 2048 in total. Four a channel, from '
    'patches of 10x10, are the target size:',
    lambda: 4 * 128,
  ),
  Contradiction(
    'Figure 6: the first layer of each of the 18 ResNet blocks.',
    'Appendix C: 3, 4, 6 and 3 units, together',
    lambda: sum(_UNITS),
  ),
  Contradiction(
    'Section 4: ResNet-50 consists of 50 convolutional layers.',
    'Appendix C: a root and three in each unit, together',
    lambda: 1 + 3 * sum(_UNITS),
  ),
  Contradiction(
    'Footnote 3: a pool size of 2 gives 1.7 M features.',
    'Table 3: a target size of 24576 does; in millions',
    lambda: float(cost.published_table().num_features.max() / 1e6),
  ),
  Contradiction(
    'Footnote 3: these need 6.6e8 parameters for SUN-397.',
    'Table 3: features times classes, in 1e8,',
    lambda: float(
      cost.published_table().num_features.max() * _classes('sun397') / 1e8
    ),
  ),
  Contradiction(
    'Section 4.3: a few thousand features are often selected of over a '
    'million.',
    'Table 3: tasks of the 19 that have over a million:',
    _many_candidates,
  ),
  Contradiction(
    'Appendix I: 6 combinations of the 3 selections of a task.',
    'These are ordered pairs, each counted twice; without order there are',
    lambda: math.comb(3, 2),
  ),
  Contradiction(
    "Appendices I and J: a ViT's class token beside pooled tokens does not "
    'improve the results.',
    'Table 7: in points, on average,',
    lambda: (
      papers.mean_of('table7_cls_token_vit_b16', 'original_plus_cls')
      - papers.mean_of('table7_cls_token_vit_b16', 'original')
    ),
  ),
  Contradiction(
    'Table 5: Clevr has 8 classes, SmallNORB 18.',
    'Table 3: Clevr-Dist has 6, and the elevation of sNORB',
    lambda: _classes('snorb_elev'),
  ),
  Contradiction(
    'Captions of Figures 14 and 16: the largest target size is 24576, also '
    'for the ViT-B/16.',
    'Appendix A has 32448, as Table 2:',
    lambda: float(_largest_target_size(_VIT_B16)),
  ),
  Contradiction(
    'Appendix I: with Sun397 fractions below 0.75 leave one image a class.',
    'So does 0.75 by its own rule, int(1000 f / C):',
    lambda: 1000 * 0.75 // _classes('sun397'),
  ),
  Contradiction(
    'Table 1 calls one row +All-l2,1 in the ResNet half.',
    'The ViT half calls the same row +All (Group).',
  ),
  Contradiction(
    'Appendix I discusses the class token with Table 6, which is of the '
    'ResNet-50.',
    'The ResNet-50 has none; the sentence belongs to Table 7.',
  ),
)
