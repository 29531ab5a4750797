"""Which of the networks a file's tensors may be of, nearest first.

Each family is asked by names and shapes. Those that need a graph of Keras' for
it are asked only of a file in which there are some of their names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
import dataclasses
import functools
import os
import tempfile
import types
from typing import Any, cast

from vtab_h2t import errors
from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import resnet_v2_names
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_reading
from vtab_h2t.backbones import vit_schemes
from vtab_h2t.backbones import vit_taps
from vtab_h2t.backbones import vit_tensors

_SIZE = 32  # Pixels; weights of convolutions are the same for any.
_COUNTS = 'num_batches_tracked'  # Of torch's batch norm, which nothing needs.
_VIT, _RESNET_V1, _RESNET_V2 = 'vit', 'resnet_v1', 'resnet50'
_PACKAGED = (
  'its weights are those of a package and files of others are not taken: '
  '--backbone={} --weights=imagenet'
)


def of_tensors(shapes: fitting.Shapes, file: str) -> list[fitting.Fit]:
  """Networks whose readers may take a file's tensors, nearest first.

  Args:
    shapes: of all tensors, by the names that the file has.
    file: where they are from, for messages.

  Returns:
    Those with which the file has tensors in common; of equally near ones those
    that take more kinds of files come first.
  """
  families = (_vits, _resnets_v1, _resnets_v2, _efficientnets, _keras_cvs)
  return _nearest(fit for family in families for fit in family(shapes, file))


def of_variables(
  variables: saved_variables.Variables, file: str
) -> list[fitting.Fit]:
  """Networks whose variables a SavedModel may have, nearest first.

  Args:
    variables: the model's.
    file: where they are from, for messages.
  """
  return _nearest([*_saved_resnets(variables), *_saved_vits(variables, file)])


def _nearest(fits: Iterable[fitting.Fit]) -> list[fitting.Fit]:
  found = [fit for fit in fits if fit.share > 0]
  return sorted(found, key=lambda fit: (fit.is_whole, fit.share), reverse=True)


def _vits(
  shapes: fitting.Shapes, file: str, tap_set: str = 'all'
) -> Iterator[fitting.Fit]:
  """ViTs that may be meant.

  Args:
    shapes, file: as of `of_tensors`.
    tap_set: the taps that those of `vit_architecture.NAMED` have to have.
  """
  try:
    guess = vit_reading.presumed(shapes, file)
  except errors.InputError as e:
    yield from _other_vits(shapes, file, _without_path(str(e), file))
    return
  found = {name: shapes[full] for name, full in guess.stored.items()}
  about = _of_vit(guess.scheme, guess.network)
  fit = fitting.compare(
    vit_tensors.shapes(guess.scheme, guess.network),
    found,
    dataclasses.replace(
      about,
      prefix=fitting.prefix_of(guess.stored.values(), guess.scheme.anchor),
    ),
  )
  yield fit
  for name in vit_architecture.NAMED:
    try:
      vit_reading.check_named(guess, name, tap_set, file)
    except errors.InputError:
      continue
    yield dataclasses.replace(fit, backbone=name)


def _of_vit(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture
) -> fitting.Fit:
  """What is said of a ViT, but for its tensors."""
  return fitting.Fit(
    backbone=_VIT,
    scheme=scheme.name,
    network=str(network),
    patch=network.patch,
    trained_size=network.grid * network.patch,
  )


def _other_vits(
  shapes: fitting.Shapes, file: str, fault: str
) -> Iterator[fitting.Fit]:
  """The published ViT that a file is nearest to whose ViT cannot be told."""
  try:
    known = [vit_schemes.find(shapes, file)]
  except errors.InputError:
    known = []
  fits = []
  for scheme, stored in known or [
    (scheme, None)
    for scheme in sorted(vit_names.SCHEMES, key=lambda scheme: scheme.marks)
  ]:
    prefix = fitting.prefix_of(shapes, scheme.anchor)
    if stored is None:
      found = _without_prefix(shapes, prefix)
    else:
      found = {name: shapes[full] for name, full in stored.items()}
    for name, network in vit_architecture.NAMED.items():
      about = fitting.Fit(
        backbone=name, scheme=scheme.name, prefix=prefix, fault=fault
      )
      wanted = vit_tensors.shapes(scheme, network)
      fits.append(fitting.compare(wanted, found, about))
  # The first of equals: a scheme that asks for no marks.
  yield max(fits, key=lambda fit: fit.share)


def _without_path(fault: str, file: str) -> str:
  """A reader's line without the file's path at its beginning."""
  return fault.removeprefix(file).strip()


def _without_prefix(shapes: fitting.Shapes, prefix: str) -> fitting.Shapes:
  """By names without a prefix, and without torch's counts of batches."""
  return {
    name.removeprefix(prefix): shape
    for name, shape in shapes.items()
    if not name.endswith(_COUNTS)
  }


def _resnets_v1(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  names = resnet_v1_names
  anchor = names.ANCHOR
  scheme = 'torchvision and timm'
  if any(n.endswith(names.HUGGING_FACE_ANCHOR) for n in shapes):
    anchor, scheme = names.HUGGING_FACE_ANCHOR, "Hugging Face's ResNetModel"
  prefix = fitting.prefix_of(shapes, anchor)
  found = _without_prefix(shapes, prefix)
  fault, network = '', names.of_depth(50)
  try:
    found = names.torchvision(shapes, file)
    network = names.architecture(found, file)
  except errors.InputError as e:
    fault = _without_path(str(e), file)
  about = fitting.Fit(
    backbone=_RESNET_V1, scheme=scheme, prefix=prefix, fault=fault
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
      f'{network.classes or "no"} classes',
    )
  yield fitting.compare(names.shapes(network), found, about)


@functools.cache
def _resnet_v2_weights() -> Mapping[str, fitting.Shape]:
  """Shapes of the weights of a ResNet-50 v2 with all biases, by paths."""
  from vtab_h2t.backbones import resnet_v2  # Imports Keras.

  model, _ = resnet_v2.build(_SIZE)
  return {w.path: tuple(w.shape) for w in model.weights}


def _resnet_v2(classes: int, biases: bool) -> Any:
  """What plans of `resnet_v2_names` read of a model: its weights' shapes."""
  shapes = dict(_resnet_v2_weights())
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


def _of_resnet_v2(
  plan: Callable[[Any], Mapping[str, importing.Tensor]],
  found: fitting.Shapes,
  biases: bool,
  about: fitting.Fit,
) -> fitting.Fit:
  """Compares tensors with a ResNet-50 v2 of as many classes as they are of."""
  head = plan(_resnet_v2(1000, biases))['predictions/bias'].name
  classes = found[head][0] if found.get(head) else 1000
  if classes == 1001:  # Of which the first is no class, but the background.
    classes = 1000
  model = _resnet_v2(classes, biases)
  weights = {w.path: w.shape for w in model.weights}
  wanted = fitting.shapes_of_plan(weights, plan(model), found)
  about = dataclasses.replace(
    about,
    network=f'ResNet-50 v2, width 64 to {weights["predictions/kernel"][0]}, '
    f'{classes if head in found else "no"} classes',
  )
  return fitting.compare(wanted, found, about)


def _resnets_v2(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  names = resnet_v2_names
  if names.is_timms(shapes):
    fault = ''
    prefix = fitting.prefix_of(shapes, names.TIMM_ANCHOR)
    found = _without_prefix(shapes, prefix)
    try:  # It looks at names alone.
      found = cast(Any, names.without_timms_extras(cast(Any, shapes), file))
    except errors.InputError as e:
      fault = _without_path(str(e), file)
    about = fitting.Fit(
      backbone=_RESNET_V2,
      scheme="timm's resnetv2_50",
      prefix=prefix,
      fault=fault,
    )
    yield _of_resnet_v2(names.timm, found, False, about)
  elif any(n.startswith(('conv1_conv/', 'conv2_block')) for n in shapes):
    about = fitting.Fit(backbone=_RESNET_V2, scheme='keras.applications')
    fit = _of_resnet_v2(names.same, shapes, True, about)
    bias = shapes.get('predictions/bias', (1000,))
    if bias != (1000,):
      fit = dataclasses.replace(
        fit, fault=f'has {bias[0]} classes; its reader takes 1000'
      )
    yield fit


def _efficientnets(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  del file
  if not any(name.startswith('_blocks.') for name in shapes):
    return
  found = _without_prefix(shapes, '')
  for variant in (
    efficientnet_lite.LITE0,
    efficientnet_lite.LITE1,
    efficientnet_lite.LITE2,
  ):
    model, _ = efficientnet_lite.build(_SIZE, variant)
    weights = {w.path: tuple(w.shape) for w in model.weights}
    wanted = fitting.shapes_of_plan(
      weights, efficientnet_lite.plan(model), found
    )
    yield fitting.compare(
      wanted,
      found,
      fitting.Fit(
        backbone=variant.name,
        scheme='EfficientNet-PyTorch',
        fault=_PACKAGED.format(variant.name),
      ),
    )


def _keras_cvs(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  del file
  if not any('/vars/' in name for name in shapes):  # Keras 3's own files.
    return
  from vtab_h2t.backbones import keras_cv_resnet

  about = fitting.Fit(backbone='keras_cv_resnet50', scheme='KerasCV')
  try:
    network = keras_cv_resnet.build(_SIZE)
  except errors.InputError as e:  # KerasCV is not installed.
    yield dataclasses.replace(about, matched=1, fault=str(e))
    return
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'network.weights.h5')
    network.save_weights(path)
    stored = tensors_lib.read(path)
  wanted = {name: value.shape for name, value in stored.arrays.items()}
  yield fitting.compare(wanted, shapes, about)


def _saved_resnets(
  variables: saved_variables.Variables,
) -> Iterator[fitting.Fit]:
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
    yield _only_wanted(
      _of_resnet_v2(
        plan,
        {name: array.shape for name, array in arrays.items()},
        biases,
        fitting.Fit(
          backbone=_RESNET_V2,
          scheme=scheme,
          prefix=fitting.prefix_of(
            [*variables.named, *variables.placed], anchor
          ),
        ),
      )
    )


def _saved_vits(
  variables: saved_variables.Variables, file: str
) -> Iterator[fitting.Fit]:
  scheme = vit_names.AUGREG
  arrays = variables.under(scheme.anchor)
  trees = [] if arrays is None else [arrays]
  if arrays is None:  # JAX's converter leaves an order, and no names.
    trees = [
      dict(zip(order, values, strict=True))
      for values in variables.lists()
      for depth in {n.depth for n in vit_architecture.NAMED.values()}
      for order in vit_tensors.augreg_orders(depth, len(values))
    ]
  for tree in trees:
    shapes = {name: array.shape for name, array in tree.items()}
    # A SavedModel's variables may lack the head: its graph has no need of it.
    for fit in _vits(shapes, file, vit_taps.RELEASED):
      if fit.backbone in vit_architecture.NAMED:
        yield _only_wanted(
          dataclasses.replace(
            fit,
            scheme=scheme.name
            + ('' if arrays is not None else ', in the order of its tree'),
          )
        )


def _only_wanted(fit: fitting.Fit) -> fitting.Fit:
  """Of a SavedModel, where other variables, of training, may be left over."""
  return dataclasses.replace(fit, left_over=())
