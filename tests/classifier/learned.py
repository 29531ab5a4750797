"""Examples with features, for tests of how heads are trained on them."""

import functools
import pathlib
import tempfile

import numpy as np

from tests import testing
from vtab_h2t.classifier import budget
from vtab_h2t.classifier import learning
from vtab_h2t.features import extraction
from vtab_h2t.features import store

SPACE = testing.tiny_space(
  folds=(), head2toe={'coefficients': (1e-5,), 'fractions': (0.1, 0.5)}
)
# Deleted at the end.
_FOLDER = tempfile.TemporaryDirectory()


@functools.cache
def features():
  """Those of the tiny task, at one target size."""
  return store.open_or_compute(
    pathlib.Path(_FOLDER.name),
    extraction.Extractor(testing.tiny_backbone(), (30,)),
    testing.tiny_task().train,
    testing.no_progress,
  )


def data(folder, allowed=2**40, **changes):
  """The tiny task as what heads are trained on."""
  task = testing.tiny_task()
  labels = task.train.labels
  return learning.Data(
    **{
      'features': features(),
      'labels': labels,
      'order': np.random.default_rng(0).permutation(len(labels)),
      'classes': task.num_classes,
      'seed': 0,
      'memory': budget.Memory(allowed),
      'folder': folder,
      'steps': 30,
      **changes,
    }
  )
