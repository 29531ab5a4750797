"""Runs by names that say to a reader what was measured."""

import pathlib
import re

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


def network(backbone: str) -> str:
  """A network's name for its id; other ids as they are."""
  for pattern, name in _NETWORKS:
    if re.fullmatch(pattern, backbone):
      text = re.sub(pattern, name, backbone)
      return re.sub('-[a-z]+/', lambda m: m[0].title(), text)
  return backbone


def label(run: run_lib.Run) -> str:
  """Network, weights, tasks and size, for headings."""
  weights = pathlib.Path(run.weights).stem
  weights = {
    'imagenet': 'ImageNet weights',
    'random': 'random weights',
  }.get(weights, f'weights of {weights}')
  suite = _SUITES.get(run.suite, f'{run.suite} suite')
  networks = ' and '.join(map(network, run.backbone.split('+')))
  return f'{networks}, {weights}, {suite}, {run.image_size} pixels'
