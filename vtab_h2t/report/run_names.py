"""Runs and studies by names that say to a reader what was measured."""

from collections.abc import Mapping
import pathlib
import re

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import retapping
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import accuracy
from vtab_h2t.protocol import companions
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import companion_rows
from vtab_h2t.tasks import registry as tasks

_SUITES = {
  tasks.VTAB: 'VTAB-1k',
  companion_rows.SUITE: 'shifted tasks',
}
_NETWORKS = (
  (r'resnet(\d+)', r'ResNet-\1'),
  (r'vit_(ti|s|b|l|h|g)_?(\d+)', r'ViT-\1/\2'),
  (r'efficientnet_lite(\d)', r'EfficientNet-Lite\1'),
)
_WEIGHTS = {
  'imagenet': 'pretrained on ImageNet',
  'random': 'with random weights',
}
_USUAL_GRIDS = 'quick', companions.FULL
_GRIDS = {
  'paper': "the paper's search",
  'appendix_a': "the search of the paper's Appendix A",
  'published': "the settings of the paper's Table 2",
  companions.QUICK: 'in the quick form',
}
# What single settings are told apart by, and the options that have it.
_SETTING = {
  'fraction': 'fractions',
  'group lasso': 'coefficients',
  'learning rate': 'learning_rates',
}
# Section 3.3's rules, in words.
NORMALIZATIONS = {
  normalization.SELECTED: 'unit norm after the selection',
  normalization.ONCE: 'unit norm before the selection',
  normalization.FEATURE: 'each feature standardised',
  normalization.NONE: 'no normalization',
}
# Table 6's variants, in words.
TAPS = {
  retapping.PRE_NORMALIZATION: 'before the normalization',
  retapping.PRE_ACTIVATION: 'before the activation',
  retapping.WITH_INPUT: 'with the pooled input',
}
# Relevance scores, in words.
SCORES = {
  'l2': 'group lasso, l2 norm (Head2Toe)',
  'l1': 'group lasso, l1 norm',
  'linf': 'group lasso, largest weight',
  'group_lasso': 'group lasso, solved',
  'variance': 'variance',
  'f_classif': 'F-test',
  'mutual_info': 'mutual information',
  'chi2': 'chi-squared test',
  'extra_trees': 'extra trees',
  'random': 'random order',
}
# What jobs besides Table 1's methods are about.
_JOBS: Mapping[str, str] = {
  'one_tap': 'single layers beside the last',
  'granularity': 'single features against whole layers',
  'relevance': 'which features are selected',
  'offset': 'features from lower ranks',
  'coefficient': 'the coefficient of the group lasso',
  'scores': 'ways to score features',
  'scaling': 'numbers of candidate features',
  'transfer': "other tasks' features",
  'control': 'a second network beside the first',
  'second': 'a second network',
  'reduced': 'fewer training images',
  **{kind: f'layers {words}' for kind, words in TAPS.items()},
  'cls_only': 'the class token alone',
  'cls_both': 'the class token beside the pooled ones',
  'lp_ft_shift': 'LP-FT',
  'surgical_shift': 'surgical fine-tuning',
  companions.SMALL: 'surgical fine-tuning of a small network',
  'head_probe_energy': 'head probing',
} | {f'normalization_{rule}': name for rule, name in NORMALIZATIONS.items()}


def network(backbone: str) -> str:
  """A network's name for its id; other ids as they are."""
  for pattern, name in _NETWORKS:
    if re.fullmatch(pattern, backbone):
      text = re.sub(pattern, name, backbone)
      return re.sub('-[a-z]+/', lambda m: m[0].title(), text)
  return backbone


def job(name: str) -> str:
  """What a job is about, for its id; other ids as they are."""
  return _JOBS.get(name, name)


def label(run: run_lib.Run) -> str:
  """Network, weights, tasks and size, and what is unusual, the setting too."""
  networks = [run.network, *([run.second] if run.second else [])]
  return ', '.join(
    [
      ' and '.join(map(with_weights, networks)),
      _SUITES.get(run.suite, f'{run.suite} suite'),
      f'{run.image_size} pixels',
      *_variants(run),
      *_search(run.space),
    ]
  )


def with_weights(one: run_lib.Network) -> str:
  """A network and its weights."""
  return f'{network(one.backbone)} {_weights(one.weights)}'


def _weights(name: str) -> str:
  stem = pathlib.Path(name).stem
  return _WEIGHTS.get(name, f'with weights of {stem}')


def _variants(run: run_lib.Run) -> list[str]:
  """What a run has otherwise than most."""
  taps = {backbones.RELEASED_TAPS: "the released code's taps"} | {
    name: f'taps {words}' for name, words in TAPS.items()
  }
  return [
    words
    for words, value, usual in (
      (taps.get(run.taps, f'{run.taps} taps'), run.taps, backbone_lib.ALL_TAPS),
      (f'class token {run.cls_pooling}', run.cls_pooling, pooling.CLS_POOLED),
      (f'resize {run.resize}', run.resize, preprocessing.BILINEAR),
      (f'crop {run.crop}', run.crop, preprocessing.SQUARE),
      (
        f'input scaling {run.network.input_scaling}',
        run.network.input_scaling,
        input_names.USUAL_INPUT,
      ),
      (f'precision {run.precision}', run.precision, backbone_lib.FLOAT32),
      (
        f'{run.train_fraction:.0%} of the training images',
        run.train_fraction,
        1,
      ),
      (
        NORMALIZATIONS[run.normalization],
        run.normalization,
        normalization.SELECTED,
      ),
      (
        "official accuracy (the released code's average)",
        run.protocol,
        accuracy.EXACT,
      ),
    )
    if value != usual
  ]


def _search(space: space_lib.Space) -> list[str]:
  """How settings were come by, unless by a usual search."""
  if space.folds or space.name in _GRIDS:
    if space.name in _USUAL_GRIDS:
      return []
    return [_GRIDS.get(space.name, f'grid {space.name}')]
  options = space.options.get('head2toe')
  given = [
    f'{words} {values[0]:g}'
    for words, field in _SETTING.items()
    if (values := getattr(options, field, ()))
  ]
  return [f'one setting ({", ".join(given)})' if given else 'one given setting']
