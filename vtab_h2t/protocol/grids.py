"""Which settings are tried (Head2Toe, Appendix A and Table 2).

The two contradict each other: Appendix A's text has other target sizes for the
ResNet-50 than those from which Table 2 chooses, and no fraction 0.2, which
Table 2 chooses four times. `paper` follows Table 2, `appendix_a` the text.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import hparams as hparams_lib
from vtab_h2t.studies import registry as studies
from vtab_h2t.tasks import task as task_lib

# Paper's values for its backbones (Table 2); this project's for the others.
TARGET_SIZES = {
  'resnet50': (512, 8192, 24576),
  'keras_cv_resnet50': (512, 8192, 24576),
  'vit_b16': (768, 15360, 32448),
  'vit_s16': (768, 15360, 32448),
  'vit_ti16': (768, 15360, 32448),
  'vit': (768, 15360, 32448),
  'efficientnet_lite0': (256, 1024, 4096),
  'efficientnet_lite1': (256, 1024, 4096),
  'efficientnet_lite2': (256, 1024, 4096),
  'resnet26': (64, 256, 1024),
}
# How many features the embedding has. Studies that set whole taps beside it
# pool them to about as many (sections 3.2 and 4.3), and keep as many.
EMBEDDING_SIZES = {
  'resnet50': 2048,
  'keras_cv_resnet50': 2048,
  'vit_b16': 768,
  'vit_s16': 384,
  'vit_ti16': 192,
  'vit': 768,  # A ViT-B's; files have others.
  'efficientnet_lite0': 1280,
  'efficientnet_lite1': 1280,
  'efficientnet_lite2': 1280,
  'resnet26': 64,
}
# What the quick grid changes of methods that train the backbone. Those that the
# paper compares with Head2Toe have the budget of frozen heads, 500 steps of 128
# images; the others their papers' epochs, with three rates at most.
_QUICK: dict[str, dict[str, Any]] = {
  **{
    name: {'steps': (500,)}
    for name in ('scratch', 'finetune', 'linearized', 'head2toe_ft')
  },
  'lp_ft': {'learning_rates': (1e-4, 1e-5, 1e-6)},
  **{
    name: {'learning_rates': (1e-2, 1e-3, 1e-4)}
    for name in ('surgical', 'auto_rgn', 'auto_snr')
  },
  'head_probe': {'epochs': (32,), 'batch': 64, 'taus': (0, 8, 64)},
}
# And of methods after Head2Toe that take long to train.
_QUICK_SUCCESSORS: dict[str, dict[str, Any]] = {
  'alf': {
    'weight_decays': (0.1, 1e-3),
    'dropouts': (0.0, 0.3),
    'steps': (500,),
  },
  'vqt': {
    'learning_rates': (0.05, 0.25, 1.0),
    'weight_decays': (1e-4,),
    'queries': (1,),
    'kept_fractions': (0.3, 0.7),
  },
}
# Of the studies: the setting of the quick grid that did best on the validation
# parts of the embedded suite's tasks, on average.
_STUDY: dict[str, Any] = {
  'learning_rate': 0.01,
  'steps': 500,
  'coefficient': 1e-5,
}
# Of studies that keep a fraction: the same grid's best at 96 pixels; at 64, 0.2
# is ahead (72.9 against 71.4 % of the validation images).
_FRACTION = 0.1
# Methods that have all options that a single setting gives, between them; of
# one name the last one's are meant.
_LIKE_FROZEN = 'knn', 'dino_linear', 'head2toe'
_LIKE_TRAINED = 'head2toe', 'finetune', 'surgical', 'head_probe'


def target_sizes(backbone: str) -> tuple[int, ...]:
  """Those of a backbone; of a registered one, a ResNet's."""
  return TARGET_SIZES.get(backbone, TARGET_SIZES['resnet50'])


def embedding_size(backbone: str) -> int:
  """That of a backbone; of a registered one, a ResNet's."""
  return EMBEDDING_SIZES.get(backbone, EMBEDDING_SIZES['resnet50'])


def _fields(options_type: type[space_lib.Options]) -> set[str]:
  return {f.name for f in dataclasses.fields(options_type)}


def _space(
  name: str,
  folds: tuple[int, ...],
  backbone: str,
  options: Mapping[str, Mapping[str, Any]],
) -> space_lib.Space:
  """A space of all methods' own options but for some, and of the studies."""
  sizes: dict[str, Any] = {'target_sizes': target_sizes(backbone)}
  found: dict[str, space_lib.Options] = {}
  for method in methods.MEASURED.values():
    kept = sizes if 'target_sizes' in _fields(method.options_type) else {}
    found[method.name] = method.options_type(
      **{**kept, **options.get(method.name, {})}
    )
  for study, options_type in studies.OPTIONS.items():
    found[study] = _study_options(options_type, backbone)
  return space_lib.Space(name=name, folds=folds, options=found)


def _study_options(
  options_type: type[space_lib.Options], backbone: str
) -> space_lib.Options:
  """The one setting of a study.

  Studies that keep a fraction have the target size that the setting was found
  with, the smallest; the others that of the embedding.
  """
  fields, sizes = _fields(options_type), target_sizes(backbone)
  values = _STUDY | {
    'target_size': sizes[0]
    if 'fraction' in fields
    else embedding_size(backbone),
    'kept': embedding_size(backbone),
    'fraction': _FRACTION,
    'target_sizes': sizes,
  }
  return options_type(**{k: v for k, v in values.items() if k in fields})


def paper(backbone: str) -> space_lib.Space:
  """Five folds and the full grid: Appendix A, with Table 2's choices in it.

  Target sizes are those from which Table 2 chooses, and the fractions have its
  0.2 besides the eight of Appendix A's text; see `appendix_a`.
  """
  return _space('paper', tuple(range(task_lib.NUM_FOLDS)), backbone, {})


def appendix_a(backbone: str) -> space_lib.Space:
  """`paper` with the target sizes and fractions that Appendix A's text prints.

  The sizes are for the ResNet-50s; of other networks, the ViT-B/16 among them,
  those of `paper` stay. Studies are as in `paper`.
  """
  printed: dict[str, Any] = {
    'fractions': tuple(f for f in fraction_lib.FRACTIONS if f <= 0.1)
  }
  if backbone in ('resnet50', 'keras_cv_resnet50'):
    printed['target_sizes'] = 1024, 16384, 40000
  changes = {
    method.name: {
      field: value
      for field, value in printed.items()
      if field in _fields(method.options_type)
    }
    for method in methods.MEASURED.values()
  }
  return dataclasses.replace(
    paper(backbone).changed(changes), name='appendix_a'
  )


def quick(backbone: str) -> space_lib.Space:
  """One fold, 500 steps and the smallest target size; else the paper's.

  Methods that train the backbone have budgets of their own.
  """
  whole = paper(backbone)
  changes: dict[str, dict[str, Any]] = {
    name: {
      field: getattr(whole.of(name), field)[:1]
      for field in ('steps', 'target_sizes')
      if field in _fields(method.options_type)
    }
    for name, method in (methods.FROZEN | methods.SUCCESSORS).items()
  }
  return dataclasses.replace(
    whole.changed(changes | _QUICK | _QUICK_SUCCESSORS),
    name='quick',
    folds=(task_lib.NUM_FOLDS - 1,),
  )


def single(
  name: str, backbone: str, values: Mapping[str, float | str]
) -> space_lib.Space:
  """One setting, without search.

  Args:
    name: of the grid.
    backbone: id.
    values: of the keys of `hparams.parse`; those not given stay empty.
  """

  def one(key: str) -> tuple[Any, ...]:
    return (values[key],) if key in values else ()

  options = {}
  for method in methods.MEASURED.values():
    kind = method.name.removeprefix('all_')
    penalty = kind if kind in ('l1', 'l2', 'ridge', 'logistic') else 'l21'
    given: dict[str, Any] = {
      'learning_rates': one('lr'),
      'steps': one('steps'),
      'target_sizes': one('target_size'),
      'fractions': one('fraction'),
      'coefficients': one(penalty),
      'neighbours': one('k'),
      'last_blocks': one('last_blocks'),
      'patch_means': tuple(map(bool, one('patch_mean'))),
      'weight_decays': one('weight_decay'),
      'dropouts': one('dropout'),
      'queries': one('queries'),
      'kept_fractions': one('fraction'),
    }
    if method.trains_network and method.name not in methods.SUCCESSORS:
      given = {
        'learning_rates': one('ft_lr'),
        'steps': one('ft_steps'),
        'epochs': one('epochs'),
        'blocks': one('block'),
        'taus': one('tau'),
      } | ({'batch': values['batch']} if 'batch' in values else {})
    fields = _fields(method.options_type)
    options[method.name] = {k: v for k, v in given.items() if k in fields}
  return _space(name, (), backbone, options)


def from_table_2(backbone: str) -> space_lib.Space:
  """The settings that the paper chose for Head2Toe, task by task.

  Raises:
    errors.InputError: Table 2 has no entry for the backbone.
  """
  table = published.table('table2_hyperparameters')
  table = table[table.backbone == backbone]
  if not len(table):
    raise errors.InputError(
      f"the paper's Table 2 has no hyper-parameters for backbone {backbone};"
      ' use --grid=quick, paper or fixed'
    )
  by_task = {
    row.task: single(
      'published',
      backbone,
      {
        'lr': float(row.learning_rate),
        'steps': int(row.steps),
        'target_size': int(row.target_size),
        'fraction': float(row.fraction),
        'l21': float(row.l21_coefficient),
      },
    )
    for row in table.itertuples()
  }
  return dataclasses.replace(single('published', backbone, {}), by_task=by_task)


# Those that search, by their names, for any backbone.
SEARCHES = {'quick': quick, 'paper': paper, 'appendix_a': appendix_a}
GRIDS = (*SEARCHES, 'published', 'fixed')


def get(name: str, backbone: str, hparams: str = '') -> space_lib.Space:
  """A space by its name.

  Args:
    name: one of `GRIDS`.
    backbone: backbone id.
    hparams: for 'fixed', the setting as text.

  Raises:
    errors.InputError: unknown grid, `hparams` with another grid or without
      content, or a registered method that has the name of a study.
  """
  if name not in GRIDS:
    raise errors.InputError(
      f'unknown grid {name!r}; choose from {", ".join(GRIDS)}'
    )
  if bool(hparams) != (name == 'fixed'):
    raise errors.InputError(
      '--hparams goes with --grid=fixed, and that grid needs it'
    )
  if name == 'fixed':
    space = single(name, backbone, hparams_lib.parse(hparams))
  elif name == 'published':
    space = from_table_2(backbone)
  else:
    space = SEARCHES[name](backbone)
  return _with_registered(space)


def _with_registered(space: space_lib.Space) -> space_lib.Space:
  """A space of one of `GRIDS`, and the options of registered methods.

  These are their defaults, but for tuples that are called as those of this
  package's methods: `target_sizes` that are empty are the backbone's in the
  space, and in a single setting all are what the setting gives.

  Raises:
    errors.InputError: one has the name of a study.
  """
  if not methods.REGISTERED:
    return space
  options = dict(space.options)
  for name, method in methods.REGISTERED.items():
    if name in options or name in studies.COMPANIONS:
      raise errors.InputError(
        f'the method {name} has the name of a study; choose another'
      )
    given: dict[str, Any] = {}
    for one in _LIKE_TRAINED if method.trains_network else _LIKE_FROZEN:
      given |= vars(space.of(one))
    defaults = method.options_type()
    changes = {}
    for field in _fields(method.options_type) & given.keys():
      value = getattr(defaults, field)
      is_open = not space.folds or (field, value) == ('target_sizes', ())
      if is_open and isinstance(value, tuple) and given[field]:
        changes[field] = given[field]
    options[name] = dataclasses.replace(defaults, **changes)
  return dataclasses.replace(
    space,
    options=options,
    by_task={
      task: _with_registered(one) for task, one in space.by_task.items()
    },
  )
