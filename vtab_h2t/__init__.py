"""Head2Toe in TensorFlow and Keras: the public API.

Names are imported when they are first used, so `import vtab_h2t` is quick.
"""

import importlib
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
  from vtab_h2t.backbones.backbone import Backbone
  from vtab_h2t.backbones.preprocessing import Input
  from vtab_h2t.backbones.registry import load as load_backbone
  from vtab_h2t.backbones.registry import register as register_backbone
  from vtab_h2t.classifier.estimator import Head2Toe
  from vtab_h2t.classifier.transformer import TapFeatures
  from vtab_h2t.errors import InputError
  from vtab_h2t.features.extraction import Extractor
  from vtab_h2t.features.normalization import unit_norm
  from vtab_h2t.heads.fraction import relevance_scores
  from vtab_h2t.heads.fraction import select as select_features
  from vtab_h2t.heads.regularizers import L21
  from vtab_h2t.heads.stacks import HeadSpec
  from vtab_h2t.heads.sweep import Problem
  from vtab_h2t.heads.sweep import train as train_heads
  from vtab_h2t.methods.registry import register as register_method
  from vtab_h2t.protocol.grids import get as search_space
  from vtab_h2t.protocol.ledger import Ledger
  from vtab_h2t.protocol.run import load as load_run
  from vtab_h2t.protocol.run import Network
  from vtab_h2t.protocol.run import network as find_network
  from vtab_h2t.protocol.run import Run
  from vtab_h2t.protocol.unit import run as run_unit
  from vtab_h2t.protocol.unit import Unit
  from vtab_h2t.tasks.registry import register as register_task
  from vtab_h2t.tasks.registry import tasks as load_tasks
  from vtab_h2t.tasks.task import Task

_API = {
  'Backbone': ('backbones.backbone', 'Backbone'),
  'Extractor': ('features.extraction', 'Extractor'),
  'Head2Toe': ('classifier.estimator', 'Head2Toe'),
  'HeadSpec': ('heads.stacks', 'HeadSpec'),
  'Input': ('backbones.preprocessing', 'Input'),
  'InputError': ('errors', 'InputError'),
  'L21': ('heads.regularizers', 'L21'),
  'Ledger': ('protocol.ledger', 'Ledger'),
  'Network': ('protocol.run', 'Network'),
  'Problem': ('heads.sweep', 'Problem'),
  'Run': ('protocol.run', 'Run'),
  'TapFeatures': ('classifier.transformer', 'TapFeatures'),
  'Task': ('tasks.task', 'Task'),
  'Unit': ('protocol.unit', 'Unit'),
  'find_network': ('protocol.run', 'network'),
  'load_backbone': ('backbones.registry', 'load'),
  'load_run': ('protocol.run', 'load'),
  'load_tasks': ('tasks.registry', 'tasks'),
  'register_backbone': ('backbones.registry', 'register'),
  'register_method': ('methods.registry', 'register'),
  'register_task': ('tasks.registry', 'register'),
  'relevance_scores': ('heads.fraction', 'relevance_scores'),
  'run_unit': ('protocol.unit', 'run'),
  'search_space': ('protocol.grids', 'get'),
  'select_features': ('heads.fraction', 'select'),
  'train_heads': ('heads.sweep', 'train'),
  'unit_norm': ('features.normalization', 'unit_norm'),
}
__all__ = sorted(_API)


def __getattr__(name: str) -> Any:
  try:
    module, attribute = _API[name]
  except KeyError:
    raise AttributeError(f'module {__name__} has no {name!r}') from None
  return getattr(importlib.import_module(f'{__name__}.{module}'), attribute)


def __dir__() -> list[str]:
  return sorted(set(globals()) | set(__all__))
