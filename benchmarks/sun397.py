r"""SUN397 at the largest target size: a head that the paper left out.

1,696,552 features, 397 classes, 1000 examples: the paper reports no memory for
it (Appendix A). Prints the time of a step and the most memory that was held.

  python -m benchmarks.sun397
  python -m benchmarks.sun397 --setting=small
"""

from collections.abc import Iterator, Sequence
import time
from typing import TYPE_CHECKING

from absl import app
import numpy as np

from benchmarks import harness
from vtab_h2t.heads import sweep
from vtab_h2t.protocol import provenance

if TYPE_CHECKING:
  import tensorflow as tf

_WIDTH = 2**15  # Of a tap's features.


def _parts(features: int) -> 'Iterator[tf.Tensor]':
  """Features of 1024 examples, tap by tap."""
  for seed, first in enumerate(range(0, features, _WIDTH)):
    yield harness.uniform(1024, min(_WIDTH, features - first), seed)


def main(argv: Sequence[str]) -> None:
  del argv
  small = harness.SETTING.value == harness.SMALL
  features, classes = (200_000, 50) if small else (1_696_552, 397)
  steps = 8
  y = np.random.default_rng(0).integers(0, classes, 1000)
  problem = sweep.Problem(
    lambda: _parts(features),
    features,
    y,
    [sweep.HeadSpec(0.01, (0,), 1e-4)],
  )
  started = time.perf_counter()
  ((_, (head,)),) = sweep.train(
    [problem],
    classes=classes,
    steps=steps,
    penalty='l21',
    memory_bytes=20 * 2**30,
  )
  assert np.isfinite(head.bias).all()
  harness.write(
    'sun397',
    [
      {
        'features': features,
        'classes': classes,
        'steps': steps,
        'seconds': time.perf_counter() - started,
        'peak_gib': provenance.peak_memory() / 2**30,
      }
    ],
  )


if __name__ == '__main__':
  app.run(main)
