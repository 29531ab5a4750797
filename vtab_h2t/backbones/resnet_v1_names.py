"""How torchvision, timm and Hugging Face name the weights of a ResNet v1.

The names of torchvision, which are timm's as well, stand for all of them:
'layer1.0.conv2.weight'. Those of Hugging Face's `ResNetModel` are translated,
'encoder.stages.0.layers.0.layer.1.convolution.weight'. What is not in the names
is in the shapes, so that the architecture is read from both.
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import re
from typing import TypeVar

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import tensors as tensors_lib

Shapes = Mapping[str, tuple[int, ...]]
_T = TypeVar('_T')

ANCHOR = 'layer1.0.conv1.weight'
HUGGING_FACE_ANCHOR = 'embedder.embedder.convolution.weight'
HUGGING_FACE_TYPE = 'resnet'  # Its configurations' type of model.
_UNIT = re.compile(r'layer([1-9]\d?)\.(\d{1,3})\.')
# What other ResNets have, which these are not, and who has it.
_FOREIGN = (
  (r'conv1\.\d', 'a stem of three convolutions, as ResNet-C, -D and -T'),
  (r'layer\d+\.\d+\.downsample\.2\.', 'pooled shortcuts, as ResNet-D'),
  (r'.*\.se\.|.*\.attn', 'attention over channels, as SE- and ECA-ResNets'),
)
_TORCH_NORM = {
  'gamma': 'weight',
  'beta': 'bias',
  'moving_mean': 'running_mean',
  'moving_variance': 'running_var',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
  """Units between two changes of resolution.

  Attributes:
    units: their number.
    width: channels within a unit.
    output: channels of a unit's output.
  """

  units: int
  width: int
  output: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
  """A ResNet v1.

  Attributes:
    stages: first to last; each but the first halves the map.
    bottleneck: whether a unit is of kernels 1x1, 3x3 and 1x1, else of two 3x3.
    stem: channels of the first convolution.
    classes: of the logits; 0 if there are none.
    stride_first: of bottlenecks, whether a stage's stride is in the first of
      the three convolutions, else in the second.
  """

  stages: tuple[Stage, ...]
  bottleneck: bool
  stem: int = 64
  classes: int = 1000
  stride_first: bool = False

  @property
  def convolutions(self) -> tuple[int, ...]:
    """Numbers of the convolutions of a unit."""
    return (1, 2, 3) if self.bottleneck else (1, 2)

  @property
  def kernels(self) -> tuple[int, ...]:
    """Sides of the kernels of a unit's convolutions."""
    return (1, 3, 1) if self.bottleneck else (3, 3)

  def has_shortcut(self, stage: int, unit: int) -> bool:
    """Whether a unit's shortcut is a convolution; both count from 0."""
    before = self.stages[stage - 1].output if stage else self.stem
    return unit == 0 and (stage > 0 or before != self.stages[0].output)


def of_depth(depth: int) -> Architecture:
  """The published network of 18, 34, 50, 101 or 152 layers with weights."""
  units = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
  }[depth]
  bottleneck = depth >= 50
  return Architecture(
    stages=tuple(
      Stage(units=n, width=width, output=4 * width if bottleneck else width)
      for n, width in zip(units, (64, 128, 256, 512))
    ),
    bottleneck=bottleneck,
  )


def is_hugging_faces(names: Iterable[str]) -> bool:
  """Whether names of tensors are Hugging Face's."""
  return any(name.endswith(HUGGING_FACE_ANCHOR) for name in names)


def torchvision(tensors: Mapping[str, _T], file: str) -> dict[str, _T]:
  """A file's tensors under torchvision's names, without what is before them.

  Args:
    tensors: or their shapes, by the names that the file has.
    file: where they are from, for messages.

  Returns:
    Those of the network, and under their own names what is left over, except
    the counts of batches that torch's batch norm keeps.

  Raises:
    errors.InputError: they are of another network, or of several.
  """
  translate: Callable[[str], str] = str  # Names stay as they are.
  known = tensors_lib.without_prefix(tensors, [ANCHOR], file)
  if not known:
    known = tensors_lib.without_prefix(tensors, [HUGGING_FACE_ANCHOR], file)
    translate = _of_hugging_face
  if not known:
    raise errors.InputError(
      f'{file} is no ResNet of torchvision, timm or Hugging Face: it has '
      f'neither {ANCHOR} nor {HUGGING_FACE_ANCHOR}'
    )
  # Hugging Face has the classifier beside the network, not within it.
  known |= {name: name for name in set(tensors) - set(known.values())}
  found = {translate(name): tensors[full] for name, full in known.items()}
  if len(found) != len(tensors):
    raise errors.InputError(
      f'{file} has a tensor twice, by names of torchvision and of Hugging '
      'Face, or within a network and beside it; save the network alone'
    )
  found = {
    n: x for n, x in found.items() if not n.endswith('num_batches_tracked')
  }
  for pattern, what in _FOREIGN:
    foreign = next((n for n in found if re.match(pattern, n)), None)
    if foreign:
      raise errors.InputError(
        f'{file} has {foreign}: {what} have it; only plain ResNets v1 are read'
      )
  return found


def _of_hugging_face(name: str) -> str:
  """One name of `ResNetForImageClassification` as torchvision has it."""
  name = name.replace('embedder.embedder.convolution.', 'conv1.')
  name = name.replace('embedder.embedder.normalization.', 'bn1.')
  name = name.replace('classifier.1.', 'fc.')
  unit = re.match(r'encoder\.stages\.(\d{1,2})\.layers\.(\d{1,3})\.(.*)', name)
  if not unit:
    return name
  stage, number, rest = unit.groups()
  rest = re.sub(r'^shortcut\.convolution\.', 'downsample.0.', rest)
  rest = re.sub(r'^shortcut\.normalization\.', 'downsample.1.', rest)
  part = re.match(r'layer\.(\d)\.(convolution|normalization)\.(.*)', rest)
  if part:
    kind = 'conv' if part[2] == 'convolution' else 'bn'
    rest = f'{kind}{int(part[1]) + 1}.{part[3]}'
  return f'layer{int(stage) + 1}.{number}.{rest}'


def architecture(found: Shapes, file: str) -> Architecture:
  """The network that tensors are of, by some of them; `shapes` has all.

  Args:
    found: shapes by torchvision's names.
    file: where they are from, for messages.

  Raises:
    errors.InputError: it is no ResNet v1, or one with grouped convolutions.
  """
  units: dict[int, int] = {}
  for name in found:
    place = _UNIT.match(name)
    if place:
      stage, unit = int(place[1]), int(place[2])
      units[stage] = max(units.get(stage, 0), unit + 1)
  bottleneck = 'layer1.0.conv3.weight' in found
  last = 3 if bottleneck else 2
  stages = tuple(
    Stage(
      units=units[stage],
      width=_filters(found, f'layer{stage}.0.conv1.weight', file),
      output=_filters(found, f'layer{stage}.0.conv{last}.weight', file),
    )
    for stage in sorted(units)
  )
  for stage in units:
    name = f'layer{stage}.0.conv2.weight'
    _filters(found, name, file)
    width = _filters(found, f'layer{stage}.0.conv1.weight', file)
    if found[name][1] != width:
      raise errors.InputError(
        f'{file} has {name} of shape {found[name]}: convolutions in groups, '
        'as ResNeXts have them; only plain ResNets v1 are read'
      )
  return Architecture(
    stages=stages,
    bottleneck=bottleneck,
    stem=_filters(found, 'conv1.weight', file),
    classes=found['fc.weight'][0] if found.get('fc.weight') else 0,
  )


def _filters(found: Shapes, name: str, file: str) -> int:
  """The number of a convolution's filters.

  Raises:
    errors.InputError: it is not there, or is no convolution.
  """
  if name not in found or len(found[name]) != 4 or 0 in found[name]:
    raise errors.InputError(
      f'{file} has '
      + (f'{name} of shape {found[name]}' if name in found else f'no {name}')
      + ', where a ResNet has a convolution; it belongs to another '
      'architecture or is incomplete'
    )
  return found[name][0]


def shapes(network: Architecture) -> dict[str, tuple[int, ...]]:
  """The shapes of all tensors of a network, by torchvision's names."""
  found: dict[str, tuple[int, ...]] = {}

  def add(conv: str, norm: str, filters: int, inputs: int, side: int) -> None:
    found[f'{conv}.weight'] = (filters, inputs, side, side)
    for part in _TORCH_NORM.values():
      found[f'{norm}.{part}'] = (filters,)

  add('conv1', 'bn1', network.stem, 3, 7)
  before = network.stem
  for i, stage in enumerate(network.stages):
    for unit in range(stage.units):
      name, inputs = f'layer{i + 1}.{unit}', before
      for number, side in zip(network.convolutions, network.kernels):
        is_last = number == network.convolutions[-1]
        filters = stage.output if is_last else stage.width
        conv, norm = f'{name}.conv{number}', f'{name}.bn{number}'
        add(conv, norm, filters, inputs, side)
        inputs = filters
      if network.has_shortcut(i, unit):
        down = f'{name}.downsample'
        add(f'{down}.0', f'{down}.1', stage.output, before, 1)
      before = stage.output
  if network.classes:
    found['fc.weight'] = (network.classes, before)
    found['fc.bias'] = (network.classes,)
  return found


def plan(network: Architecture) -> dict[str, importing.Tensor]:
  """Where weights of `resnet_v1.build` are, as `importing.load` takes it."""
  found: dict[str, importing.Tensor] = {}

  def add(layer: str, conv: str, norm: str) -> None:
    found[f'{layer}_conv/kernel'] = importing.Tensor(
      f'{conv}.weight', lambda value: value.transpose(2, 3, 1, 0)
    )
    for ours, theirs in _TORCH_NORM.items():
      found[f'{layer}_bn/{ours}'] = importing.Tensor(f'{norm}.{theirs}')

  add('stem', 'conv1', 'bn1')
  for i, stage in enumerate(network.stages):
    for unit in range(stage.units):
      ours, theirs = f'block{i + 1}_unit{unit + 1}', f'layer{i + 1}.{unit}'
      for number in network.convolutions:
        add(
          f'{ours}_part{number}',
          f'{theirs}.conv{number}',
          f'{theirs}.bn{number}',
        )
      if network.has_shortcut(i, unit):
        down = f'{theirs}.downsample'
        add(f'{ours}_shortcut', f'{down}.0', f'{down}.1')
  if network.classes:
    found['logits/kernel'] = importing.Tensor('fc.weight', np.transpose)
    found['logits/bias'] = importing.Tensor('fc.bias')
  return found
