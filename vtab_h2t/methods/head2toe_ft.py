"""Head2Toe-FT: backbone and head are tuned together on selected features.

Features are selected as `head2toe` does, with the setting that it chose; then
everything is trained as in fine-tuning. The head starts afresh, as released, or
from Head2Toe's. Head2Toe-FT+ takes, for each task, whichever of Head2Toe and
Head2Toe-FT has the better validation accuracy.
"""

import dataclasses

import numpy as np

from vtab_h2t import errors
from vtab_h2t.methods import base
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import readout as readout_lib
from vtab_h2t.methods import trainer as trainer_lib
from vtab_h2t.methods import tuned
from vtab_h2t.selection import fraction as fraction_lib

FRESH, HEAD2TOE = 'fresh', 'head2toe'


class Head2ToeFt(tuned.Tuned):
  """Selection, then fine-tuning."""

  name = 'head2toe_ft'
  batch = 128

  def complete(self, data, folds, grid, seed):
    selecting = head2toe.Head2Toe()
    candidates = selecting.candidates(grid)
    chosen = candidates[0] if len(candidates) == 1 else base.choose(
        selecting.cross_validate(data, folds, grid, seed))
    return [dataclasses.replace(
        chosen, learning_rate=h.learning_rate, steps=h.steps, batch=h.batch,
        selection_learning_rate=chosen.learning_rate,
        selection_steps=chosen.steps) for h in self.candidates(grid)]

  def train(self, data, rows, hparams, grid, seed, run):
    network = data.images.network()
    network.reset()
    selection = dataclasses.replace(
        hparams, learning_rate=hparams.selection_learning_rate,
        steps=hparams.selection_steps)
    if grid.tuning.head_init == HEAD2TOE:
      frozen, = head2toe.Head2Toe().fit(data, rows, selection, [seed])
      columns = frozen.columns
      head = [(frozen.head.kernel.numpy(), frozen.head.bias.numpy())]
    else:
      scores, = head2toe.relevance(data, rows, selection, [seed])
      columns = fraction_lib.select(scores, hparams.fraction)
      head = readout_lib.glorot(
          (len(columns), data.classes), (seed, tuned.HEAD))
    readout = readout_lib.Selected(
        data.features.layouts[hparams.target_size], columns, data.rule)
    trainer = network.trainer(
        readout, (len(columns), data.classes), range(len(network.variables)),
        trainer_lib.Recipe(grid.tuning.optimizer, hparams.batch))
    trainer.start(head)
    self.run(trainer, data, rows, hparams, seed, run)
    return tuned.NetworkPredictor(trainer, {})


class Head2ToeFtPlus(base.Derived):
  """The better of two methods, by validation; derived from their rows."""

  name = 'head2toe_ft_plus'
  requires = ('head2toe', 'head2toe_ft')

  def candidates(self, grid):
    if not grid.folds:
      raise errors.InputError(
          f'{self.name} chooses by validation, and the grid has no folds; '
          'choose --grid=light, quick or paper')
    return []

  def derive(self, rows):
    """Rows of the method whose best setting validates better.

    Ties go to the frozen one. Each row says which it is, in `chosen`.
    """
    def best(method):
      correct = {}
      for row in rows[method]:
        if row['split'] == 'val':
          key = tuple(row.get(f.name) for f in dataclasses.fields(base.Hparams))
          failed = row['correct'] is None
          correct[key] = correct.get(key, 0) + (
              -np.inf if failed else row['correct'])
      return max(correct.values(), default=0)

    chosen = max(self.requires, key=best)
    return [{**row, 'method': self.name, 'chosen': chosen}
            for row in rows[chosen]]
