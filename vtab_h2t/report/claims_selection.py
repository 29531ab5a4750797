"""Claims of section 4.3 and Appendices H and K: what is selected, from what."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vtab_h2t import published
from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.studies import granularity
from vtab_h2t.studies import scaling

Claim = claim.Claim
_RESNET: dict[str, Any] = {'of': (claim.RESNET50,)}
_GRANULARITY = granularity.Granularity.name
_SCALING = scaling.Scaling.name
_WHOLE = granularity.TAPS_MEAN, granularity.TAPS_GROUP
_GROUPED = 'tasks that the paper groups'  # 1 in its Group 1, 0 in its Group 2.


def _counts(a: claim.Accuracies, kind: str) -> dict[int, np.ndarray]:
  """Accuracies by the number of features kept, ascending."""
  return {int(n): v for n, v in claim.numbered(a, f'{kind} ')}


def _features_less(a: claim.Accuracies, *kinds: str) -> np.ndarray:
  """Of features less the best of some kinds, by task, `[..., tasks]`.

  At each number of features that all kinds kept, but for all of them, where
  they are the same; the mean over these numbers. NaN if there is none.
  """
  ours, *others = (_counts(a, k) for k in (granularity.FEATURES, *kinds))
  common = sorted(set(ours).intersection(*others))[:-1]
  if not common:
    return np.full(next(iter(a.values())).shape, np.nan)
  return np.mean(
    [ours[n] - np.max([o[n] for o in others], axis=0) for n in common], axis=0
  )


def _number_between(a: claim.Accuracies) -> np.ndarray:
  """The best mean over numbers in between, less those at both ends."""
  means = [claim.mean(v) for v in _counts(a, granularity.FEATURES).values()]
  if len(means) < 3:
    return claim.nothing(a)
  return np.max(means[1:-1], axis=0) - np.maximum(means[0], means[-1])


def _kind(kind: str, label: str) -> Claim:
  return Claim(
    id=f'features_above_{kind}',
    sentence=f'Selecting single features is better than whole layers, {label}.',
    where='section 4.3, Figure 6',
    text='mean, over tasks and over all numbers of features but the largest, '
    'of features less layers at the same number, points',
    jobs=(_GRANULARITY,),
    gather=claim.study(_GRANULARITY, 'kind', 'num_features'),
    statistic=lambda a: claim.mean(_features_less(a, kind)),
    **_RESNET,
  )


FEATURES: tuple[Claim, ...] = (
  Claim(
    id='features_above_taps',
    sentence='Selecting single features is better than selecting whole layers.',
    where='section 4.3, Figure 6',
    text='smaller of the means, over tasks and over all numbers of features '
    'but the largest, of features less each kind of layers at the same number, '
    'points',
    jobs=(_GRANULARITY,),
    gather=claim.study(_GRANULARITY, 'kind', 'num_features'),
    statistic=lambda a: np.min(
      [claim.mean(_features_less(a, kind)) for kind in _WHOLE], axis=0
    ),
    **_RESNET,
  ),
  _kind(granularity.TAPS_MEAN, 'ranked by mean relevance'),
  _kind(granularity.TAPS_GROUP, 'ranked by a group lasso over layers'),
  Claim(
    id='features_above_taps_mostly',
    sentence='On almost all tasks single features are better than whole '
    'layers (all but two of 19).',
    where='Appendix H, Figure 10',
    text='share of the tasks where features are above the better kind of '
    'layers, the mean over equal numbers of features but the largest, less a '
    'half',
    jobs=(_GRANULARITY,),
    gather=claim.study(_GRANULARITY, 'kind', 'num_features'),
    statistic=lambda a: (
      claim.share(_features_less(a, *_WHOLE) > 0, _features_less(a, *_WHOLE))
      - 0.5
    ),
    printed={claim.RESNET50: round(17 / 19 - 0.5, 2)},
    printed_as='"only two" that are not',
    **claim.SHARE,
    **_RESNET,
  ),
  Claim(
    id='number_kept_in_between',
    sentence='Accuracy is best with neither the fewest nor all features '
    '(around 1000 of 29,800).',
    where='section 4.3, Figure 6',
    text='best mean over the numbers of features in between less the better of '
    'the fewest and of all, points',
    jobs=(_GRANULARITY,),
    gather=claim.study(_GRANULARITY, 'kind', 'num_features'),
    statistic=_number_between,
    **_RESNET,
  ),
)


def _source(row: claim.Row) -> str | None:
  """'own', or whose features they are."""
  if row['job'] != jobs.TRANSFER:
    return None
  return 'own' if row['source'] == row['task'] else f'other {row["source"]}'


def _others(a: claim.Accuracies) -> np.ndarray:
  """Accuracies with other tasks' features, `[sources, ..., tasks]`."""
  found = [v for name, v in a.items() if name.startswith('other ')]
  return np.stack(found or [np.full(a['own'].shape, np.nan)])


def _mean_of_others(a: claim.Accuracies) -> np.ndarray:
  """Over the sources that a task has, `[..., tasks]`."""
  return claim.mean(np.moveaxis(_others(a), 0, -1))


def _best_source(a: claim.Accuracies) -> np.ndarray:
  """Mean of own features less the best source's mean over all tasks.

  On a source's own task, and where it was not measured, own features count.
  """
  others = _others(a)
  with_own = np.where(np.isnan(others), a['own'], others)
  return claim.mean(a['own']) - np.max(claim.mean(with_own), axis=0)


def _transfer(
  name: str,
  sentence: str,
  where: str,
  text: str,
  statistic: claim.Statistic,
  **fields: Any,
) -> Claim:
  return Claim(
    id=name,
    sentence=sentence,
    where=where,
    text=text,
    jobs=(jobs.TRANSFER,),
    gather=claim.by_row(_source),
    statistic=statistic,
    needs=('own',),
    partial=True,
    **_RESNET,
    **fields,
  )


TRANSFER: tuple[Claim, ...] = (
  _transfer(
    'own_features_best',
    "On average features that were selected for another task lower a task's "
    'accuracy.',
    'section 4.3, Figure 7 left',
    "mean of own features less the mean of other tasks', points",
    lambda a: claim.mean(a['own'] - _mean_of_others(a)),
  ),
  _transfer(
    'own_features_best_mostly',
    'Most tasks do best with their own features.',
    'section 4.3, Figure 7',
    "share of the tasks where no other task's features are above own ones, "
    'less a half',
    lambda a: (
      claim.share(
        np.all((a['own'] >= _others(a)) | np.isnan(_others(a)), axis=0),
        _mean_of_others(a),
      )
      - 0.5
    ),
    **claim.SHARE,
  ),
  _transfer(
    'no_source_serves_all',
    'No single task has features that are best for all.',
    'section 4.3, Figure 7 left',
    "mean of own features less the best single source's mean over all tasks, "
    'points',
    _best_source,
  ),
  Claim(
    id='flowers_and_pets_gain_from_others',
    sentence='Flowers-102 and Pets do better with the features of others, like '
    'sNORB-Elev.',
    where='section 4.3',
    text='mean of the features of snorb_elev less own ones over flowers102 and '
    'pets, points',
    jobs=(jobs.TRANSFER,),
    gather=claim.by_row(
      lambda row: (
        _source(row)
        if row['task'] in ('flowers102', 'pets')
        and row.get('source') in (row['task'], 'snorb_elev')
        else None
      )
    ),
    statistic=lambda a: claim.mean(a['other snorb_elev'] - a['own']),
    needs=('own', 'other snorb_elev'),
    **_RESNET,
  ),
)


def _candidates(a: claim.Accuracies) -> dict[tuple[int, int], np.ndarray]:
  """By target size, and of how many taps one is used; ascending."""
  found = {
    (int(size), int(stride)): values
    for (size, stride), values in ((n.split(), v) for n, v in a.items())
  }
  return dict(sorted(found.items()))


def _most_less_fewest(a: claim.Accuracies) -> np.ndarray:
  found = _candidates(a)
  sizes = sorted({size for size, _ in found})
  strides = sorted({stride for _, stride in found})
  most, fewest = (sizes[-1], strides[0]), (sizes[0], strides[-1])
  if most not in found or fewest not in found:
    return claim.nothing(a)
  return claim.mean(found[most] - found[fewest])


def _largest_less_smallest(a: claim.Accuracies) -> np.ndarray:
  """Of the target sizes, with all taps."""
  found = _candidates(a)
  sizes = sorted({size for size, stride in found if stride == 1})
  if len(sizes) < 2:
    return claim.nothing(a)
  return claim.mean(found[sizes[-1], 1] - found[sizes[0], 1])


def _all_layers_best(a: claim.Accuracies) -> np.ndarray:
  """The smallest lead of all taps over parts of them, over target sizes."""
  found = _candidates(a)
  leads = [
    claim.mean(found[size, 1] - values)
    for (size, stride), values in found.items()
    if stride > 1 and (size, 1) in found
  ]
  return np.min(leads or [claim.nothing(a)], axis=0)


def _named_groups(rows: Sequence[claim.Row]) -> claim.Found:
  """Accuracies by candidates, and in which of the paper's groups tasks are."""
  table = published.table('figure7_groups')
  groups = dict(zip(table['task'], table['set']))
  named = {
    row['task']: [float(groups[row['task']] == 'group 1')]
    for row in rows
    if row['task'] in groups
  }
  found = claim.study(_SCALING, 'target_size', 'tap_stride')(rows)
  return found | ({_GROUPED: named} if named else {})


def _first_group_gains_more(a: claim.Accuracies) -> np.ndarray:
  """From the smallest to the largest target size, with all taps."""
  found = _candidates({n: v for n, v in a.items() if n != _GROUPED})
  sizes = sorted({size for size, stride in found if stride == 1})
  if len(sizes) < 2:
    return claim.nothing(a)
  rise = found[sizes[-1], 1] - found[sizes[0], 1]
  first = a[_GROUPED] > 0
  return claim.mean(np.where(first, rise, np.nan)) - claim.mean(
    np.where(first, np.nan, rise)
  )


def _scaling(
  name: str,
  sentence: str,
  where: str,
  text: str,
  statistic: claim.Statistic,
) -> Claim:
  return Claim(
    id=name,
    sentence=sentence,
    where=where,
    text=text,
    jobs=(_SCALING,),
    gather=claim.study(_SCALING, 'target_size', 'tap_stride'),
    statistic=statistic,
  )


CANDIDATES: tuple[Claim, ...] = (
  _scaling(
    'more_candidates_help',
    'The more candidate features, the better (the most against the fewest).',
    'section 4.3, Figures 7 right and 14',
    'mean of all taps at the largest target size less the fewest taps at the '
    'smallest, points',
    _most_less_fewest,
  ),
  _scaling(
    'larger_target_sizes_help',
    'The larger the target size, the better (with all layers, the largest '
    'against the smallest).',
    'section 4.3, Figures 7 right and 14',
    'mean of the largest target size less the smallest, with all taps, points',
    _largest_less_smallest,
  ),
  _scaling(
    'all_layers_best',
    'Candidates of all layers are always best on average.',
    'section 4.3, Figures 7 right and 14',
    'smallest mean lead, over target sizes, of all taps over a quarter or a '
    'sixteenth of them, points',
    _all_layers_best,
  ),
  Claim(
    id='group_1_gains_more_than_group_2',
    sentence="The paper's two groups of tasks behave differently when layers "
    'give more features (by its Table 2, Group 1 gains more).',
    where='section 4.3, Figures 7 right and 14',
    text='mean rise from the smallest to the largest target size, with all '
    'taps, of the tasks in Group 1 less that in Group 2, points',
    jobs=(_SCALING,),
    gather=_named_groups,
    statistic=_first_group_gains_more,
    needs=(_GROUPED,),
  ),
  claim.untestable(
    'scaling_alike',
    'With more candidates the ViT-B/16 behaves much like the ResNet-50.',
    'Appendix J, Figure 14',
    'it compares two runs, and no threshold is named',
  ),
)
