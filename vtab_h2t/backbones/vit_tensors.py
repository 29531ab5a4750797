"""Where each weight of a vision transformer is in a file."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from vtab_h2t.backbones import importing
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_positions

Shape = tuple[int, ...]
_Convert = Callable[[np.ndarray], np.ndarray]


class Entry(NamedTuple):
  """A weight of `vit.build`, and the tensor that holds it.

  Attributes:
    path: of the weight, '<layer>/<weight>'.
    name: of the tensor, as the scheme has it.
    shape: of the tensor.
    convert: turns it into the weight's value.
  """

  path: str
  name: str
  shape: Shape
  convert: _Convert


def _same(value: np.ndarray) -> np.ndarray:
  return value


def entries(
  scheme: vit_names.Scheme,
  network: vit_architecture.Architecture,
  grid: int | None = None,
) -> Iterator[Entry]:
  """All weights of a network.

  Args:
    scheme: how the tensors are named.
    network: which network.
    grid: patches along each side of the image that the network is to see; as
      it was trained with by default.
  """
  width = network.width
  if network.class_token:
    yield Entry(
      'cls/token',
      scheme.weight('cls'),
      (width,) if scheme.bare_tokens else (1, 1, width),
      lambda value: value.reshape(1, 1, -1),
    )
  if network.registers:
    yield Entry(
      'registers/tokens',
      scheme.weight('registers'),
      (1, network.registers, width),
      _same,
    )
  yield _position(scheme, network, grid or network.grid)
  yield from _patches(scheme, network)
  if network.norm_pre:
    yield from _norm(scheme, 'norm_pre', width)
  for i in range(network.depth):
    yield from _block(scheme, network, i)
  yield from _norm(scheme, 'fc_norm' if network.fc_norm else 'norm', width)
  if network.representation:
    yield from _dense(scheme, 'pre_logits', width, width)
  if network.projection:
    shape = (width, network.projection)
    yield Entry(
      'projection/kernel',
      scheme.weight('projection'),
      shape if scheme.projects_right else shape[::-1],
      _same if scheme.projects_right else np.transpose,
    )
  if network.classes and scheme.has('logits'):
    yield from _dense(scheme, 'logits', width, network.classes)


def plan(
  scheme: vit_names.Scheme,
  network: vit_architecture.Architecture,
  grid: int | None = None,
) -> dict[str, importing.Tensor]:
  """The same, as `importing.load` takes it."""
  return {
    path: importing.Tensor(name, convert)
    for path, name, _, convert in entries(scheme, network, grid)
  }


def shapes(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture
) -> dict[str, Shape]:
  """The shapes of all tensors of a network, by the scheme's names."""
  return {name: shape for _, name, shape, _ in entries(scheme, network)}


def augreg_orders(depth: int, count: int) -> list[list[str]]:
  """AugReg's names in the order of a flattened tree.

  Converters from JAX keep that order. A model may lack the logits' layer, the
  one before it, or both.

  Args:
    depth: number of blocks.
    count: how many variables there are.
  """
  network = vit_architecture.Architecture(
    width=1, depth=depth, heads=1, mlp=1, representation=True
  )
  names = shapes(vit_names.AUGREG, network)
  orders = []
  for absent in ((), ('head',), ('pre_logits',), ('head', 'pre_logits')):
    kept = [n for n in names if n.partition('/')[0] not in absent]
    if len(kept) == count:
      orders.append(sorted(kept, key=lambda name: name.split('/')))
  return orders


def _position(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture, grid: int
) -> Entry:
  prefix = network.placed_prefix
  rows = prefix + network.grid**2

  def convert(value: np.ndarray) -> np.ndarray:
    value = value.reshape(1, rows, network.width)
    return vit_positions.resampled(value, prefix, grid)

  shape = (rows, network.width)
  return Entry(
    'position/embedding',
    scheme.weight('position'),
    shape if scheme.bare_tokens else (1, *shape),
    convert,
  )


def _patches(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture
) -> Iterator[Entry]:
  side, width = network.patch, network.width
  if scheme.from_jax:
    yield Entry(
      'patches/kernel',
      scheme.weight('patches'),
      (side, side, 3, width),
      _same,
    )
  else:
    yield Entry(
      'patches/kernel',
      scheme.weight('patches'),
      (width, 3, side, side),
      lambda value: value.transpose(2, 3, 1, 0),
    )
  if network.patch_bias:
    yield Entry('patches/bias', scheme.bias('patches'), (width,), _same)


def _block(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture, i: int
) -> Iterator[Entry]:
  width = network.width

  def part(name: str) -> str:
    return vit_names.in_block(i, name)

  yield from _norm(scheme, part('norm'), width)
  yield from _attention(scheme, network, i)
  if network.layer_scale:
    yield Entry(
      f'{part("scale1")}/scale', scheme.weight(part('scale1')), (width,), _same
    )
  yield from _norm(scheme, part('norm2'), width)
  yield from _dense(scheme, part('mlp1'), width, network.mlp)
  yield from _dense(scheme, part('mlp2'), network.mlp, width)
  if network.layer_scale:
    yield Entry(
      f'{part("scale2")}/scale', scheme.weight(part('scale2')), (width,), _same
    )


def _attention(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture, i: int
) -> Iterator[Entry]:
  """Keras has kernels `[C, heads, size]` and biases `[heads, size]`."""
  width, heads = network.width, network.heads
  layer = vit_names.in_block(i, 'attention')
  fused = scheme.has('qkv')
  size = width // heads
  for number, kind in enumerate(('query', 'key', 'value')):

    def kernel(value: np.ndarray, number: int = number) -> np.ndarray:
      if fused:
        value = np.split(value, 3)[number]
      return value.T.reshape(-1, heads, size)

    def bias(value: np.ndarray, number: int = number) -> np.ndarray:
      if fused:
        value = np.split(value, 3)[number]
      return value.reshape(heads, size)

    part = vit_names.in_block(i, 'qkv' if fused else kind)
    outputs = 3 * width if fused else width
    jax = scheme.from_jax
    yield Entry(
      f'{layer}/{kind}/kernel',
      scheme.weight(part),
      (width, heads, size) if jax else (outputs, width),
      _same if jax else kernel,
    )
    path = f'{layer}/{kind}/bias'
    if network.qkv_bias:
      yield Entry(
        path,
        scheme.bias(part),
        (heads, size) if jax else (outputs,),
        _same if jax else bias,
      )
    else:  # Keras has all biases or none.
      yield Entry(
        path,
        scheme.bias(vit_names.in_block(i, 'attention_output')),
        (width,),
        lambda value: np.zeros((heads, size), value.dtype),
      )
  part = vit_names.in_block(i, 'attention_output')
  yield Entry(
    f'{layer}/attention_output/kernel',
    scheme.weight(part),
    (heads, size, width) if scheme.from_jax else (width, width),
    _same
    if scheme.from_jax
    else lambda value: value.T.reshape(heads, size, -1),
  )
  yield Entry(
    f'{layer}/attention_output/bias', scheme.bias(part), (width,), _same
  )


def _norm(scheme: vit_names.Scheme, part: str, width: int) -> Iterator[Entry]:
  yield Entry(f'{part}/gamma', scheme.weight(part), (width,), _same)
  yield Entry(f'{part}/beta', scheme.bias(part), (width,), _same)


def _dense(
  scheme: vit_names.Scheme, part: str, inputs: int, outputs: int
) -> Iterator[Entry]:
  jax = scheme.from_jax
  yield Entry(
    f'{part}/kernel',
    scheme.weight(part),
    (inputs, outputs) if jax else (outputs, inputs),
    _same if jax else np.transpose,
  )
  yield Entry(f'{part}/bias', scheme.bias(part), (outputs,), _same)
