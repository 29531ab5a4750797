"""The paper's own numbers in the form of measured rows, and who may be compared
with them.
"""

from collections.abc import Collection, Sequence
import functools
from typing import Any

import pandas as pd

from vtab_h2t import published
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.protocol import accuracy
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import cost
from vtab_h2t.report import jobs

BACKBONES = 'resnet50', 'vit_b16'
LABELS = {'resnet50': 'ResNet-50', 'vit_b16': 'ViT-B/16'}
# The fractions that Appendix A lists; Table 2 chooses another besides.
LISTED_FRACTIONS = 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1
_MEAN = 'mean'


def comparable(run: run_lib.Run) -> bool:
  """Whether the paper has measured the same: its network on its tasks.

  The weights must be of a file; whether it is the paper's, only its user knows.
  """
  entry = backbones.BACKBONES.get(run.backbone)
  return (
    run.suite == 'vtab'
    and run.backbone in BACKBONES
    and entry is not None
    and run.network.weights not in entry.weights
    and run.taps in (backbone_lib.ALL_TAPS, 'released')
    and run.cls_pooling == pooling.CLS_POOLED
    and run.normalization in (normalization.SELECTED, normalization.ONCE)
    and run.train_fraction == 1
  )


def is_quoted(backbone: str, methods: Collection[str]) -> bool:
  """Whether Table 1 has one of some methods from another paper."""
  return backbone == 'resnet50' and 'scratch' in methods


def fractions() -> list[float]:
  """Those that the paper must have validated: listed, or chosen in Table 2."""
  chosen = published.table('table2_hyperparameters').fraction
  return sorted({*LISTED_FRACTIONS, *map(float, chosen)})


def mean_of(table: str, variant: str, column: str = 'average') -> float:
  """A mean over tasks that Table 6, Table 7 or Figure 4 prints, in percent.

  Args:
    table: name of the file.
    variant: the line.
    column: 'average' or a group.
  """
  frame = published.table(table)
  return float(frame.set_index(frame.columns[0])[column][variant])


def table1_mean(backbone: str, method: str) -> float:
  """The column Mean of Table 1 as it is printed, rounded to tenths.

  Differences of methods are means over the printed tasks instead, which are
  less rounded and have groups and intervals.
  """
  table = published.table('table1_accuracy')
  means = table[(table.backbone == backbone) & (table.task == _MEAN)]
  return float(means.set_index('method').accuracy_percent[method])


@functools.cache
def rows(backbone: str) -> dict[str, Sequence[dict[str, Any]]]:
  """What the paper prints for single tasks with a backbone, as rows by job.

  Tables 1 and 4 as rows of one seed, the median, with `deviation` besides;
  Linear and Scratch of the other backbone as those of a second network; Table 3
  as 'cost', like `measured_cost.shares`, for the ResNet-50, whose Head2Toe rows
  have `num_features` from there; and as 'search' what validating `fractions`
  adds.
  """
  other = next(b for b in BACKBONES if b != backbone)
  first = _table1(backbone, jobs.ACCURACY)
  found: dict[str, Sequence[dict[str, Any]]] = {
    jobs.ACCURACY: first,
    jobs.SECOND: [
      r
      for r in _table1(other, jobs.SECOND)
      if r['method'] in ('linear', 'scratch')
    ],
  }
  groups = {r['task']: r['group'] for r in first}
  overhead = cost.selection_overhead(fractions())
  found['search'] = [
    _row('search', 'head2toe', task, group, 0.0) | {'overhead': overhead}
    for task, group in groups.items()
  ]
  if backbone == 'resnet50':
    kept = {
      line.task: fraction_lib.num_kept(line.num_features, line.fraction)
      for line in cost.published_table().itertuples()
    }
    for row in first:
      if row['method'] == 'head2toe':
        row['num_features'] = kept[row['task']]
    found['cost'] = [
      _row('cost', 'head2toe', line.task, groups[line.task], 0.0)
      | {
        'operations': line.flops_vs_finetune,
        'storage': line.size_vs_finetune,
        'storage_vs_linear': line.size_vs_linear,
      }
      for line in cost.published_table().itertuples()
    ]
  return found


def _table1(backbone: str, job: str) -> list[dict[str, Any]]:
  table = published.table('table1_accuracy').merge(
    published.table('table4_std'), how='left'
  )
  table = table[(table.backbone == backbone) & (table.task != _MEAN)]
  return [
    _row(job, line.method, line.task, line.group, line.accuracy_percent)
    | ({} if pd.isna(line.std_percent) else {'deviation': line.std_percent})
    for line in table.itertuples()
  ]


def _row(
  job: str, method: str, task: str, group: str, percent: float
) -> dict[str, Any]:
  """A test row; the paper prints tenths of a percent."""
  return {
    'job': job,
    'method': method,
    'task': task,
    'group': group,
    'seed': 0,
    'split': 'test',
    'correct': round(10 * percent),
    'total': 1000,
    'protocol': accuracy.EXACT,
  }
