"""Relevance scores other than the group lasso's.

Of the head that the group lasso trains: the l1 and l-infinity norms of each
feature's weights, beside the l2 norm that Head2Toe uses. Of the features
alone: how they vary, or nothing (random). Of features and labels: four of
scikit-learn's, and the order in which features enter the group lasso when it is
solved as the convex problem that it is (`convex`). That solution did not select
better features than Adam's head: Head2Toe was about 2 points behind with it on
average over the embedded suite, and 3 on Caltech101 (benchmarks/README.md, "The
group lasso, solved").

The two kinds of group lasso read normalised features, as heads do; the others
(`OF_DATA` but `NORMALISED`) the pooled features as they are, as in the released
code.
"""

from typing import TYPE_CHECKING
import warnings

import numpy as np

from vtab_h2t.heads import fraction

if TYPE_CHECKING:
  import tensorflow as tf

OF_KERNEL = ('l2', 'l1', 'linf')
OF_DATA = (
  'variance',
  'random',
  'f_classif',
  'mutual_info',
  'chi2',
  'extra_trees',
  'group_lasso',
)
# Those that another seed makes another score; in mutual_info it only parts
# features that are equal.
SEEDED = ('random', 'extra_trees')
# Those of data that are meant for normalised features.
NORMALISED = ('group_lasso',)
SCORES = OF_KERNEL + OF_DATA

_TREES = 50  # As the released code has it.


def of_kernel(name: str, kernel: 'tf.Tensor') -> np.ndarray:
  """Norms of the columns of a head's kernel.

  Args:
    name: of `OF_KERNEL`; 'l2' is Head2Toe's (equation 3).
    kernel: `[C, D]`.

  Returns:
    float32 `[D]`, at least 0.
  """
  if name == 'l2':
    return fraction.relevance_scores(kernel)
  size = np.abs(np.asarray(kernel))
  return size.sum(axis=0) if name == 'l1' else size.max(axis=0)


def of_data(
  name: str,
  features: np.ndarray,
  labels: np.ndarray,
  seed: int,
  *,
  coefficient: float,
) -> np.ndarray:
  """Scores of features by themselves or with the labels.

  Args:
    name: of `OF_DATA`. 'variance' is the standard deviation, which ranks as
      the variance does and is what the released code takes. 'chi2' counts
      features from their minimum, as it is defined for none below 0.
      'group_lasso' is `convex.Solution.entered`.
    features: float32 `[n, D]`, normalised for `NORMALISED`, else as pooled.
    labels: integers `[n]`.
    seed: of what is random.
    coefficient: of the group lasso, to which it falls; above 0.

  Returns:
    `[D]`; 0 for features that are constant.

  Raises:
    errors.InputError: the group lasso was not solved closely enough.
    ValueError: an unknown name, or for 'group_lasso' a coefficient that is not
      above 0 or labels of one class.
  """
  if name == 'variance':
    return features.std(axis=0)
  if name == 'random':
    return np.random.default_rng(seed).random((features.shape[1],))
  if name == 'group_lasso':
    from vtab_h2t.heads import convex  # With SciPy.

    return convex.path(features, labels, [coefficient])[0].entered
  from sklearn import ensemble
  from sklearn import feature_selection

  if name == 'f_classif':
    with (
      np.errstate(divide='ignore', invalid='ignore'),
      warnings.catch_warnings(),
    ):
      warnings.filterwarnings('ignore', '.*are constant', UserWarning)
      found, _ = feature_selection.f_classif(features, labels)
  elif name == 'mutual_info':
    found = feature_selection.mutual_info_classif(
      features, labels, discrete_features=False, random_state=seed, n_jobs=-1
    )
  elif name == 'chi2':
    found, _ = feature_selection.chi2(features - features.min(axis=0), labels)
  elif name == 'extra_trees':
    found = (
      ensemble.ExtraTreesClassifier(_TREES, random_state=seed, n_jobs=-1)
      .fit(features, labels)
      .feature_importances_
    )
  else:
    raise ValueError(f'unknown score {name!r}; choose from {SCORES}')
  return np.nan_to_num(found, nan=0.0)
