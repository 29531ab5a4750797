"""Figures of the toy problems, from what `toys.tables.tables` gives."""

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
  drawn, axes = plotting.figure(1, 4)
  largest = table[table.scale == table.scale.max()]
  means = largest.groupby('rank')[['energy', *_MEASURES]].mean()
  for ax, (column, title) in zip(axes, _MEASURES.items()):
    ax.plot(means.energy, means[column], **plotting.STYLES[0])
    ax.set(title=title, xlabel='initial energy, mean |q - y|')
  axes[0].set_ylabel('adaptation (mean of seeds)')
  return drawn
