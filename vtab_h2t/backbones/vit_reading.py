"""Which vision transformer a file's tensors are of, by names and shapes.

What is not in them follows from the scheme of names, but for what published
networks are known to have otherwise, which is here, and for what Hugging Face's
configuration beside a file says.
"""

from collections.abc import Mapping
import dataclasses
import math
import re
from typing import NoReturn

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import hf_config
from vtab_h2t.backbones import hf_input
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_heads
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_schemes
from vtab_h2t.backbones import vit_tensors

Shapes = Mapping[str, tuple[int, ...]]

# CLIPs so wide are not OpenAI's but OpenCLIP's, which have the exact GELU.
_OPENCLIP = 1280


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
  """What a file holds.

  Attributes:
    scheme: how its tensors are named.
    network: which ViT it is.
    stored: the file's names by the scheme's.
    told: which ViT the tensors alone tell, if a configuration beside the file
      tells more of it; 0 heads if they do not tell them. Else None.
    fed: how images become its input, if such a file says it.
  """

  scheme: vit_names.Scheme
  network: vit_architecture.Architecture
  stored: Mapping[str, str]
  told: vit_architecture.Architecture | None = None
  fed: preprocessing.Input | None = None

  def __str__(self) -> str:
    return f'{self.network}; named as by {self.scheme.name}'

  def input(self, within: str = '') -> preprocessing.Input:
    """How images become its input.

    Args:
      within: where in a file of torch the tensors were; see `tensors.Tensors`.
    """
    if self.fed is not None:
      return self.fed
    usual = self.scheme.input
    if self.scheme is not vit_names.TIMM:
      return usual
    if self.network.norm_pre:
      return vit_names.OPENAI.input
    # DeiT III and DINOv2 in timm's names; DeiT, MAE, DINO in their own files.
    if self.network.layer_scale or within in ('model', 'teacher'):
      return dataclasses.replace(
        preprocessing.IMAGENET, resize=usual.resize, crop=usual.crop
      )
    return usual

  def sha256(self, weights: str) -> str:
    """What stands for weights of this sha256 and their configuration."""
    return hf_config.sha256(weights, self.told or self.network, self.network)


def identify(shapes: Shapes, file: str) -> Reading:
  """Which ViT a file's tensors are of.

  Args:
    shapes: of all tensors, by the names that the file has.
    file: where they are from, for messages; if they have Hugging Face's names,
      its path, as the configuration beside it is read.

  Raises:
    errors.InputError: they are of no ViT that is read, or of one but with
      tensors that are missing, left over, or of another shape.
  """
  guess = presumed(shapes, file)
  found = {name: tuple(shapes[full]) for name, full in guess.stored.items()}
  wanted = vit_tensors.shapes(guess.scheme, guess.network)
  importing.check_shapes(wanted, found, file)
  return guess


def presumed(shapes: Shapes, file: str) -> Reading:
  """Which ViT a file's tensors are of, by some of them; `identify` checks all.

  Args:
    shapes: of all tensors, by the names that the file has.
    file: as of `identify`.

  Raises:
    errors.InputError: they are of no ViT that is read, or contradict the
      configuration.
  """
  scheme, stored = vit_schemes.find(shapes, file)
  found = {name: tuple(shapes[full]) for name, full in stored.items()}
  if not scheme.model_types:
    network = _Reader(scheme, found, file).network()
    return Reading(scheme=scheme, network=network, stored=stored)
  config = hf_config.beside(file, scheme.model_types)
  told = _Reader(scheme, found, file, config is not None).network()
  return Reading(
    scheme=scheme,
    network=hf_config.of_vit(config, told, scheme.activation)
    if config
    else told,
    stored=stored,
    told=told if config else None,
    fed=hf_input.fed(file, scheme.input),
  )


def check_named(found: Reading, name: str, tap_set: str, file: str) -> None:
  """Raises InputError unless a file holds the network of this name.

  Args:
    found: what it holds.
    name: of `vit_architecture.NAMED`.
    tap_set: the taps that are asked for.
    file: its path, for messages.
  """
  network, wanted = found.network, vit_architecture.NAMED[name]
  # What may differ: what follows the last norm, and what is no layer.
  free = dataclasses.replace(
    wanted,
    grid=network.grid,
    representation=network.representation,
    classes=network.classes,
    activation=network.activation,
    epsilon=network.epsilon,
  )
  if network != free:
    raise errors.InputError(
      f'{file} does not fit {name}: it holds a {network}; read it as the '
      'backbone vit'
    )
  if tap_set == backbone_lib.ALL_TAPS and not network.classes:
    scheme = found.scheme
    head = scheme.bias('logits') if scheme.has('logits') else 'classifier'
    raise errors.InputError(
      f'{file} has no {head}: the logits are one of the '
      f'taps of {name}; read it as the backbone vit, or with the released taps'
    )


@dataclasses.dataclass(frozen=True)
class _Reader:
  """Reads an architecture from shapes by a scheme's names."""

  scheme: vit_names.Scheme
  found: Shapes
  file: str
  is_configured: bool = False  # So that heads need not be told by shapes.

  def network(self) -> vit_architecture.Architecture:
    """The architecture, by some of the tensors; not all are looked at.

    Raises:
      errors.InputError: one of them is not there or has another shape.
    """
    scheme = self.scheme
    kernel = self._shape('patches', 4)
    if scheme.from_jax:
      kernel = (kernel[3], kernel[2], *kernel[:2])
    width, _, patch, _ = kernel
    has_class = self._has('cls')
    registers = self._shape('registers', 3)[1] if self._has('registers') else 0
    positions, grid = self._positions(int(has_class), registers)
    norm_pre = self._has('norm_pre')
    if scheme.activation == vit_names.QUICK_GELU:
      # CLIPs without one (CLIPA) average tokens, and have the tanh GELU.
      self._shape('norm_pre', 1)
    projection = 0
    if self._has('projection'):
      shape = self._shape('projection', 2)
      projection = shape[1] if scheme.projects_right else shape[0]
    classes = 0
    if self._has('logits'):
      classes = self._shape('logits', 2)[1 if scheme.from_jax else 0]
    activation, epsilon = scheme.activation, scheme.epsilon
    if activation == vit_names.QUICK_GELU and width >= _OPENCLIP:
      activation = vit_names.GELU
    if scheme is vit_names.TIMM and norm_pre:
      epsilon = vit_names.OPENAI.epsilon
    fused = scheme.has('qkv')
    first = vit_names.in_block(0, 'qkv' if fused else 'query')
    return vit_architecture.Architecture(
      width=width,
      depth=self._depth(),
      heads=self._heads(width),
      mlp=self._mlp(width),
      patch=patch,
      grid=grid,
      class_token=has_class,
      registers=registers,
      positions=positions,
      patch_bias=scheme.bias('patches') in self.found,
      norm_pre=norm_pre,
      qkv_bias=scheme.bias(first) in self.found,
      layer_scale=self._has(vit_names.in_block(0, 'scale1')),
      fc_norm=self._has('fc_norm') and not self._has('norm'),
      representation=self._has('pre_logits'),
      projection=projection,
      classes=classes,
      activation=activation,
      epsilon=epsilon,
    )

  def _has(self, part: str) -> bool:
    scheme = self.scheme
    return scheme.has(part) and scheme.weight(part) in self.found

  def _has_bias(self, part: str) -> bool:
    scheme = self.scheme
    return scheme.has(part) and scheme.bias(part) in self.found

  def _shape(self, part: str, rank: int) -> tuple[int, ...]:
    """The shape of a layer's kernel, or of a tensor.

    Raises:
      errors.InputError: it is not there, or has another rank.
    """
    name = self.scheme.weight(part)
    shape = self.found.get(name)
    if shape is None or len(shape) != rank or 0 in shape:
      self._fail(f'no {name}' if shape is None else f'{name} of shape {shape}')
    assert shape is not None
    return shape

  def _fail(self, what: str) -> NoReturn:
    raise errors.InputError(
      f'{self.file} has {what}, which no ViT with names of '
      f'{self.scheme.name} has; it belongs to another architecture or is '
      'incomplete'
    )

  def _positions(self, has_class: int, registers: int) -> tuple[str, int]:
    """Which tokens have positions, and the grid of patches."""
    rows = self._shape('position', 2 if self.scheme.bare_tokens else 3)[-2]
    prefixes = {
      vit_architecture.WITH_CLASS: has_class,
      vit_architecture.PATCHES: 0,
      vit_architecture.ALL_TOKENS: has_class + registers,
    }
    if self.scheme is not vit_names.TIMM:  # Only timm has other ways.
      prefixes = {vit_architecture.WITH_CLASS: has_class}
    for positions, prefix in prefixes.items():
      grid = math.isqrt(max(rows - prefix, 0))
      if grid and grid * grid == rows - prefix:
        return positions, grid
    return self._fail(
      f'{self.scheme.weight("position")} of {rows} rows that are no square of '
      'patches'
    )

  def _depth(self) -> int:
    start, end = (re.escape(t) for t in self.scheme.block.split('{}'))
    numbers = [
      int(matched[1])
      for name in self.found
      if (matched := re.match(rf'{start}(\d{{1,3}}){end}', name))
    ]
    return max(numbers, default=-1) + 1 or self._fail('no blocks')

  def _heads(self, width: int) -> int:
    if self.scheme.from_jax:
      return self._shape(vit_names.in_block(0, 'query'), 3)[1]
    biased = self._has_bias(vit_names.in_block(0, 'qkv'))
    try:
      return vit_heads.count(
        width=width, mlp=self._mlp(width), qkv_bias=biased, file=self.file
      )
    except errors.InputError:
      if self.is_configured:
        return 0
      raise

  def _mlp(self, width: int) -> int:
    """Raises InputError of a gated MLP, whose first layer is twice as wide."""
    part = vit_names.in_block(0, 'mlp1')
    wide = self._shape(part, 2)[1 if self.scheme.from_jax else 0]
    second = self._shape(vit_names.in_block(0, 'mlp2'), 2)
    if not self.scheme.from_jax and second == (width, wide // 2):
      raise errors.InputError(
        f'{self.file} has {self.scheme.weight(part)} of {wide} rows: SwiGLU, '
        "as DINOv2's ViT-g has it, which is not read"
      )
    return wide
