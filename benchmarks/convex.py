r"""The group lasso solved, beside Adam's approach to it.

  python -m benchmarks.convex
  python -m benchmarks.convex --setting=small
  python -m benchmarks.convex --adelie=PYTHON

On the train features of an embedded task. Adam trains the heads that Head2Toe
does, two learning rates x the coefficients, together; the objective is that of
the better head. The solver goes through the same coefficients. Beside them:
rank correlation of the two relevances over all features, and the share of the
best features that both have, for as many as the solution uses and for the
fractions of Head2Toe.

`--adelie` names a Python that has adelie (it wants an older numpy than this
project): its path is compared for objective and time.
"""

from collections.abc import Sequence
import json
import pathlib
import subprocess
import tempfile

from absl import app
from absl import flags
import numpy as np

from benchmarks import harness
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.heads import convex
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import linear
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.tasks import registry as tasks

_ADELIE = flags.DEFINE_string('adelie', None, 'A Python that imports adelie.')
_RATES, _COEFFICIENTS, _FRACTIONS = (0.1, 0.01), (1e-5, 1e-3), (0.01, 0.1)

# Run by the other Python: features, labels, coefficient; prints JSON.
_REFERENCE = """
import json, sys, time
import adelie, numpy as np
x = np.asfortranarray(np.load(sys.argv[1]), np.float64)
y = np.eye(int(sys.argv[4]))[np.load(sys.argv[2])]
points = np.array(json.loads(sys.argv[3]))
started = time.process_time()
state = adelie.grpnet(
    x, adelie.glm.multinomial(y), penalty=np.ones(x.shape[1]),
    lmda_path=points / y.shape[1], n_threads=1, progress_bar=False,
    early_exit=False)
spent = time.process_time() - started
kernel = np.asarray(state.betas[-1].todense()).reshape(x.shape[1], -1)
logits = x @ kernel + state.intercepts[-1]
top = logits.max(axis=1, keepdims=True)
loss = (np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        - (logits * y).sum(axis=1)).mean()
norms = np.linalg.norm(kernel, axis=1)
print(json.dumps({'adelie_objective': loss + points[-1] * norms.sum(),
                  'adelie_used': int((norms > 0).sum()),
                  'adelie_cpu_seconds': spent}))
"""


def _objective(
  x: np.ndarray,
  y: np.ndarray,
  kernel: np.ndarray,
  bias: np.ndarray,
  coefficient: float,
) -> float:
  import tensorflow as tf

  logits = x.astype(np.float64) @ kernel.T + bias
  loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
  return float(tf.reduce_mean(loss)) + coefficient * float(
    np.linalg.norm(kernel, axis=0).sum()
  )


def _shared(one: np.ndarray, two: np.ndarray, count: int) -> float:
  """Share of the best `count` features that two rankings have in common."""
  best = [np.argsort(-s, kind='stable')[:count] for s in (one, two)]
  return len(np.intersect1d(*best)) / count


def _adelie(
  x: np.ndarray, y: np.ndarray, coefficient: float
) -> dict[str, float]:
  with tempfile.TemporaryDirectory() as folder:
    files = [str(pathlib.Path(folder, f'{n}.npy')) for n in ('x', 'y')]
    for file, value in zip(files, (x, y)):
      np.save(file, value)
    largest = convex.path(x, y, [1e3])[0].entered.max()
    points = np.geomspace(largest, coefficient, 30).tolist()
    done = subprocess.run(
      [
        _ADELIE.value,
        '-c',
        _REFERENCE,
        *files,
        json.dumps(points),
        str(y.max() + 1),
      ],
      check=True,
      stdout=subprocess.PIPE,
      text=True,
    )
  return json.loads(done.stdout.splitlines()[-1])


def _compare(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  size: int,
  coefficients: Sequence[float],
  steps: int,
) -> list[dict[str, float]]:
  x, y = data.matrix(size, examples).numpy(), data.labels[examples]
  heads = linear.stack_of(_RATES, coefficients, 0)
  trained: list[sweep.Head] = []

  def adam() -> None:
    problem = data.heads.problem(size, examples, heads)
    ((_, trained[:]),) = data.heads.train([problem], steps, 'l21')

  solved: list[convex.Solution] = []

  def solve() -> None:
    solved[:] = convex.path(x, y, coefficients)

  convex.path(x[:100, :20], y[:100], [1.0])  # Compiles.
  times = harness.timed(adam, 1, 0), harness.timed(solve, 1, 0)
  from scipy import stats

  found = []
  for solution in solved:
    c = solution.coefficient
    of_adam = [
      (_objective(x, y, t.kernel.numpy(), t.bias.numpy(), c), t)
      for h, t in zip(heads, trained)
      if h.coefficient == c
    ]
    least, best = min(of_adam, key=lambda pair: pair[0])
    scores = fraction_lib.relevance_scores(best.kernel)
    used = len(solution.columns)
    counts = {'used': used} | {
      f: fraction_lib.num_kept(x.shape[1], f) for f in _FRACTIONS
    }
    found.append(
      {
        'features': x.shape[1],
        'classes': data.classes,
        'steps': steps,
        'coefficient': c,
        'adam_objective': least,
        'objective': solution.objective,
        'relative_gap': solution.gap / solution.objective,
        'used': used,
        'rank_correlation': float(
          stats.spearmanr(scores, solution.entered).statistic
        ),
        **{
          f'shared_{k}': _shared(scores, solution.entered, n)
          for k, n in counts.items()
        },
        'adam_cpu_seconds': times[0].cpu,
        'convex_cpu_seconds': times[1].cpu,
        **(_adelie(x, y, c) if _ADELIE.value else {}),
      }
    )
  return found


def main(argv: Sequence[str]) -> None:
  del argv
  small = harness.SETTING.value == harness.SMALL
  sizes = (256,) if small else (256, 1024, 4096)
  backbone = backbones.load(
    'efficientnet_lite0', 'imagenet', 32 if small else 96
  )
  extractor = extraction.Extractor(backbone, sizes)
  rows = []
  for name in ('digits',) if small else ('digits', 'sprites_loc'):
    (task,) = tasks.tasks('embedded', [name])
    with tempfile.TemporaryDirectory() as folder:
      features = store.open_or_compute(
        pathlib.Path(folder), extractor, task.train, harness.tell_nobody
      )
      data = data_lib.TrainingData(
        features, task.train.labels, task.num_classes, 'selected', 8 * 2**30
      )
      some = folds_lib.training_order(task.final_examples)
      for size in sizes:
        for one in _compare(
          data, some, size, (1e-3,) if small else _COEFFICIENTS, 500
        ):
          rows.append({'task': name} | one)
  harness.write('convex', rows)


if __name__ == '__main__':
  app.run(main)
