"""LP-FT out of distribution (Kumar et al., 2022), on one pair of data sets.

Four adaptations of one network are trained on the images of the first data set
and judged on its test images (in distribution) and on those of others (out of
distribution):

  lp         l2-regularised logistic regression on the frozen embedding, see
             `methods.lp_ft`; C is the best of 50 on the validation images
  ft         fine-tuning from a random head, batch norms in training mode
  ft_frozen  the same with batch norms in inference mode
  lp_ft      fine-tuning from the head of `lp`, batch norms in inference mode

The released code fine-tunes with batch norms in training mode but runs LP-FT in
inference mode, so that its comparison is of two things at once; here FT is run
in both. All three have the same optimizer (SGD with momentum 0.9, no weight
decay), batch, schedule (cosine by epoch), number of epochs and learning rates.

As in the released code, the network is judged on the validation images after
each epoch, the start is not eligible, the first of the best epochs is kept, and
nothing is trained again on training and validation images together. Validation
images are of the first data set and are not those that are reported; what is
out of distribution chooses nothing. Unlike there, the learning rate is chosen
with one seed, and the other seeds choose their epoch under that rate.
"""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools

from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.studies import companion
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import trainer as trainer_lib

LP, FT, FT_FROZEN, LP_FT = 'lp', 'ft', 'ft_frozen', 'lp_ft'
ADAPTATIONS = LP, FT, FT_FROZEN, LP_FT
_NO_EPOCH = 'the loss or a weight was not finite in the first epoch'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.Options):
  """Of the study; the learning rates are tried by all but `lp`.

  Attributes:
    epochs: length of the schedule.
  """

  learning_rates: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)
  batch: int = 64
  epochs: int = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Training:
  """One training, without its learning rate.

  Attributes:
    adaptation: one of `ADAPTATIONS`, but not `LP`.
    fold: what it is trained and judged on.
    c: the probe's inverse regularisation, where it starts from that.
    seed: of the head and of the order of the images.
  """

  adaptation: str
  fold: interface.Fold
  c: float
  seed: int


class LpFtShift(companion.Study):
  """LP, FT in both modes of batch norm, and LP-FT."""

  name = 'lp_ft_shift'
  options_type = Options
  moves = True

  def measure(
    self, data: data_lib.TrainingData, plan: interface.Plan
  ) -> Iterator[tuple[interface.Fields, data_lib.TrainedLater | None]]:
    options = plan.space.of(self.name)
    (fold,) = plan.folds
    c = tuned.networks_of(data).once(
      ('c', fold.number), lambda: lp_ft.choose_c(data, [fold])
    )
    for adaptation in ADAPTATIONS:
      fields: interface.Fields = {'adaptation': adaptation}
      if adaptation in (LP, LP_FT):
        fields['coefficient'] = c
      if adaptation == LP:
        for seed in plan.seeds:
          yield (
            fields | {'seed': seed},
            functools.partial(self._probe, data, fold, c, options),
          )
        continue
      fields |= {'epochs': options.epochs, 'batch': options.batch}
      training = _Training(
        adaptation=adaptation, fold=fold, c=c, seed=plan.seed
      )
      kept: dict[float, judge_lib.Keeper] = {}
      found = _known(adaptation, plan.known) or {
        rate: self._validated(data, training, rate, options, kept)
        for rate in sorted(options.learning_rates, reverse=True)
      }
      for rate, (epoch, correct) in found.items():
        yield (
          fields
          | {
            'learning_rate': rate,
            'epoch': epoch,
            'fold': fold.number,
            'seed': plan.seed,
            'split': 'val',
            'total': len(fold.val),
          }
          | interface.outcome(
            correct if epoch else space_lib.Failure(_NO_EPOCH)
          ),
          None,
        )
      chosen = max(found, key=lambda rate: found[rate][1])
      for seed in plan.seeds:
        one = dataclasses.replace(training, seed=seed)
        there = kept.get(chosen) if seed == plan.seed else None
        yield (
          fields | {'seed': seed, 'learning_rate': chosen},
          functools.partial(self._final, data, one, chosen, options, there),
        )

  def _probe(
    self,
    data: data_lib.TrainingData,
    fold: interface.Fold,
    c: float,
    options: Options,
  ) -> data_lib.TrainedNetwork:
    """The probe on a network that has not moved."""
    training = _Training(adaptation=LP_FT, fold=fold, c=c, seed=0)
    trainer = _start(data, training, options)
    return data_lib.TrainedNetwork(trainer, {})

  def _validated(
    self,
    data: data_lib.TrainingData,
    training: _Training,
    rate: float,
    options: Options,
    kept: dict[float, judge_lib.Keeper],
  ) -> tuple[int, int]:
    """The epoch with most right, and how many; (0, -1) if there is none.

    Args:
      data: what is learned from.
      training: which.
      rate: the learning rate.
      options: of the study.
      kept: gets what keeps the best epoch, if no other rate there did better.
    """
    key = [
      self.name,
      training.adaptation,
      rate,
      training.seed,
      training.fold.number,
      dataclasses.asdict(options),
    ]

    def run() -> tuple[int, int]:
      _, keeper = _trained(data, training, rate, options)
      if all(keeper.correct > other.correct for other in kept.values()):
        kept.clear()
        kept[rate] = keeper
      return keeper.best, keeper.correct

    epoch, correct = tuned.networks_of(data).remember(key, run)
    return epoch, correct

  def _final(
    self,
    data: data_lib.TrainingData,
    training: _Training,
    rate: float,
    options: Options,
    keeper: judge_lib.Keeper | None,
  ) -> data_lib.TrainedNetwork:
    """The network after the epoch that did best on the validation images.

    Args:
      data: what is learned from.
      training: which.
      rate: the learning rate.
      options: of the study.
      keeper: has that epoch, if it was trained just now.

    Raises:
      trainer.DivergedError: before the first epoch has ended.
    """
    if keeper is None:
      trainer, keeper = _trained(data, training, rate, options)
    else:
      trainer = _start(data, training, options)
    if not keeper.best:
      raise trainer_lib.DivergedError(_NO_EPOCH)
    keeper.restore(trainer)
    return data_lib.TrainedNetwork(trainer, {'epoch': keeper.best})


def _known(
  adaptation: str, rows: Sequence[interface.Fields]
) -> Mapping[float, tuple[int, int]]:
  """Epoch and count of each rate that an earlier measurement validated."""
  return {
    row['learning_rate']: (
      row['epoch'],
      -1 if row['correct'] is None else row['correct'],
    )
    for row in rows
    if row['adaptation'] == adaptation
  }


def _start(
  data: data_lib.TrainingData, training: _Training, options: Options
) -> trainer_lib.Trainer:
  """A trainer with the pretrained weights and the head to start from."""
  recipe = trainer_lib.Recipe(
    batch=options.batch,
    schedule=trainer_lib.COSINE_BY_EPOCH,
    frozen_statistics=training.adaptation != FT,
  )
  companion.network_of(data).reset()
  trainer = companion.trainer_of(data, companion.everything(data), recipe)
  if training.adaptation == LP_FT:
    head = tuned.networks_of(data).once(
      ('probe', training.fold.number, training.c),
      lambda: lp_ft.probe(data, training.fold.train, training.c),
    )
    trainer.start([(head.kernel, head.bias)])
  else:
    trainer.start(companion.random_head(data, training.seed))
  return trainer


def _trained(
  data: data_lib.TrainingData,
  training: _Training,
  rate: float,
  options: Options,
) -> tuple[trainer_lib.Trainer, judge_lib.Keeper]:
  """A trainer after the last epoch, and what keeps the best one.

  If the training diverges, the epochs before count.
  """
  networks = tuned.networks_of(data)
  inputs = networks.inputs()
  fold = training.fold
  trainer = _start(data, training, options)
  keeper = judge_lib.Keeper(inputs, data.labels, fold.val)
  in_epoch = trainer_lib.epoch_steps(len(fold.train), options.batch)
  with contextlib.suppress(trainer_lib.DivergedError):
    trainer.run(
      inputs,
      data.labels,
      fold.train,
      rate,
      options.epochs * in_epoch,
      (training.seed, interface.ORDER),
      judge=keeper,
      tell=networks.tell,
    )
  return trainer, keeper
