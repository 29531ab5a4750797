"""An adapted model on disk: a bitmap, a head and what they belong to.

  model.json          names and numbers; see `facts`
  model.safetensors   `kernel` [C, k] and `bias` [C], float32; `selected`, the
                      bitmap of the features (left out where all are read)
  README.md           the model card; see `model_card`

No pickle, and no copy of the backbone: its name and the hash of its weights say
which one is needed. What is read is checked before it is used.
"""

from collections.abc import Callable, Iterator
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import calibration
from vtab_h2t.classifier import facts as facts_lib
from vtab_h2t.classifier import model_card
from vtab_h2t.features import extraction
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.training import readout as readout_lib

if TYPE_CHECKING:
  import tensorflow as tf

FORMAT = facts_lib.FORMAT
_JSON, _TENSORS = facts_lib.FILE, 'model.safetensors'
_BATCH = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """An adapted model, ready for use.

  Attributes:
    classes: names.
    backbone: the network.
    readout: what the head reads of its taps.
    kernel, bias: of the head: float32 `[C, k]` and `[C]`.
    facts: what model.json says, but for `tensors_sha256` of one that was not
      written yet.
    temperature: by which logits are divided before the softmax, above 0.
  """

  classes: tuple[str, ...]
  backbone: backbone_lib.Backbone
  readout: readout_lib.Selected
  kernel: np.ndarray
  bias: np.ndarray
  facts: dict[str, Any]
  temperature: float = 1.0

  def probabilities(
    self, split: task_lib.Split
  ) -> Iterator[tuple[int, np.ndarray]]:
    """Class probabilities of images, batch by batch, in order.

    Yields:
      (number of images before the batch, float32 `[batch, C]`).

    Raises:
      errors.InputError: an image cannot be decoded.
    """
    for done, images in extraction.read(self.backbone, split, _BATCH):
      yield done, self._compiled(images).numpy()

  @functools.cached_property
  def _compiled(self) -> Callable[['tf.Tensor'], 'tf.Tensor']:
    """Compiled once, as that takes longer than an image."""
    import tensorflow as tf

    return tf.function(self.forward(), reduce_retracing=True)

  def forward(self) -> Callable[['tf.Tensor'], 'tf.Tensor']:
    """What is compiled: the network's input to probabilities, `[B, C]`."""
    import keras
    import tensorflow as tf

    kernel, bias = self.tempered()
    model = self.backbone.model
    part = keras.Model(
      model.inputs, {t: model.output[t] for t in self.readout.taps}
    )

    def forward(images: 'tf.Tensor') -> 'tf.Tensor':
      x = self.readout(part(images, training=False))
      return tf.nn.softmax(tf.matmul(x, kernel, transpose_b=True) + bias)

    return forward

  def tempered(self) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a head whose logits need no temperature, float32."""
    divisor = np.float32(self.temperature)
    return self.kernel / divisor, self.bias / divisor


def model_of(
  adapted: adapting.Adapted,
  weights: str = '',
  *,
  source: str = '',
  label_type: str = 'str',
) -> Model:
  """What `adapting.adapt` gave, ready for use.

  Args:
    adapted: the classifier.
    weights: of the backbone: their name, or the path of their file.
    source: what the images are called, of which only the last part of a path
      is kept; '' if they have no name.
    label_type: of `facts.LABEL_TYPES`.
  """
  head, backbone = adapted.head, adapted.backbone
  layout = extraction.layout_of(backbone, head.target_size)
  columns = np.arange(layout.size) if head.columns is None else head.columns
  held_out = adapted.held_out
  scaled = calibration.Scaled.of(
    held_out.logits, adapted.labels[held_out.examples], adapted.temperature
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
    'accuracy': dataclasses.asdict(adapted.accuracy),
    'apart': dataclasses.asdict(adapted.apart),
    'linear': dataclasses.asdict(adapted.linear),
    'temperature': adapted.temperature,
    'label_type': label_type,
    'source': pathlib.Path(source).name,
    'images': np.bincount(
      adapted.labels, minlength=len(adapted.classes)
    ).tolist(),
    'calibration_error': dataclasses.asdict(scaled.errors()),
  }
  return Model(
    adapted.classes,
    backbone,
    readout_lib.Selected(layout, columns, head.rule),
    head.head.kernel.numpy(),
    head.head.bias.numpy(),
    facts,
    adapted.temperature,
  )


def save(
  adapted: adapting.Adapted,
  weights: str,
  folder: str | os.PathLike[str],
  source: str = '',
) -> dict[str, int]:
  """Writes what was adapted; see `model_of` and `write`."""
  return write(model_of(adapted, weights, source=source), folder)


def write(model: Model, folder: str | os.PathLike[str]) -> dict[str, int]:
  """Writes a model; the folder appears whole or not at all.

  Args:
    model: the model.
    folder: where to; it must not be there yet.

  Returns:
    Bytes of each file that is needed for predictions.

  Raises:
    errors.InputError: the folder is there already, or the network does not
      compute in float32, in which a folder is always read.
  """
  from safetensors import numpy as safetensors

  folder = pathlib.Path(folder)
  if folder.exists():
    raise errors.InputError(f'{folder} is there already; choose another --out')
  precision = model.backbone.precision
  if precision != backbone_lib.FLOAT32:
    raise errors.InputError(
      f'a model that was adapted in {precision} cannot be saved; '
      'adapt it in float32'
    )
  tensors = {'kernel': model.kernel, 'bias': model.bias}
  size, columns = model.readout.layout.size, model.readout.columns
  if len(columns) < size:
    bits = np.zeros(size, bool)
    bits[columns] = True
    tensors['selected'] = np.packbits(bits)
  data = safetensors.save(
    {k: np.ascontiguousarray(v) for k, v in tensors.items()}
  )
  facts = model.facts | {'tensors_sha256': files.sha256(data)}
  with files.atomic_directory(folder) as temporary:
    (temporary / _TENSORS).write_bytes(data)
    (temporary / _JSON).write_text(
      json.dumps(facts, indent=1, sort_keys=True) + '\n', 'utf-8'
    )
    (temporary / model_card.FILE).write_text(
      model_card.text(facts, len(columns), len(data)), 'utf-8'
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
  facts = facts_lib.read(folder / _JSON)
  tensors = _read_tensors(folder / _TENSORS, facts)
  backbone = network_of(facts, weights, folder)
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
    facts.get('temperature', 1.0),
  )


def network_of(
  facts: dict[str, Any],
  weights: str | None,
  of: str | os.PathLike[str],
) -> backbone_lib.Backbone:
  """The network that a model was made with.

  Args:
    facts: what model.json says.
    weights: path of its weights, where they are not packaged.
    of: the model's folder, for messages.

  Raises:
    errors.InputError: the weights are missing, or others.
  """
  # A file or address is only taken from the user, never from the model.
  if (
    not weights
    and facts['weights'] not in backbones.BACKBONES[facts['backbone']].weights
  ):
    raise errors.InputError(
      f'{of} needs the weights {facts["weights"]!r} of {facts["backbone"]}; '
      'give their file with --weights'
    )
  backbone = backbones.load(
    facts['backbone'],
    weights or facts['weights'],
    facts['image_size'],
    facts['taps'],
    facts['cls_pooling'],
  )
  if backbone.weights_sha256 != facts['weights_sha256']:
    raise errors.InputError(
      f'{of} was made with other weights ({facts["weights"]}, sha256 '
      f'{facts["weights_sha256"][:12]}...); give them with --weights'
    )
  return dataclasses.replace(
    backbone,
    input=facts_lib.as_input(
      facts, backbone.input, pathlib.Path(of, facts_lib.FILE)
    ),
  )


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
