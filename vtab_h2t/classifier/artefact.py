"""An adapted model on disk: a bitmap, a head and what they belong to.

  model.json          names and numbers; see `_FIELDS`
  model.safetensors   `kernel` [C, k] and `bias` [C], float32; `selected`, the
                      bitmap of the features (left out where all are read)

No pickle, and no copy of the backbone: its name and the hash of its weights say
which one is needed. What is read is checked before it is used.
"""

from collections.abc import Callable, Iterator
import dataclasses
import json
import os
import pathlib
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.classifier import adapting
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.training import readout as readout_lib

if TYPE_CHECKING:
  import tensorflow as tf

FORMAT = 2
# Without the input, which was then always the one that the weights want.
_FIRST_FORMAT = 1
_JSON, _TENSORS = 'model.json', 'model.safetensors'
_BATCH = 32
# Field to type, of all formats; `weights` is a name, or the file name of
# weights to be given.
_FIELDS: dict[str, type | tuple[type, ...]] = {
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
# What `FORMAT` has besides.
_INPUT_FIELDS: dict[str, type | tuple[type, ...]] = {
  'scale': (int, float, list),
  'offset': (int, float, list),
  'crop': (int, float, type(None)),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """An adapted model, ready for use.

  Attributes:
    classes: names.
    backbone: the network.
    readout: what the head reads of its taps.
    kernel, bias: of the head: float32 `[C, k]` and `[C]`.
    facts: the rest of model.json.
  """

  classes: tuple[str, ...]
  backbone: backbone_lib.Backbone
  readout: readout_lib.Selected
  kernel: np.ndarray
  bias: np.ndarray
  facts: dict[str, Any]

  def probabilities(
    self, split: task_lib.Split
  ) -> Iterator[tuple[int, np.ndarray]]:
    """Class probabilities of images, batch by batch, in order.

    Yields:
      (number of images before the batch, float32 `[batch, C]`).

    Raises:
      errors.InputError: an image cannot be decoded.
    """
    import tensorflow as tf

    forward = tf.function(self.forward(), reduce_retracing=True)
    for done, images in extraction.read(self.backbone, split, _BATCH):
      yield done, forward(images).numpy()

  def forward(self) -> Callable[['tf.Tensor'], 'tf.Tensor']:
    """What is compiled: the network's input to probabilities, `[B, C]`."""
    import keras
    import tensorflow as tf

    model = self.backbone.model
    part = keras.Model(
      model.inputs, {t: model.output[t] for t in self.readout.taps}
    )

    def forward(images: 'tf.Tensor') -> 'tf.Tensor':
      x = self.readout(part(images, training=False))
      return tf.nn.softmax(
        tf.matmul(x, self.kernel, transpose_b=True) + self.bias
      )

    return forward


def model_of(adapted: adapting.Adapted) -> Model:
  """What `adapting.adapt` gave, ready for use."""
  head = adapted.head
  layout = extraction.layout_of(adapted.backbone, head.target_size)
  columns = np.arange(layout.size) if head.columns is None else head.columns
  return Model(
    adapted.classes,
    adapted.backbone,
    readout_lib.Selected(layout, columns, head.rule),
    head.head.kernel.numpy(),
    head.head.bias.numpy(),
    {},
  )


def save(
  adapted: adapting.Adapted, weights: str, folder: str | os.PathLike[str]
) -> dict[str, int]:
  """Writes a model; the folder appears whole or not at all.

  Args:
    adapted: the model.
    weights: of the backbone: their name, or the path of their file.
    folder: where to; it must not be there yet.

  Returns:
    Bytes of each file.

  Raises:
    errors.InputError: the folder is there already, or the network does not
      compute in float32, in which a folder is always read.
  """
  from safetensors import numpy as safetensors

  folder = pathlib.Path(folder)
  if folder.exists():
    raise errors.InputError(f'{folder} is there already; choose another --out')
  model, head, backbone = model_of(adapted), adapted.head, adapted.backbone
  if backbone.precision != backbone_lib.FLOAT32:
    raise errors.InputError(
      f'a model that was adapted in {backbone.precision} cannot be saved; '
      'adapt it in float32'
    )
  layout = model.readout.layout
  tensors = {'kernel': model.kernel, 'bias': model.bias}
  if head.columns is not None:
    bits = np.zeros(layout.size, bool)
    bits[head.columns] = True
    tensors['selected'] = np.packbits(bits)
  data = safetensors.save(
    {k: np.ascontiguousarray(v) for k, v in tensors.items()}
  )
  facts = {
    'format': FORMAT,
    'classes': list(adapted.classes),
    'method': adapted.method,
    'hparams': adapted.setting.as_row(),
    'target_size': head.target_size,
    'num_features': layout.size,
    'normalization': head.rule,
    'backbone': backbone.name,
    'weights': pathlib.Path(weights).name,
    'weights_sha256': backbone.weights_sha256,
    'image_size': backbone.image_size,
    'taps': backbone.tap_set,
    **dataclasses.asdict(backbone.input),
    'cls_pooling': backbone.cls_pooling,
    'tensors_sha256': files.sha256(data),
    'accuracy': dataclasses.asdict(adapted.accuracy),
    'linear': dataclasses.asdict(adapted.linear),
  }
  with files.atomic_directory(folder) as temporary:
    (temporary / _TENSORS).write_bytes(data)
    (temporary / _JSON).write_text(
      json.dumps(facts, indent=1, sort_keys=True) + '\n', 'utf-8'
    )
  return {name: (folder / name).stat().st_size for name in (_JSON, _TENSORS)}


def load(folder: str | os.PathLike[str], weights: str | None = None) -> Model:
  """Reads a model and builds its backbone.

  Args:
    folder: what `save` wrote.
    weights: path of the backbone's weights, where they are not packaged.

  Raises:
    errors.InputError: a file is missing, damaged, edited or of another format,
      or the weights are not those that the model was made with.
  """
  folder = pathlib.Path(folder)
  facts = _read_json(folder / _JSON)
  tensors = _read_tensors(folder / _TENSORS, facts)
  # A file or address is only taken from the user, never from the model.
  if (
    not weights
    and facts['weights'] not in backbones.BACKBONES[facts['backbone']].weights
  ):
    raise errors.InputError(
      f'{folder} needs the weights {facts["weights"]!r} of '
      f'{facts["backbone"]}; give their file with --weights'
    )
  backbone = backbones.load(
    facts['backbone'],
    weights or facts['weights'],
    facts['image_size'],
    facts['taps'],
    facts['cls_pooling'],
  )
  backbone = dataclasses.replace(
    backbone, input=_input(facts, backbone.input, folder)
  )
  if backbone.weights_sha256 != facts['weights_sha256']:
    raise errors.InputError(
      f'{folder} was made with other weights ({facts["weights"]}, sha256 '
      f'{facts["weights_sha256"][:12]}...); give them with --weights'
    )
  layout = extraction.layout_of(backbone, facts['target_size'])
  if layout.size != facts['num_features']:
    raise errors.InputError(
      f'{folder} is for {facts["num_features"]} features, its backbone gives '
      f'{layout.size}; it was edited, or made by another version'
    )
  columns = np.arange(layout.size)
  if 'selected' in tensors:
    columns = np.flatnonzero(
      np.unpackbits(tensors['selected'], count=layout.size)
    )
  kernel, bias = tensors['kernel'], tensors['bias']
  classes = len(facts['classes'])
  if kernel.shape != (classes, len(columns)) or bias.shape != (classes,):
    raise errors.InputError(
      f'{folder}: a head of {kernel.shape} does not fit {classes} classes '
      f'and {len(columns)} selected features; it was edited'
    )
  return Model(
    tuple(facts['classes']),
    backbone,
    readout_lib.Selected(layout, columns, facts['normalization']),
    kernel,
    bias,
    facts,
  )


def _input(
  facts: dict[str, Any], usual: preprocessing.Input, folder: pathlib.Path
) -> preprocessing.Input:
  """How images become the network's input; `usual` is as its weights want."""
  if facts['format'] == _FIRST_FORMAT:
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
    raise errors.InputError(f'{folder / _JSON}: {e}') from e


def _read_json(path: pathlib.Path) -> dict[str, Any]:
  try:
    facts = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError as e:
    raise errors.InputError(
      f'{path.parent} is no adapted model: it has no {path.name}'
    ) from e
  except (OSError, ValueError, RecursionError) as e:
    raise errors.InputError(f'{path} is damaged ({e}); adapt again') from e
  formats = {_FIRST_FORMAT: _FIELDS, FORMAT: _FIELDS | _INPUT_FIELDS}
  if not isinstance(facts, dict) or facts.get('format') not in (
    _FIRST_FORMAT,
    FORMAT,
  ):
    raise errors.InputError(
      f'{path} is not of format {FORMAT}; adapt again with this version'
    )
  for name, kind in formats[facts['format']].items():
    value = facts.get(name)
    if (
      name not in facts
      or not isinstance(value, kind)
      or isinstance(value, bool)
    ):
      raise errors.InputError(f'{path}: {name} is missing or not as it must be')
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
      )
  if not 16 <= facts['image_size'] <= 4096 or (
    facts['target_size'] is not None and facts['target_size'] < 1
  ):
    raise errors.InputError(f'{path}: image_size or target_size out of range')
  return facts


def _read_tensors(
  path: pathlib.Path, facts: dict[str, Any]
) -> dict[str, np.ndarray]:
  import safetensors
  from safetensors import numpy as safetensors_numpy

  try:
    data = path.read_bytes()
    if files.sha256(data) != facts['tensors_sha256']:
      raise errors.InputError(
        f'{path} has another checksum than model.json says; adapt again'
      )
    tensors = safetensors_numpy.load(data)
  except (OSError, safetensors.SafetensorError) as e:
    raise errors.InputError(f'{path} cannot be read ({e}); adapt again') from e
  wanted = {
    'kernel': ('float32', 2),
    'bias': ('float32', 1),
    'selected': ('uint8', 1),
  }
  if not {'kernel', 'bias'} <= set(tensors) <= set(wanted) or any(
    (str(t.dtype), t.ndim) != wanted[n] for n, t in tensors.items()
  ):
    raise errors.InputError(f'{path} does not hold a head; adapt again')
  return tensors
