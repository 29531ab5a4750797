"""Which hyper-parameters are tried (Head2Toe, Appendix A and Table 2)."""

from collections.abc import Mapping, Sequence
import dataclasses

from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.methods import base
from vtab_h2t.methods import tuned
from vtab_h2t.selection import fraction as fraction_lib
from vtab_h2t.studies import base as study_lib
from vtab_h2t.tasks import task as task_lib

# Paper's values for its backbones (Table 2); this project's for the others.
TARGET_SIZES = {
    'resnet50': (512, 8192, 24576),
    'keras_cv_resnet50': (512, 8192, 24576),
    'vit_b16': (768, 15360, 32448),
    'vit_s16': (768, 15360, 32448),
    'vit_ti16': (768, 15360, 32448),
    'efficientnet_lite0': (256, 1024, 4096),
    'efficientnet_lite2': (256, 1024, 4096),
}
_LEARNING_RATES = (0.1, 0.01)
_STEPS = (500, 5000)
_COEFFICIENTS = (1e-5, 1e-4, 1e-3)
_SELECTION_COEFFICIENTS = (1e-5, 1e-3)
# Five epochs of 1000 images in batches of 64; fewer rates and taus than papers.
LIGHT = tuned.Tuning(
    learning_rates=(0.1, 0.01), steps=(80,), batch=64,
    lp_ft_learning_rates=(1e-4, 1e-5), surgical_learning_rates=(1e-3,),
    surgical_steps=(80,), taus=(1, 8, 64))


@dataclasses.dataclass(frozen=True)
class Grid:
  """A search space, or a single setting; an empty field means: not given.

  Attributes:
    name: as in result rows.
    folds: numbers of the folds to choose on; none where nothing is chosen.
    learning_rates: initial learning rates.
    steps: numbers of optimisation steps.
    target_sizes: target sizes of pooling.
    fractions: fractions of features that Head2Toe keeps.
    penalty_coefficients: penalty to the coefficients that all_* methods try.
    selection_coefficients: l21 coefficients that Head2Toe selects with.
    tuning: of the methods that train the backbone.
    score_solver: of `base.SCORE_SOLVERS`, for Head2Toe's selection.
  """

  name: str
  folds: tuple[int, ...]
  learning_rates: tuple[float, ...]
  steps: tuple[int, ...]
  target_sizes: tuple[int, ...]
  fractions: tuple[float, ...]
  penalty_coefficients: Mapping[str, tuple[float, ...]]
  selection_coefficients: tuple[float, ...]
  _: dataclasses.KW_ONLY  # One taken for another would go unnoticed.
  tuning: tuned.Tuning = tuned.Tuning()
  score_solver: str = base.ADAM

  def coefficients(self, penalty: str) -> Sequence[float]:
    """Coefficients to try for a penalty; empty if none are given."""
    return self.penalty_coefficients.get(penalty, ())


def target_sizes(backbone: str) -> tuple[int, ...]:
  """Those of a backbone; of one's own, a ResNet's."""
  return TARGET_SIZES.get(backbone, TARGET_SIZES['resnet50'])


def paper(backbone: str) -> Grid:
  """Appendix A: five folds and the full grid."""
  return Grid('paper', tuple(range(task_lib.NUM_FOLDS)), _LEARNING_RATES,
              _STEPS,
              target_sizes(backbone), fraction_lib.FRACTIONS,
              dict.fromkeys(('l1', 'l2', 'l21'), _COEFFICIENTS),
              _SELECTION_COEFFICIENTS)


def quick(backbone: str) -> Grid:
  """One fold, 500 steps and the smallest target size; else the paper's."""
  return dataclasses.replace(
      paper(backbone), name='quick', folds=(task_lib.NUM_FOLDS - 1,),
      steps=_STEPS[:1], target_sizes=target_sizes(backbone)[:1],
      tuning=dataclasses.replace(tuned.Tuning(), steps=_STEPS[:1]))


def light(backbone: str) -> Grid:
  """The quick grid, and little tuning: what two cores do in two hours."""
  return dataclasses.replace(quick(backbone), name='light', tuning=LIGHT)


def study(backbone: str) -> study_lib.Space:
  """What studies are run with: one setting of Head2Toe for every task.

  It is the one of the quick grid with the best mean validation accuracy over
  the embedded suite.
  """
  sizes = target_sizes(backbone)
  return study_lib.Space(
      'study', (task_lib.NUM_FOLDS - 1,),
      base.Hparams(0.01, _STEPS[0], sizes[0], 1e-5, 0.1),
      _LEARNING_RATES, sizes, fraction_lib.FRACTIONS)


def single(name: str, values: Mapping[str, float | str]) -> Grid:
  """One setting, without search.

  Args:
    name: of the grid.
    values: 'lr', 'steps', 'target_size', 'fraction', 'l1', 'l2', 'l21', and for
      the methods that train the backbone 'ft_lr', 'ft_steps', 'batch', 'block',
      'tau'; those not given stay empty.
  """
  one = lambda key, kind: (kind(values[key]),) if key in values else ()
  return Grid(name, (), one('lr', float), one('steps', int),
              one('target_size', int), one('fraction', float),
              {p: one(p, float) for p in ('l1', 'l2', 'l21')},
              one('l21', float), tuning=tuned.Tuning(
                  one('ft_lr', float), one('ft_steps', int),
                  int(values['batch']) if 'batch' in values else None,
                  lp_ft_learning_rates=one('ft_lr', float),
                  surgical_learning_rates=one('ft_lr', float),
                  surgical_steps=one('ft_steps', int),
                  blocks=one('block', str), taus=one('tau', int)))


def from_table_2(backbone: str, task: str) -> Grid:
  """The hyper-parameters that the paper chose for Head2Toe.

  Raises:
    errors.InputError: Table 2 has no entry for the backbone and task.
  """
  table = published.table('table2_hyperparameters')
  row = table[(table.backbone == backbone) & (table.task == task)]
  if len(row) != 1:
    raise errors.InputError(
        f'the paper\'s Table 2 has no hyper-parameters for backbone {backbone} '
        f'and task {task}; use --grid=quick, paper or fixed')
  row = row.iloc[0]
  return single('published', {
      'lr': row.learning_rate, 'steps': row.steps,
      'target_size': row.target_size, 'fraction': row.fraction,
      'l21': row.l21_coefficient})


_POSITIVE = {'lr': float, 'steps': int, 'target_size': int, 'fraction': float,
             'ft_lr': float, 'ft_steps': int, 'batch': int}
_NOT_NEGATIVE = {'l1': float, 'l2': float, 'l21': float, 'tau': int}


def parse_hparams(text: str) -> dict[str, float | str]:
  """Parses 'lr=0.01,steps=500,...'.

  Raises:
    errors.InputError: an unknown key, a value that is no number or out of its
      range, or a key given twice.
  """
  values: dict[str, float | str] = {}
  kinds = _POSITIVE | _NOT_NEGATIVE | {'block': str}
  for item in filter(None, text.split(',')):
    key, _, value = item.partition('=')
    if key not in kinds or key in values:
      raise errors.InputError(
          f'--hparams: {item!r} is unknown or given twice; the keys are '
          f'{", ".join(kinds)}')
    if key == 'block':
      values[key] = value
      continue
    try:
      values[key] = kinds[key](value)
    except ValueError:
      values[key] = -1
    low_enough = key != 'fraction' or values[key] <= 1
    above = values[key] > 0 if key in _POSITIVE else values[key] >= 0
    if not (low_enough and above and values[key] < float('inf')):
      raise errors.InputError(
          f'--hparams: {item!r} is out of range; for example lr=0.01,'
          'steps=500,target_size=768,fraction=0.05,l21=1e-5')
  return values


GRIDS = ('quick', 'light', 'paper', 'published', 'fixed')


def get(name: str, backbone: str, task: str, hparams: str = '') -> Grid:
  """A grid by name.

  Args:
    name: one of `GRIDS`.
    backbone: backbone id.
    task: task id.
    hparams: for 'fixed', the setting as text.

  Raises:
    errors.InputError: unknown grid, or `hparams` with another grid or without
      content.
  """
  if name not in GRIDS:
    raise errors.InputError(
        f'unknown grid {name!r}; choose from {", ".join(GRIDS)}')
  if bool(hparams) != (name == 'fixed'):
    raise errors.InputError(
        '--hparams goes with --grid=fixed, and that grid needs it')
  if name == 'fixed':
    return single(name, parse_hparams(hparams))
  if name == 'published':
    return from_table_2(backbone, task)
  return {'paper': paper, 'quick': quick, 'light': light}[name](backbone)
