"""Which layers to tune under which shift (Lee et al., 2023).

A network is trained on a source task (`source`) and adapted to a target with
the same classes, of which few images are labelled. Nothing, one block, the
head alone ('last') or everything ('all') is tuned; or a rule decides for each
tensor or epoch:

  auto_rgn        a rate for each tensor, by relative gradient norm
  auto_snr_code   tensors of a low signal-to-noise ratio are frozen, by the
                  ratio of the released code
  auto_snr_paper  the same by the paper's ratio; see `methods.surgical`
  first_to_last   gradual unfreezing: the first block at first, then one more
                  at a time, the head at last, in equal parts of the epochs
  last_to_first   the same from the head to the first block

As released: Adam without schedule, weight decay in the gradient, batches of 64,
batch norms in inference mode, and under the automatic rules left alone; a
trained head exists and is tuned only where it is said. Images to adapt with are
drawn from four fifths of the target's labelled ones, those to choose with from
the last fifth. Of all learning rates and epochs the one with most right on the
target's validation images is taken, ties to the larger rate, then to the
earlier epoch. The paper's own grid and the lengths of its gradual unfreezing
are not known to this project; three rates of the released code's five are
tried.

With batch norms in training mode the statistics of frozen blocks adapt, too:
that is the ablation, of the blocks, the head and everything.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import functools

import numpy as np

from vtab_h2t import errors
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import surgical
from vtab_h2t.methods import tuned
from vtab_h2t.studies import companion
from vtab_h2t.studies import source as source_lib
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import trainer as trainer_lib

NONE, LAST, ALL = 'none', surgical.LAST, surgical.ALL
AUTO_RGN = 'auto_rgn'
AUTO_SNR = {
  'auto_snr_code': surgical.CODE,
  'auto_snr_paper': surgical.PAPER,
}
FIRST_TO_LAST, LAST_TO_FIRST = 'first_to_last', 'last_to_first'
AUTOMATIC = AUTO_RGN, *AUTO_SNR, FIRST_TO_LAST, LAST_TO_FIRST
MODES = INFERENCE, TRAINING = 'inference', 'training'  # Of batch norms.

Scales = Callable[[int, trainer_lib.Trainer], np.ndarray | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.Options):
  """Of the study.

  Attributes:
    epochs: of each adaptation.
    shots: numbers of labelled target images a class to adapt with.
    validation_shots: target images a class that choose rate and epoch.
    automatic: those of `AUTOMATIC` that are measured with the smallest number
      of shots.
    automatic_with_more: the same with more shots.
    modes: of batch norms: `INFERENCE`, and `TRAINING` for the ablation, which
      is made with the smallest number of shots.
    source_start: `source.PRETRAINED` or `source.RANDOM` weights.
    source_learning_rate: of the training on the source.
    source_epochs: passes over the source's training images.
  """

  learning_rates: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
  batch: int = 64
  epochs: int = 15
  shots: tuple[int, ...] = (20, 100)
  validation_shots: int = 20
  automatic: tuple[str, ...] = AUTOMATIC
  automatic_with_more: tuple[str, ...] = AUTOMATIC
  modes: tuple[str, ...] = MODES
  source_start: str = source_lib.PRETRAINED
  source_learning_rate: float = 0.01
  source_epochs: int = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Adaptation:
  """One of what is compared.

  Attributes:
    tuned: `NONE`, a block, `LAST`, `ALL`, or one of `AUTOMATIC`.
    shots: labelled target images a class.
    mode: of batch norms.
    seed: of source, draw of the target, and order.
  """

  tuned: str
  shots: int
  mode: str
  seed: int

  def as_row(self) -> interface.Fields:
    return {
      'tuned': self.tuned,
      'shots': self.shots,
      'batch_norm': self.mode,
      'seed': self.seed,
      'images': interface.OWN_TEST,
    }


class SurgicalShift(companion.Study):
  """What to tune, by the kind of shift."""

  name = 'surgical_shift'
  options_type = Options

  def measure(
    self, data: data_lib.TrainingData, plan: interface.Plan
  ) -> Iterator[tuple[interface.Fields, data_lib.TrainedLater]]:
    options = plan.space.of(self.name)
    (fold,) = plan.folds
    blocks = tuple(companion.network_of(data).backbone.blocks)
    for seed in plan.seeds:
      val = draw(data, fold.val, options.validation_shots, seed)
      # All at first: too few images are told before anything is trained.
      drawn = {
        shots: draw(data, fold.train, shots, seed)
        for shots in sorted(options.shots)
      }
      for shots, train in drawn.items():
        is_least = shots == min(options.shots)
        rules = options.automatic if is_least else options.automatic_with_more
        for mode in options.modes if is_least else (INFERENCE,):
          compared = *blocks, LAST, ALL
          if mode == INFERENCE:
            compared = NONE, *compared, *rules
          for name in compared:
            one = _Adaptation(tuned=name, shots=shots, mode=mode, seed=seed)
            fields = one.as_row()
            if name != NONE:
              fields |= {'epochs': options.epochs, 'batch': options.batch}
            yield (
              fields,
              functools.partial(_adapted, data, one, train, val, options),
            )


def draw(
  data: data_lib.TrainingData, examples: np.ndarray, shots: int, seed: int
) -> np.ndarray:
  """Some images of each class; fewer shots are among more.

  Args:
    data: has the labels.
    examples: indices of those to draw from.
    shots: images a class.
    seed: of the draw.

  Returns:
    Ascending indices `[shots * classes]`.

  Raises:
    errors.InputError: a class has too few.
  """
  order = np.random.default_rng(seed).permutation(np.sort(examples))
  labels = data.labels[order]
  drawn = []
  for label in range(data.classes):
    own = order[labels == label]
    if len(own) < shots:
      raise errors.InputError(
        f'class {label} has {len(own)} labelled images to draw from, not '
        f'{shots}; ask for fewer, or give it more'
      )
    drawn.append(own[:shots])
  return np.sort(np.concatenate(drawn))


def _adapted(
  data: data_lib.TrainingData,
  one: _Adaptation,
  train: np.ndarray,
  val: np.ndarray,
  options: Options,
) -> data_lib.TrainedNetwork:
  """The network under the rate and after the epoch that did best.

  Args:
    data: of the target.
    one: what is tuned.
    train: indices of the images to train on.
    val: of those to choose on.
    options: of the study.

  Raises:
    trainer.DivergedError: no rate came to the end of an epoch, or the training
      on the source diverged.
  """
  networks, network = tuned.networks_of(data), companion.network_of(data)
  source = source_lib.trained(
    data,
    source_lib.Recipe(
      start=options.source_start,
      learning_rate=options.source_learning_rate,
      epochs=options.source_epochs,
    ),
    one.seed,
  )
  trainer = companion.trainer_of(
    data,
    _variables(data, one.tuned),
    surgical.recipe(options.batch, one.mode == INFERENCE),
  )
  inputs = networks.inputs()

  def start() -> None:
    network.load(source.state)
    trainer.start([source.head])

  start()
  if one.tuned == NONE:
    return data_lib.TrainedNetwork(trainer, dict(source.facts))
  in_epoch = trainer_lib.epoch_steps(len(train), options.batch)
  best: tuple[float, judge_lib.Keeper] | None = None
  for rate in sorted(options.learning_rates, reverse=True):
    start()
    keeper = judge_lib.Keeper(inputs, data.labels, val)
    with contextlib.suppress(trainer_lib.DivergedError):
      trainer.run(
        inputs,
        data.labels,
        train,
        rate,
        options.epochs * in_epoch,
        (one.seed, interface.ORDER),
        _scales(data, one, trainer, train, options),
        judge=keeper,
        tell=networks.tell,
      )
    if best is None or keeper.correct > best[1].correct:
      best = rate, keeper
  if best is None or not best[1].best:
    raise trainer_lib.DivergedError(
      'the loss or a weight was not finite in the first epoch of each rate'
    )
  rate, keeper = best
  keeper.restore(trainer)
  return data_lib.TrainedNetwork(
    trainer,
    {
      'learning_rate': rate,
      'epoch': keeper.best,
      'val_correct': keeper.correct,
      'val_total': len(val),
    },
  )


def _variables(data: data_lib.TrainingData, name: str) -> Sequence[int]:
  """Numbers of the network's variables that an adaptation trains."""
  network = companion.network_of(data)
  if name in (NONE, LAST):
    return ()
  if name in (ALL, FIRST_TO_LAST, LAST_TO_FIRST):
    return companion.everything(data)
  if name == AUTO_RGN or name in AUTO_SNR:
    return surgical.without_norms(network)
  return network.block(name)


def _scales(
  data: data_lib.TrainingData,
  one: _Adaptation,
  trainer: trainer_lib.Trainer,
  train: np.ndarray,
  options: Options,
) -> Scales | None:
  """What gives the factors of learning rates; None where all are 1."""
  network = companion.network_of(data)
  if one.tuned in (LAST, ALL):
    return None
  if one.tuned in (FIRST_TO_LAST, LAST_TO_FIRST):
    groups = [network.block(b) for b in network.backbone.blocks]
    head = range(len(trainer.trained), trainer.num_scales)
    order = [*groups, tuple(head)]
    if one.tuned == LAST_TO_FIRST:
      order = order[::-1]
    return unfreezing(order, trainer.num_scales, options.epochs)
  if one.tuned not in (AUTO_RGN, *AUTO_SNR):  # A block without the head.
    factors = np.ones(trainer.num_scales, np.float32)
    factors[len(trainer.trained) :] = 0
    return lambda epoch, _: None if epoch else factors
  axes = surgical.output_axes_of(network, trainer.trained)
  rule: surgical.Factors = surgical.relative_gradient_norms
  if one.tuned in AUTO_SNR:
    rule = lambda gradients, _: surgical.kept_by_snr(  # noqa: E731
      gradients, AUTO_SNR[one.tuned], axes
    )
  return surgical.each_epoch(
    rule,
    tuned.networks_of(data).inputs(),
    data.labels,
    train,
    options.batch,
    one.seed,
  )


def unfreezing(
  order: Sequence[Sequence[int]], count: int, epochs: int
) -> Scales:
  """Gradual unfreezing: one group of variables more at a time.

  With `G` groups, the first `g` of them are tuned from epoch
  `ceil((g - 1) * epochs / G)` on. The optimizer starts anew where one is added.

  Args:
    order: the groups, each the numbers of its variables.
    count: of all variables.
    epochs: of the whole training.
  """

  def tuned_in(epoch: int) -> int:
    return min(len(order), epoch * len(order) // epochs + 1)

  def scales(epoch: int, _: trainer_lib.Trainer) -> np.ndarray | None:
    if epoch and tuned_in(epoch) == tuned_in(epoch - 1):
      return None
    factors = np.zeros(count, np.float32)
    for group in order[: tuned_in(epoch)]:
      factors[list(group)] = 1
    return factors

  return scales
