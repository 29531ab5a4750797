"""model.json of an adapted model: its fields, and reading what others edited.

format 1   says nothing of the input but how images are resized
format 2   has the whole input
format 3   has the temperature, and what the model card tells of
format 4   has the accuracy of what was chosen apart from the judged images
"""

from collections.abc import Callable
import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import normalization

FORMAT = 4
FILE = 'model.json'
# What labels were before they became names, and how they are again.
LABEL_TYPES: dict[str, Callable[[str], Any]] = {
  'str': str,
  'int': int,
  'float': float,
  'bool': lambda name: name == 'True',
}

_Fields = dict[str, type | tuple[type, ...]]
# Field to type; `weights` is a name, or the file name of weights to be given.
_FIRST: _Fields = {
  'format': int,
  'classes': list,
  'method': str,
  'hparams': dict,
  'target_size': (int, type(None)),
  'num_features': int,
  'normalization': str,
  'backbone': str,
  'weights': str,
  'weights_sha256': str,
  'image_size': int,
  'taps': str,
  'resize': str,
  'cls_pooling': str,
  'tensors_sha256': str,
  'accuracy': dict,
  'linear': dict,
}
_SECOND = _FIRST | {
  'scale': (int, float, list),
  'offset': (int, float, list),
  'crop': (int, float, type(None)),
}
_THIRD = _SECOND | {
  'temperature': (int, float),
  'label_type': str,
  'source': str,
  'images': list,
  'calibration_error': dict,
}
_FOURTH = _THIRD | {'apart': dict}
_FIELDS = {1: _FIRST, 2: _SECOND, 3: _THIRD, FORMAT: _FOURTH}


def read(path: pathlib.Path) -> dict[str, Any]:
  """What model.json says, checked.

  Raises:
    errors.InputError: it is missing, damaged, edited, or of another format.
  """
  try:
    facts = json.loads(path.read_text(encoding='utf-8'))
  except (FileNotFoundError, NotADirectoryError) as e:
    raise errors.InputError(
      f'{path.parent} is no adapted model: it has no {path.name}; name a '
      'folder that adapt wrote'
    ) from e
  except (OSError, ValueError, RecursionError) as e:
    raise errors.InputError(f'{path} is damaged ({e}); adapt again') from e
  number = facts.get('format') if isinstance(facts, dict) else None
  if type(number) is int and number > FORMAT:
    raise errors.InputError(
      f'{path} is of format {number}, and this version reads up to {FORMAT}; '
      'use the version that wrote it, or adapt again'
    )
  if type(number) is not int or number not in _FIELDS:
    raise errors.InputError(
      f'{path} is not of format {FORMAT}; adapt again with this version'
    )
  for name, kind in _FIELDS[number].items():
    value = facts.get(name)
    if (
      name not in facts
      or not isinstance(value, kind)
      or isinstance(value, bool)
    ):
      raise errors.InputError(f'{path}: {name} is missing or not as it must be')
  _check_values(facts, path)
  if number >= 3:
    _check_told(facts, path)
  return facts


def _check_values(facts: dict[str, Any], path: pathlib.Path) -> None:
  """Of all formats."""
  names = facts['classes']
  if (
    not names
    or not all(isinstance(n, str) for n in names)
    or len(set(names)) != len(names)
  ):
    raise errors.InputError(f'{path}: classes must be distinct names')
  for name, allowed in (
    ('backbone', backbones.BACKBONES),
    ('resize', preprocessing.RESIZES),
    ('normalization', normalization.RULES_OF_AN_IMAGE),
  ):
    if facts[name] not in allowed:
      raise errors.InputError(
        f'{path}: unknown {name} {facts[name]!r}; choose from '
        f'{", ".join(allowed)}'
        + (
          ', or give the --plugins that registers it'
          if name == 'backbone'
          else ''
        )
      )
  if not 16 <= facts['image_size'] <= 4096 or (
    facts['target_size'] is not None and facts['target_size'] < 1
  ):
    raise errors.InputError(f'{path}: image_size or target_size out of range')


def _check_told(facts: dict[str, Any], path: pathlib.Path) -> None:
  """What came with the third format and the fourth."""
  if not (math.isfinite(facts['temperature']) and facts['temperature'] > 0):
    raise errors.InputError(f'{path}: the temperature must be above 0')
  try:
    labels_of(facts)
  except (KeyError, ValueError) as e:
    raise errors.InputError(
      f'{path}: classes are not of label_type {facts["label_type"]!r}'
    ) from e
  accuracies = [facts[n] for n in ('accuracy', 'apart', 'linear') if n in facts]
  shares = [a.get(k) for a in accuracies for k in ('low', 'high')]
  counts = [
    *facts['images'],
    *(a.get(k) for a in accuracies for k in ('correct', 'total')),
  ]
  shares += (
    dict.fromkeys(('before', 'after', 'by_chance')) | facts['calibration_error']
  ).values()
  if (
    len(facts['images']) != len(facts['classes'])
    or not all(type(n) is int and n >= 0 for n in counts)
    or not all(type(s) in (int, float) and 0 <= s <= 1 for s in shares)
    or not all(a['total'] for a in accuracies)
  ):
    raise errors.InputError(
      f'{path}: images, accuracy, apart, linear or calibration_error are not '
      'as they must be; it was edited'
    )


def labels_of(facts: dict[str, Any]) -> list[Any]:
  """The labels that classes are names of; names where nothing else is known.

  Raises:
    KeyError: an unknown label_type.
    ValueError: a name is not of it.
  """
  convert = LABEL_TYPES[facts.get('label_type', 'str')]
  return [convert(name) for name in facts['classes']]


def label_type(labels: np.ndarray) -> str:
  """Of `LABEL_TYPES`, what labels are."""
  kinds = {'i': 'int', 'u': 'int', 'f': 'float', 'b': 'bool'}
  return kinds.get(labels.dtype.kind, 'str')


def as_input(
  facts: dict[str, Any], usual: preprocessing.Input, path: pathlib.Path
) -> preprocessing.Input:
  """How images become the network's input.

  Args:
    facts: what `read` gives.
    usual: as the network's weights want it.
    path: of model.json, for messages.

  Raises:
    errors.InputError: an input cannot be so.
  """
  if facts['format'] == 1:
    return dataclasses.replace(
      usual, resize=facts['resize'], crop=preprocessing.SQUARE
    )
  try:
    return preprocessing.Input(
      scale=facts['scale'],
      offset=facts['offset'],
      resize=facts['resize'],
      crop=facts['crop'],
    )
  except errors.InputError as e:
    raise errors.InputError(f'{path}: {e}') from e
