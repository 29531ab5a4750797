"""Figures of the toy problems, from what `toys.tables.tables` gives."""

from collections.abc import Callable
import dataclasses
from typing import TYPE_CHECKING

from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import figure
  import pandas as pd

_METHODS = {'lp': 'linear probing', 'lp_ft': 'LP-FT', 'ft': 'fine-tuning'}
_LAYERS = ('first', 'full', 'last')
_MEASURES = {
  'l2': 'L2 distance',
  'cos': 'cosine distance',
  'dot': 'dot product',
  'norm': 'norm',
}


def distortion(table: 'pd.DataFrame') -> 'figure.Figure':
  """LP-FT 1: error outside the training inputs' span, and within it."""
  drawn, axes = plotting.figure(1, 2)
  medians = table.groupby(['method', 'epsilon'])[['ood', 'in_span']].median()
  for ax, column, title in zip(
    axes,
    ('ood', 'in_span'),
    ('out of distribution', 'in the span of the training inputs'),
  ):
    for (method, label), style in zip(_METHODS.items(), plotting.STYLES):
      line = medians.loc[method][column]
      ax.plot(line.index, line, label=label, **style)
    ax.set(
      xscale='log',
      yscale='log',
      title=title,
      xlabel='distance of the pretrained features',
      ylabel='squared error (median of seeds)',
    )
  axes[0].legend()
  return drawn


def shifts(table: 'pd.DataFrame') -> 'figure.Figure':
  """SURG 3: loss by which layer is tuned, for both shifts."""
  drawn, axes = plotting.figure(1, 2)
  for ax, shift in zip(axes, ('input', 'output')):
    for i, layers in enumerate(_LAYERS):
      losses = table[(table['shift'] == shift) & (table.layers == layers)].loss
      ax.plot(
        [i] * len(losses),
        losses,
        plotting.STYLES[i]['marker'],
        color=plotting.STYLES[i]['color'],
        alpha=0.6,
      )
      ax.plot([i - 0.3, i + 0.3], [losses.median()] * 2, color='black')
    ax.set(
      yscale='log',
      xticks=range(3),
      xticklabels=_LAYERS,
      xlim=(-0.5, 2.5),
      title=f'{shift} shift',
      xlabel='layers tuned',
      ylabel='population loss (line: median)',
    )
  return drawn


def adaptation(table: 'pd.DataFrame') -> 'figure.Figure':
  """HP 2: how features move against the energy of the largest head."""
  drawn, axes = plotting.figure(2, 2)
  largest = table[table.scale == table.scale.max()]
  means = largest.groupby('rank')[['energy', *_MEASURES]].mean()
  for ax, (column, title) in zip(axes, _MEASURES.items()):
    ax.plot(means.energy, means[column], **plotting.STYLES[0])
    ax.set(title=title, xlabel='initial energy, mean |q - y|')
  for ax in axes[::2]:
    ax.set_ylabel('adaptation (mean of seeds)')
  return drawn


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyFigure:
  """A figure of a toy problem.

  Attributes:
    name: of its files, and of the table that it is drawn from.
    title: what it is about.
    shows: what is seen in it, in whole sentences.
    draw: the figure of that table.
  """

  name: str
  title: str
  shows: str
  draw: 'Callable[[pd.DataFrame], figure.Figure]'


FIGURES = (
  ToyFigure(
    name='lp_ft',
    title='LP-FT: errors by the distance of pretrained features from perfect '
    'ones',
    shows='Curves show the squared error of linear probing, fine-tuning and '
    'LP-FT (probing, then fine-tuning) by how far the pretrained features are '
    'from perfect ones, both on logarithmic axes. At the left it is the '
    'largest that any input has, which is the error out of distribution; at '
    'the right it is that of inputs in the span of the training inputs, which '
    'is the error in distribution. Medians over seeds.',
    draw=distortion,
  ),
  ToyFigure(
    name='shifts',
    title='Surgical fine-tuning: loss by which layer is tuned',
    shows='Each point is one random problem, after a shift of the inputs at '
    'the left and of the outputs at the right. Its height is the loss over all '
    'inputs, on a logarithmic axis, if the first layer, both (full) or the '
    'last layer are tuned. Black lines are medians.',
    draw=shifts,
  ),
  ToyFigure(
    name='probing',
    title='Head probing: how features change by the initial energy',
    shows='Panels show how training of both layers changes the features: their '
    'L2 and cosine distance from those before, their dot product with them, '
    'and their norm. To the right goes the initial energy, which is the mean '
    'distance of predictions from targets when that training begins: the '
    'longer the head was trained alone before, the less it is. Each point is '
    'one number of steps of training it alone, the mean over seeds, with the '
    'larger of two random heads.',
    draw=adaptation,
  ),
)
