"""How other code names the weights of a vision transformer.

Each function gives, for the weights of `vit.build` ('<layer>/<weight>'), the
tensors that hold them elsewhere, as `importing.load` takes it.
"""

from collections.abc import Callable

import numpy as np

from vtab_h2t.backbones import importing

DEPTH = 12  # Blocks of the ViTs here.
JAX_ANCHOR = 'Transformer/posembed_input/pos_embedding'


def timm(heads: int) -> dict[str, importing.Tensor]:
  """timm's names: fused qkv, torch's order of axes."""
  tensor = importing.Tensor
  plan = {
    'cls/token': tensor('cls_token'),
    'position/embedding': tensor('pos_embed'),
  }

  def add(
    layer: str,
    name: str,
    kernel: str = 'kernel',
    bias: str = 'bias',
    convert: Callable[[np.ndarray], np.ndarray] = np.transpose,
  ) -> None:
    plan[f'{layer}/{kernel}'] = tensor(f'{name}.weight', convert)
    plan[f'{layer}/{bias}'] = tensor(f'{name}.bias')

  add(
    'patches',
    'patch_embed.proj',
    convert=lambda value: value.transpose(2, 3, 1, 0),
  )
  for i in range(DEPTH):
    ours, theirs = f'block{i:02d}', f'blocks.{i}'
    add(f'{ours}_norm', f'{theirs}.norm1', 'gamma', 'beta')
    add(f'{ours}_norm2', f'{theirs}.norm2', 'gamma', 'beta')
    add(f'{ours}_mlp1', f'{theirs}.mlp.fc1')
    add(f'{ours}_mlp2', f'{theirs}.mlp.fc2')
    for part, name in enumerate(('query', 'key', 'value')):

      def kernel(value: np.ndarray, part: int = part) -> np.ndarray:
        value = np.split(value, 3)[part].T
        return value.reshape(len(value), heads, -1)

      def bias(value: np.ndarray, part: int = part) -> np.ndarray:
        return np.split(value, 3)[part].reshape(heads, -1)

      layer = f'{ours}_attention/{name}'
      plan[f'{layer}/kernel'] = tensor(f'{theirs}.attn.qkv.weight', kernel)
      plan[f'{layer}/bias'] = tensor(f'{theirs}.attn.qkv.bias', bias)
    add(
      f'{ours}_attention/attention_output',
      f'{theirs}.attn.proj',
      convert=lambda value: value.T.reshape(heads, -1, len(value)),
    )
  add('norm', 'norm', 'gamma', 'beta')
  add('logits', 'head')
  return plan


def jax() -> dict[str, importing.Tensor]:
  """Names of google-research/vision_transformer (AugReg): axes as in Keras."""
  tensor = importing.Tensor
  plan = {
    'cls/token': tensor('cls'),
    'position/embedding': tensor('Transformer/posembed_input/pos_embedding'),
  }

  def add(
    layer: str,
    name: str,
    kernel: str = 'kernel',
    weight: str = 'kernel',
    bias: str = 'bias',
  ) -> None:
    plan[f'{layer}/{kernel}'] = tensor(f'{name}/{weight}')
    plan[f'{layer}/{bias}'] = tensor(f'{name}/bias')

  add('patches', 'embedding')
  for i in range(DEPTH):
    ours, theirs = f'block{i:02d}', f'Transformer/encoderblock_{i}'
    attention = f'{theirs}/MultiHeadDotProductAttention_1'
    add(f'{ours}_norm', f'{theirs}/LayerNorm_0', 'gamma', 'scale', 'beta')
    add(f'{ours}_norm2', f'{theirs}/LayerNorm_2', 'gamma', 'scale', 'beta')
    add(f'{ours}_mlp1', f'{theirs}/MlpBlock_3/Dense_0')
    add(f'{ours}_mlp2', f'{theirs}/MlpBlock_3/Dense_1')
    for part in ('query', 'key', 'value'):
      add(f'{ours}_attention/{part}', f'{attention}/{part}')
    add(f'{ours}_attention/attention_output', f'{attention}/out')
  add('norm', 'Transformer/encoder_norm', 'gamma', 'scale', 'beta')
  add('pre_logits', 'pre_logits')
  add('logits', 'head')
  return plan


def jax_orders(count: int) -> list[list[str]]:
  """Names in the order of a flattened tree, which converters from JAX keep.

  A model may lack the logits' layer, the one before it, or both.

  Args:
    count: how many variables there are.
  """
  names = {tensor.name for tensor in jax().values()}
  orders = []
  for absent in ((), ('head',), ('pre_logits',), ('head', 'pre_logits')):
    kept = [n for n in names if n.partition('/')[0] not in absent]
    if len(kept) == count:
      orders.append(sorted(kept, key=lambda name: name.split('/')))
  return orders
