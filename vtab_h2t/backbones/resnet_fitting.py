"""How far a file's tensors are those of ResNets."""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import functools
import os
import tempfile
import types
from typing import Any, cast

from vtab_h2t import errors
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import hf_config
from vtab_h2t.backbones import hf_input
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import resnet_v2_names
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import tensors as tensors_lib

_SIZE = 32  # Pixels; weights of convolutions are the same for any.
_V1, _V2, _KERAS_CV = 'resnet_v1', 'resnet50', 'keras_cv_resnet50'
_NUMBERED = (
  "has the numbers of Keras 3's save_weights in place of layers' names, which "
  "do not tell the network; if it is not KerasCV's, save it with "
  'model.save("FILE.h5")'
)


def fits_v1(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  """ResNets v1 that may be meant; arguments as of `candidates.of_tensors`."""
  names = resnet_v1_names
  anchor = names.ANCHOR
  scheme = 'torchvision and timm'
  if names.is_hugging_faces(shapes):
    anchor, scheme = names.HUGGING_FACE_ANCHOR, "Hugging Face's ResNetModel"
  prefix = fitting.prefix_of(shapes, anchor)
  found = fitting.without_prefix(shapes, prefix)
  fault, network = '', names.of_depth(50)
  configured: tuple[str, ...] = ()
  try:
    found = names.torchvision(shapes, file)
    network = names.architecture(found, file)
    if names.is_hugging_faces(shapes):
      network = hf_config.of_resnet(file, network)
      configured = hf_input.found(
        file, (names.HUGGING_FACE_TYPE,), preprocessing.IMAGENET
      )
  except errors.InputError as e:
    fault = fitting.without_path(str(e), file)
  about = fitting.Fit(
    backbone=_V1,
    scheme=scheme,
    aside=fitting.counts(shapes),
    configured=configured,
    prefix=prefix,
    fault=fault,
  )
  if not fault:
    units = '-'.join(str(stage.units) for stage in network.stages)
    depth = 2 + len(network.convolutions) * sum(
      stage.units for stage in network.stages
    )
    about = dataclasses.replace(
      about,
      network=f'ResNet v1 of {depth} layers, {units} '
      f'{"bottlenecks" if network.bottleneck else "basic units"}, width '
      f'{network.stages[0].width} to {network.stages[-1].output}, '
      f'{network.classes or "no"} classes'
      + (', strides in 1x1 convolutions' if network.stride_first else ''),
    )
  yield fitting.compare(names.shapes(network), found, about)


def fits_v2(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  """ResNets-50 v2 that may be meant; arguments as of `fits_v1`."""
  names = resnet_v2_names
  if names.is_timms(shapes):
    fault = ''
    prefix = fitting.prefix_of(shapes, names.TIMM_ANCHOR)
    found = fitting.without_prefix(shapes, prefix)
    try:  # It looks at names alone.
      found = cast(Any, names.without_timms_extras(cast(Any, shapes), file))
    except errors.InputError as e:
      fault = fitting.without_path(str(e), file)
    about = fitting.Fit(
      backbone=_V2,
      scheme="timm's resnetv2_50",
      aside=fitting.counts(shapes),
      prefix=prefix,
      fault=fault,
    )
    yield _of_v2(names.timm, found, False, about)
  elif any(n.startswith(('conv1_conv/', 'conv2_block')) for n in shapes):
    about = fitting.Fit(backbone=_V2, scheme='keras.applications')
    fit = _of_v2(names.same, shapes, True, about)
    bias = shapes.get('predictions/bias', (1000,))
    if bias != (1000,):
      fit = dataclasses.replace(
        fit, fault=f'has {bias[0]} classes; its reader takes 1000'
      )
    yield fit


def fits_keras_cv(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  """KerasCV's ResNet, if Keras 3 wrote the file; arguments as of `fits_v1`."""
  del file
  if not any('/vars/' in name for name in shapes):  # Keras 3's own files.
    return
  from vtab_h2t.backbones import keras_cv_resnet

  try:
    network = keras_cv_resnet.build(_SIZE)
  except (
    errors.InputError
  ):  # KerasCV is not installed; nobody says it is meant.
    return
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'network.weights.h5')
    network.save_weights(path)
    stored = tensors_lib.read(path)
  wanted = {name: value.shape for name, value in stored.arrays.items()}
  about = fitting.Fit(backbone=_KERAS_CV, scheme='KerasCV')
  fit = fitting.compare(wanted, shapes, about)
  yield fit if fit.is_whole else dataclasses.replace(fit, fault=_NUMBERED)


def saved_fits_v2(
  variables: saved_variables.Variables,
) -> Iterator[fitting.Fit]:
  """ResNets-50 v2 that a SavedModel may be, given its variables."""
  names = resnet_v2_names
  for scheme, anchor, plan, biases in (
    ('google-research/s4l', names.S4L_ANCHOR, names.s4l, False),
    (
      'google/revisiting-self-supervised',
      names.NUMBERED_ANCHOR,
      functools.partial(names.numbered, head='conv2d_53'),
      False,
    ),
    (
      'tensorflow/models',
      names.NUMBERED_ANCHOR,
      functools.partial(names.numbered, head='dense'),
      False,
    ),
    ('TF-Slim', names.SLIM_ANCHOR, names.slim, True),
    ('keras.applications', names.KERAS_ANCHOR, names.same, True),
  ):
    arrays = variables.under(anchor)
    if arrays is None:
      continue
    yield fitting.only_wanted(
      _of_v2(
        plan,
        {name: array.shape for name, array in arrays.items()},
        biases,
        fitting.Fit(
          backbone=_V2,
          scheme=scheme,
          prefix=fitting.prefix_of(
            [*variables.named, *variables.placed], anchor
          ),
        ),
      )
    )


def _of_v2(
  plan: Callable[[Any], Mapping[str, importing.Tensor]],
  found: fitting.Shapes,
  biases: bool,
  about: fitting.Fit,
) -> fitting.Fit:
  """Compares tensors with a ResNet-50 v2 of as many classes as they are of."""
  head = plan(_v2(1000, biases))['predictions/bias'].name
  classes = found[head][0] if found.get(head) else 1000
  if classes == 1001:  # Of which the first is no class, but the background.
    classes = 1000
  model = _v2(classes, biases)
  weights = {w.path: w.shape for w in model.weights}
  wanted = fitting.shapes_of_plan(weights, plan(model), found)
  about = dataclasses.replace(
    about,
    network=f'ResNet-50 v2, width 64 to {weights["predictions/kernel"][0]}, '
    f'{classes if head in found else "no"} classes',
  )
  return fitting.compare(wanted, found, about)


def _v2(classes: int, biases: bool) -> Any:
  """What plans of `resnet_v2_names` read of a model: its weights' shapes."""
  shapes = dict(_v2_weights())
  inputs, _ = shapes['predictions/kernel']
  shapes |= {
    'predictions/kernel': (inputs, classes),
    'predictions/bias': (classes,),
  }
  return types.SimpleNamespace(
    weights=[
      types.SimpleNamespace(path=path, shape=shape)
      for path, shape in shapes.items()
      if biases or not path.endswith('conv/bias')
    ]
  )


@functools.cache
def _v2_weights() -> Mapping[str, fitting.Shape]:
  """Shapes of the weights of a ResNet-50 v2 with all biases, by paths."""
  from vtab_h2t.backbones import resnet_v2  # Imports Keras.

  model, _ = resnet_v2.build(_SIZE)
  return {w.path: tuple(w.shape) for w in model.weights}
