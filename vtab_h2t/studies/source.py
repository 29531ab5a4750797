"""A network trained on a source task, from which others are adapted."""

from collections.abc import Sequence
import dataclasses
import json
import pathlib
from typing import Any
import zipfile

from absl import logging
import numpy as np

from vtab_h2t import files
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import tuned
from vtab_h2t.studies import companion
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

PRETRAINED, RANDOM = 'pretrained', 'random'  # What a source starts from.
_PLATEAU = 1.0  # Percent; less than what chance moves 200 test images.


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
  """A network that was trained on a source task.

  Attributes:
    state: its weights, as `Network.state` gives them.
    head: kernel `[C, E]` and bias `[C]`.
    facts: for a row: `source_correct` of `source_total` test images of the
      source, mean `source_train_loss` in inference mode, `source_epochs`, and
      `source_plateau`: whether the best test accuracy of the last quarter of
      the epochs is less than a point above that of the quarter before.
  """

  state: Sequence[np.ndarray]
  head: tuple[np.ndarray, np.ndarray]
  facts: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
  """How: SGD with momentum 0.9, a cosine by step, batch norms in training mode.

  Attributes:
    start: `PRETRAINED` weights, or `RANDOM` ones, which the seed draws.
    learning_rate: the initial one.
    epochs: passes over the source's training images.
    batch: images in a step.
    weight_decay: times half the squared weights, added to the loss.
  """

  start: str
  learning_rate: float
  epochs: int
  batch: int = 64
  weight_decay: float = 5e-4


def trained(data: data_lib.TrainingData, recipe: Recipe, seed: int) -> Trained:
  """The network that was trained on the source of a task, kept in a file.

  Tasks that have the same source share it. Test images of the source are only
  counted; nothing is chosen on them.

  Args:
    data: of the task; its networks have the source.
    recipe: how to train.
    seed: of the head, the order of the images, and weights that are random.
  """
  networks = tuned.networks_of(data)
  if networks.source is None or networks.sources is None:
    raise ValueError('the task has no source')
  key = [networks.source.id, dataclasses.asdict(recipe), seed]
  path = networks.sources / f'{files.fingerprint(key)[:32]}.npz'
  return networks.once(
    ('source', path.name),
    lambda: _read(path) or _train_and_keep(data, recipe, seed, path),
  )


def _train_and_keep(
  data: data_lib.TrainingData, recipe: Recipe, seed: int, path: pathlib.Path
) -> Trained:
  found = _train(data, recipe, seed)
  arrays: dict[str, Any] = {
    f'state{i:04d}': a for i, a in enumerate(found.state)
  }
  arrays |= {'kernel': found.head[0], 'bias': found.head[1]}
  arrays['facts'] = np.frombuffer(json.dumps(found.facts).encode(), np.uint8)
  with files.atomic_write(path, binary=True) as f:
    np.savez(f, **arrays)
  return found


def _read(path: pathlib.Path) -> Trained | None:
  """What was kept; None if there is none or it is damaged."""
  try:
    with np.load(path, allow_pickle=False) as kept:
      arrays = {name: kept[name] for name in kept.files}
    return Trained(
      state=[arrays[n] for n in sorted(arrays) if n.startswith('state')],
      head=(arrays['kernel'], arrays['bias']),
      facts=json.loads(arrays['facts'].tobytes()),
    )
  except FileNotFoundError:
    return None
  except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
    logging.warning('%s is damaged; the source is trained again (%s)', path, e)
    return None


def _train(data: data_lib.TrainingData, recipe: Recipe, seed: int) -> Trained:
  networks = tuned.networks_of(data)
  source, network = networks.source, networks.network()
  if source is None:
    raise ValueError('the task has no source')
  network.reset()
  if recipe.start == RANDOM:
    network.randomise(seed)
  trainer = companion.trainer_of(
    data,
    companion.everything(data),
    trainer_lib.Recipe(batch=recipe.batch, weight_decay=recipe.weight_decay),
  )
  trainer.start(companion.random_head(data, seed))
  inputs = source.inputs()
  judge = judge_lib.Judge(
    source.test_inputs(),
    source.test_labels,
    np.arange(len(source.test_labels)),
  )
  examples = np.arange(len(source.labels))
  trainer.run(
    inputs,
    source.labels,
    examples,
    recipe.learning_rate,
    recipe.epochs * trainer_lib.epoch_steps(len(examples), recipe.batch),
    (seed, interface.ORDER),
    judge=judge,
    tell=networks.tell,
  )
  ((kernel, bias),) = trainer.head
  logits = readout_lib.apply_head(network.embed(inputs), [(kernel, bias)])
  total = len(source.test_labels)
  return Trained(
    state=network.state(),
    head=(kernel, bias),
    facts={
      'source_correct': judge.counts[-1],
      'source_total': total,
      'source_train_loss': companion.mean_loss(logits.numpy(), source.labels),
      'source_epochs': recipe.epochs,
      'source_plateau': is_plateau([100 * c / total for c in judge.counts]),
    },
  )


def is_plateau(percents: Sequence[float]) -> bool:
  """Whether accuracies after each epoch have stopped to grow.

  Args:
    percents: before the first epoch and after each.
  """
  quarter = (len(percents) - 1) // 4
  if not quarter:
    return False
  before = max(percents[-2 * quarter : -quarter])
  return max(percents[-quarter:]) - before < _PLATEAU
