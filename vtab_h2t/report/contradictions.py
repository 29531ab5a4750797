"""Where the paper's text and its own tables differ."""

from collections.abc import Callable
import dataclasses

from vtab_h2t import published
from vtab_h2t.report import frames
from vtab_h2t.report import statistics


@dataclasses.dataclass(frozen=True)
class Contradiction:
  """Where the paper's text and its own tables differ.

  Attributes:
    text: what is said.
    tables: what its tables give.
    check: the tables' number, computed from the published numbers; None where
      they are not of one table.
  """

  text: str
  tables: str
  check: Callable[[], float] | None = None


def _group_gain() -> float:
  accuracy = frames.published_accuracies('resnet50')
  natural = accuracy[accuracy.group == 'natural']
  means = natural.groupby('method').percent.mean()
  return float(means.head2toe - means.finetune)


def _printed_linear() -> float:
  printed = published.table('figure4_averages_resnet50').set_index('method')
  accuracy = frames.published_accuracies('resnet50')
  return float(
    accuracy[accuracy.method == 'linear'].percent.mean()
    - printed.average['linear']
  )


def _affinity_correlation() -> float:
  one, two = (
    frames.by_affinity(frames.published_accuracies(b))
    .set_index('task')
    .affinity
    for b in ('resnet50', 'vit_b16')
  )
  return statistics.spearman(one, two[one.index])


CONTRADICTIONS: tuple[Contradiction, ...] = (
  Contradiction(
    'Section 4.1: Head2Toe does not outperform fine-tuning on natural '
    'tasks (ResNet-50).',
    'Table 1: it does, by so many points on average.',
    _group_gain,
  ),
  Contradiction(
    "Section 4.1 and Table 3's caption: 0.5 % of fine-tuning's FLOPs.",
    'Introduction and Table 3: in percent, on average.',
    lambda: (
      100
      * float(
        published.table('table3_cost_resnet50')
        .set_index('task')
        .flops_vs_finetune['average']
      )
    ),
  ),
  Contradiction(
    'Figure 4: Linear has 56.53 % on average.',
    'Table 1: so many points more.',
    _printed_linear,
  ),
  Contradiction(
    'Table 1 calls one row +All-l2,1 in the ResNet half.',
    'The ViT half calls the same row +All (Group).',
  ),
  Contradiction(
    'Footnote 3: a pool size of 2 gives 1.7 M features.',
    'Table 3: a target size of 24576 does; in millions.',
    lambda: float(
      published.table('table3_cost_resnet50').num_features.max() / 1e6
    ),
  ),
  Contradiction(
    'Appendix F: affinities of the two backbones have Spearman 0.907.',
    'From the rounded Table 1.',
    _affinity_correlation,
  ),
)
