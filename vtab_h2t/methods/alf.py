"""Attentive layer fusion: a head that attends over the depths of a network.

It reads two vectors of each depth, the class token and the mean of the other
tokens, each at unit norm (`features.block_tokens`), and learns from which of
them to take what (`heads.attention`). As in the released code: AdamW with a
cosine to 1e-6, gradients clipped at a norm of 5, classes weighted so that all
count alike, in half of the images noise of 0.05 on every number of all tokens,
five batches an epoch in an order that each epoch draws anew, 1000 steps, and
the network as it is after the last. Rate, weight decay and dropout of the
attention weights are chosen.

They are chosen on the suite's folds, by correct answers, and not as there: that
code splits off a fifth of the training images, counts each class alike, and
adds the noise to the images that it validates on, too, which is taken for a
slip; here held-out images are as they are.

What networks without class tokens give is this project's choice: see
`features.block_tokens`. Narrower vectors are filled up with zeros, as the
released code does where networks of several widths are joined.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools

import numpy as np

from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.heads import attention
from vtab_h2t.heads import attention_training
from vtab_h2t.heads import counting
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib

_LAYOUT = extraction.BLOCK_TOKENS
_RULE = normalization.SELECTED  # Of each token, all of it: unit norm.
_DIVERGED = 'a parameter of the head was not finite after the last step'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `alf`.

  Attributes:
    learning_rates: initial ones.
    weight_decays: decoupled, of all parameters.
    dropouts: shares of the attention weights that are dropped, below 1.
    steps: numbers of optimisation steps.
    batches: of an epoch.
  """

  learning_rates: tuple[float, ...] = (0.1, 0.01, 1e-3)
  # The strong ones first: at equal validation they fit the less.
  weight_decays: tuple[float, ...] = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)
  dropouts: tuple[float, ...] = (0.0, 0.1, 0.3)
  steps: tuple[int, ...] = (1000,)
  batches: int = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.TrainedSetting):
  """Of `alf`.

  Attributes:
    steps: optimisation steps.
    weight_decay: decoupled.
    dropout: share of the attention weights that are dropped.
  """

  steps: int
  weight_decay: float
  dropout: float


class Alf(interface.Searched):
  """A head that attends over the depths of a network."""

  name = 'alf'
  options_type = Options

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    del space
    return (_LAYOUT,)

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    options = space.of(self.name)
    need = functools.partial(space_lib.require, self.name)
    return [
      Setting(
        learning_rate=rate, steps=steps, weight_decay=decay, dropout=dropout
      )
      for steps, decay, dropout, rate in itertools.product(
        need('steps', options.steps),
        need('weight_decay', options.weight_decays),
        need('dropout', options.dropouts),
        need('lr', options.learning_rates),
      )
    ]

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    batches = space.of(self.name).batches
    found: dict[Setting, list[int | space_lib.Failure]] = {
      c: [] for c in self.candidates(space)
    }
    for fold, steps in itertools.product(
      folds, dict.fromkeys(s.steps for s in found)
    ):
      settings = [s for s in found if s.steps == steps]
      held_out = data.matrix(_LAYOUT, fold.val, rule=_RULE)
      heads = _train(data, fold.train, settings, batches, seed)
      for setting, head in zip(settings, heads, strict=True):
        found[setting].append(
          space_lib.Failure(_DIVERGED)
          if head is None
          else counting.correct(head.logits(held_out), data.labels[fold.val])
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
    batches = space.of(self.name).batches
    for seed in seeds:
      (head,) = _train(data, examples, [setting], batches, seed)
      if head is None:
        raise errors.InputError(
          f'{self.name}: {_DIVERGED}; lower the learning rate'
        )
      measures = {
        'num_features': data.num_features(_LAYOUT),
        'num_parameters': head.num_parameters,
      }
      yield data_lib.FeatureHead(_LAYOUT, None, head, _RULE, measures)


def _train(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  settings: Sequence[Setting],
  batches: int,
  seed: int,
) -> Iterator[attention.Head | None]:
  """Heads of settings of equally many steps; None for one that diverged."""
  widths = tuple(b.size for b in data.features.layouts[_LAYOUT].blocks)
  return attention_training.train(
    data.matrix(_LAYOUT, examples, rule=_RULE),
    data.labels[examples],
    attention.Sizes(widths, data.classes),
    [
      attention_training.Spec(
        learning_rate=s.learning_rate,
        weight_decay=s.weight_decay,
        dropout=s.dropout,
      )
      for s in settings
    ],
    steps=settings[0].steps,
    batches=batches,
    seed=(seed, interface.FIRST),
    order_seed=(seed, interface.ORDER),
    memory_bytes=data.memory_bytes,
  )
