"""DINOv2's linear evaluation on frozen features (Oquab et al., 2023).

Linear heads read the class tokens of the last n blocks, each through the final
norm, side by side and not normalised otherwise, with or without the mean of the
last block's other tokens. What stands for them where there are no class tokens
is in `features.last_blocks`: of a convolutional network the pooled outputs of
the last n units, without a mean that would repeat the last. Of a network that
has fewer blocks or no such mean, those settings are left out.

Kernels start normal with a standard deviation of 0.01, biases at 0. SGD with
momentum 0.9 and without weight decay takes batches of 128; its rate falls from
`learning_rate * 128 / 256` to 0 by a cosine. DINOv2 trains all heads in one
pass with one optimiser, which comes to training each alone, as no head's
gradient depends on another; here, too, they are trained in one loop. Number of
blocks, mean, rate and steps are chosen by validation.

DINOv2 takes 12,500 steps over random crops and flips of the images. Here
features are cached, so images are not augmented; batches come in the one fixed
order of all heads of this suite; and the numbers of steps are those of Linear.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools

import numpy as np

from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.heads import counting
from vtab_h2t.heads import loop
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib

_LAYOUT = extraction.LAST_BLOCKS
_RULE = normalization.NONE
_DEVIATION = 0.01
_RATE_FACTOR = sweep.BATCH_SIZE / 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `dino_linear`.

  Attributes:
    learning_rates: initial ones, for a batch of 256.
    steps: numbers of optimisation steps.
    last_blocks: of how many blocks class tokens are read.
    patch_means: whether the mean of the last block's other tokens is read.
  """

  # Large ones first: at equal validation they have come further.
  learning_rates: tuple[float, ...] = (
    *(0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3),
    *(5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5),
  )
  steps: tuple[int, ...] = (500, 5000)
  last_blocks: tuple[int, ...] = (1, 4)
  patch_means: tuple[bool, ...] = (False, True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.TrainedSetting):
  """Of `dino_linear`.

  Attributes:
    steps: optimisation steps.
    last_blocks: of how many blocks class tokens are read.
    patch_mean: whether the mean of the last block's other tokens is read.
  """

  steps: int
  last_blocks: int
  patch_mean: bool


class DinoLinear(interface.Searched):
  """Linear heads on the last blocks' class tokens."""

  name = 'dino_linear'
  options_type = Options

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    del space
    return (_LAYOUT,)

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    options = space.of(self.name)
    need = functools.partial(space_lib.require, self.name)
    return [
      Setting(learning_rate=rate, steps=steps, last_blocks=n, patch_mean=mean)
      for steps, n, mean, rate in itertools.product(
        need('steps', options.steps),
        need('last_blocks', options.last_blocks),
        need('patch_mean', options.patch_means),
        need('lr', options.learning_rates),
      )
    ]

  def complete(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Sequence[Setting]:
    """The candidates that the network can give."""
    del folds, seed
    layout = data.features.layouts[_LAYOUT]
    found = [
      c
      for c in self.candidates(space)
      if c.last_blocks <= len(layout.blocks)
      and (not c.patch_mean or _has_mean(layout))
    ]
    if not found:
      raise errors.InputError(
        f'{self.name}: the network has {len(layout.blocks)} blocks to read, '
        f'{"with" if _has_mean(layout) else "without"} a mean of patch tokens; '
        'choose other last_blocks and patch_mean'
      )
    return found

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    found: dict[Setting, list[int]] = {
      c: [] for c in self.complete(data, folds, space, seed)
    }
    # Settings whose heads read the same features for as many steps.
    alike: dict[tuple[int, int, bool], list[Setting]] = {}
    for setting in found:
      key = setting.steps, setting.last_blocks, setting.patch_mean
      alike.setdefault(key, []).append(setting)
    for steps in dict.fromkeys(s.steps for s in found):
      work = [
        (fold, settings)
        for (own, _, _), settings in alike.items()
        if own == steps
        for fold in folds
      ]
      problems = [
        _problem(data, fold.train, settings, [seed]) for fold, settings in work
      ]
      trained = data.heads.train(problems, steps, optimizer=loop.MOMENTUM)
      for i, heads in trained:
        fold, settings = work[i]
        held_out = data.matrix(
          _LAYOUT, fold.val, _columns(data, settings[0]), _RULE
        )
        for setting, head in zip(settings, heads, strict=True):
          found[setting].append(
            counting.correct(head.logits(held_out), data.labels[fold.val])
          )
    return found

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    del space
    columns = _columns(data, setting)
    problem = _problem(data, examples, [setting], seeds)
    for _, heads in data.heads.train(
      [problem], setting.steps, optimizer=loop.MOMENTUM
    ):
      for head in heads:
        yield data_lib.FeatureHead(
          _LAYOUT, columns, head, _RULE, {'num_features': len(columns)}
        )


def _has_mean(layout: pooling.Layout) -> bool:
  """Whether the last block has a mean of tokens beside its class token."""
  return layout.blocks[-1].cls == pooling.CLS_BOTH


def _columns(data: data_lib.TrainingData, setting: Setting) -> np.ndarray:
  """Indices of the features that a setting's head reads."""
  layout = data.features.layouts[_LAYOUT]
  first = layout.starts[len(layout.blocks) - setting.last_blocks]
  end = layout.size
  if _has_mean(layout) and not setting.patch_mean:
    end -= layout.blocks[-1].size // 2  # The mean stands last.
  return np.arange(first, end)


def _problem(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  settings: Sequence[Setting],
  seeds: Sequence[int],
) -> sweep.Problem:
  """Heads of settings that read the same features, one for each seed."""
  columns = _columns(data, settings[0])
  return sweep.Problem(
    lambda: data.parts(_LAYOUT, sweep.padded(examples), columns, _RULE),
    len(columns),
    data.labels[examples],
    [
      sweep.HeadSpec(
        _RATE_FACTOR * setting.learning_rate,
        (seed, interface.FIRST),
        deviation=_DEVIATION,
      )
      for setting in settings
      for seed in seeds
    ],
  )
