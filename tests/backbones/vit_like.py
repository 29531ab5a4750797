"""Tensors of small ViTs under every naming, and their forward pass in NumPy.

timm's names are those that others are made of; each scheme is written out here
as its own code has it, and not by the tables that are tested.
"""

import math

import numpy as np

WIDTH, DEPTH, MLP, PATCH, GRID = 128, 2, 160, 4, 3
SIZE = PATCH * GRID
CLASSES, SHARED = 5, 24


def shapes(
  *,
  depth=DEPTH,
  width=WIDTH,
  mlp=MLP,
  patch=PATCH,
  grid=GRID,
  class_token=True,
  registers=0,
  placed=1,
  norm_pre=False,
  layer_scale=False,
  fc_norm=False,
  representation=False,
  classes=CLASSES,
  patch_bias=True,
  qkv_bias=True,
):
  """By timm's names; `placed` tokens before the patches have positions."""
  found = {'pos_embed': (1, placed + grid * grid, width)}
  found |= {'cls_token': (1, 1, width)} if class_token else {}
  found |= {'reg_token': (1, registers, width)} if registers else {}
  found['patch_embed.proj.weight'] = width, 3, patch, patch
  found |= {'patch_embed.proj.bias': (width,)} if patch_bias else {}
  found |= _norm('norm_pre', width) if norm_pre else {}
  for i in range(depth):
    found |= _block(f'blocks.{i}', width, mlp, qkv_bias, layer_scale)
  found |= _norm('fc_norm' if fc_norm else 'norm', width)
  found |= _linear('pre_logits.fc', width, width) if representation else {}
  found |= _linear('head', classes, width) if classes else {}
  return found


def timm(seed=0, **options):
  """Random tensors of `shapes`."""
  rng = np.random.default_rng(seed)
  return {
    name: rng.normal(
      1 if 'norm' in name and 'weight' in name else 0, 0.1, shape
    ).astype(np.float32)
    for name, shape in shapes(**options).items()
  }


def _linear(name, outputs, inputs, bias=True):
  shapes = {f'{name}.weight': (outputs, inputs)}
  return shapes | ({f'{name}.bias': (outputs,)} if bias else {})


def _norm(name, width):
  return {f'{name}.weight': (width,), f'{name}.bias': (width,)}


def _block(name, width, mlp, qkv_bias, layer_scale):
  shapes = (
    _norm(f'{name}.norm1', width)
    | _linear(f'{name}.attn.qkv', 3 * width, width, qkv_bias)
    | _linear(f'{name}.attn.proj', width, width)
    | _norm(f'{name}.norm2', width)
    | _linear(f'{name}.mlp.fc1', mlp, width)
    | _linear(f'{name}.mlp.fc2', width, mlp)
  )
  if layer_scale:
    shapes |= {f'{name}.ls{i}.gamma': (width,) for i in (1, 2)}
  return shapes


_ACTIVATIONS = {
  'gelu': lambda h: h / 2 * (1 + np.vectorize(math.erf)(h / math.sqrt(2))),
  'gelu_tanh': lambda h: (
    h / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
  ),
  'quick_gelu': lambda h: h / (1 + np.exp(-1.702 * h)),
}


def forward(
  tensors,
  images,
  *,
  activation='gelu',
  epsilon=1e-6,
  placed=1,
  registers_first=False,
):
  """All taps of `timm`'s tensors, in float64; heads are 64 wide.

  Args:
    tensors: by timm's names, and 'proj' `[width, out]` if there is one.
    images: `[B, H, H, 3]`.
    activation: of the MLPs.
    epsilon: of norms.
    placed: how many tokens before the patches have positions.
    registers_first: whether registers are there when positions are added.
  """
  net = _Net(tensors, _ACTIVATIONS[activation], epsilon)
  x = net.taps['embedded'] = net.embedded(images, placed, registers_first)
  if 'norm_pre.weight' in net.t:
    x = net.taps['norm_pre'] = net.norm(x, 'norm_pre')
  depth = 1 + max(
    int(n.split('.')[1]) for n in tensors if n.startswith('blocks.')
  )
  for i in range(depth):
    x = net.block(x, i)
  return net.head(x, depth)


class _Net:
  def __init__(self, tensors, activation, epsilon):
    self.t = {name: value.astype(np.float64) for name, value in tensors.items()}
    self.activation, self.epsilon = activation, epsilon
    self.taps = {}

  def norm(self, y, name):
    centred = y - y.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    y = centred / np.sqrt(variance + self.epsilon)
    return y * self.t[f'{name}.weight'] + self.t[f'{name}.bias']

  def dense(self, y, name):
    return y @ self.t[f'{name}.weight'].T + self.t.get(f'{name}.bias', 0)

  def embedded(self, images, placed, registers_first):
    kernel = self.t['patch_embed.proj.weight']
    width, _, patch, _ = kernel.shape
    side = images.shape[1] // patch
    cut = images.reshape(-1, side, patch, side, patch, 3)
    x = np.einsum('byixjc,ocij->byxo', cut, kernel, optimize=True)
    x = x.reshape(len(images), side * side, width)
    x = x + self.t.get('patch_embed.proj.bias', 0)
    self.patches = side * side

    def positions(x):
      return x + self.t['pos_embed']

    def cls(x):
      return self._put(x, 'cls_token', 0)

    def registers(x):
      return self._put(x, 'reg_token', int('cls_token' in self.t))

    if not placed:
      return registers(cls(positions(x)))
    if registers_first:
      return positions(registers(cls(x)))
    return registers(positions(cls(x)))

  def _put(self, x, name, at):
    if name not in self.t:
      return x
    token = np.repeat(self.t[name], len(x), axis=0)
    return np.concatenate([x[:, :at], token, x[:, at:]], axis=1)

  def block(self, x, i):
    theirs, ours = f'blocks.{i}', f'block{i:02d}'
    y = self.taps[f'{ours}_norm'] = self.norm(x, f'{theirs}.norm1')
    q, k, v = (
      z.reshape(*z.shape[:2], -1, 64).transpose(0, 2, 1, 3)
      for z in np.split(self.dense(y, f'{theirs}.attn.qkv'), 3, axis=-1)
    )
    a = np.exp(q @ k.swapaxes(2, 3) / 8)
    a /= a.sum(axis=-1, keepdims=True)
    y = (a @ v).transpose(0, 2, 1, 3).reshape(x.shape)
    y = self.taps[f'{ours}_attention'] = self.dense(y, f'{theirs}.attn.proj')
    x = x + y * self.t.get(f'{theirs}.ls1.gamma', 1)
    y = self.taps[f'{ours}_norm2'] = self.norm(x, f'{theirs}.norm2')
    y = self.activation(self.dense(y, f'{theirs}.mlp.fc1'))
    self.taps[f'{ours}_mlp1'] = y
    y = self.taps[f'{ours}_mlp2'] = self.dense(y, f'{theirs}.mlp.fc2')
    x = x + y * self.t.get(f'{theirs}.ls2.gamma', 1)
    self.taps[f'{ours}_output'] = x
    return x

  def head(self, x, depth):
    taps, is_token = self.taps, False
    if 'norm.weight' in self.t:
      for i in range(depth):
        output = taps[f'block{i:02d}_output']
        taps[f'block{i:02d}_normed'] = self.norm(output, 'norm')
      x = taps['norm'] = self.norm(x, 'norm')
      is_token = 'cls_token' in self.t
    x = x[:, 0] if is_token else x[:, -self.patches :].mean(1)
    if 'fc_norm.weight' in self.t:
      x = self.norm(x, 'fc_norm')
    if 'pre_logits.fc.weight' in self.t:
      x = np.tanh(self.dense(x, 'pre_logits.fc'))
    taps['pre_logits'] = x
    if 'proj' in self.t:
      taps['projection'] = x @ self.t['proj']
    if 'head.weight' in self.t:
      taps['logits'] = self.dense(x, 'head')
    return taps


def _renamed(tensors, names):
  """With names replaced by parts, in order; all must become others."""
  found = {}
  for name, value in tensors.items():
    new = name
    for old, other in names:
      new = new.replace(old, other)
    assert new != name and new not in found, name
    found[new] = value
  return found


def _apart(tensors, template):
  """With queries, keys and values in tensors of their own."""
  found = {}
  for name, value in tensors.items():
    if '.attn.qkv.' not in name:
      found[name] = value
      continue
    for kind, part in zip('qkv', np.split(value, 3)):
      found[name.replace('attn.qkv', template[kind])] = part
  return found


_PARTS = 'weight', 'bias'
_HUGGING_FACE = [
  ('cls_token', 'vit.embeddings.cls_token'),
  ('reg_token', 'vit.embeddings.register_tokens'),
  ('pos_embed', 'vit.embeddings.position_embeddings'),
  ('patch_embed.proj', 'vit.embeddings.patch_embeddings.projection'),
  ('pre_logits.fc', 'vit.pooler.dense'),
  ('head.', 'classifier.'),
]
_APART = {
  kind: f'attention.attention.{name}'
  for kind, name in zip('qkv', ('query', 'key', 'value'))
}


def hugging_face(tensors):
  """As `ViTForImageClassification` and, with the pooler, `ViTModel`."""
  return _renamed(
    _apart(tensors, _APART),
    [
      *_HUGGING_FACE,
      ('blocks.', 'vit.encoder.layer.'),
      ('.norm1', '.layernorm_before'),
      ('.norm2', '.layernorm_after'),
      ('attn.proj', 'attention.output.dense'),
      ('mlp.fc1', 'intermediate.dense'),
      ('mlp.fc2', 'output.dense'),
      *((f'norm.{part}', f'vit.layernorm.{part}') for part in _PARTS),
    ],
  )


def hugging_face_dinov2(tensors):
  """As `Dinov2Model` and its sibling with registers."""
  found = _renamed(
    _apart(tensors, _APART),
    [
      *((old, new.replace('vit.', '')) for old, new in _HUGGING_FACE),
      ('blocks.', 'encoder.layer.'),
      ('attn.proj', 'attention.output.dense'),
      ('ls1.gamma', 'layer_scale1.lambda1'),
      ('ls2.gamma', 'layer_scale2.lambda1'),
      *((f'norm.{part}', f'layernorm.{part}') for part in _PARTS),
    ],
  )
  width = tensors['norm.bias'].shape[0]
  return found | {'embeddings.mask_token': np.zeros((1, width), np.float32)}


def dinov2(tensors, chunks=False):
  """As DINOv2's own, whole or with blocks in chunks of one."""
  found = {}
  for name, value in tensors.items():
    name = name.replace('reg_token', 'register_tokens')
    if chunks and name.startswith('blocks.'):
      name = name.replace('blocks.', 'blocks.0.')
    found[name] = value
  width = tensors['norm.bias'].shape[0]
  return found | {'mask_token': np.zeros((1, width), np.float32)}


def _bare(tensors):
  """Class token and positions without axes of one."""
  return tensors | {
    'cls_token': tensors['cls_token'].reshape(-1),
    'pos_embed': tensors['pos_embed'][0],
  }


def openai(tensors, texts=True):
  """As OpenAI's CLIP, with the tower of texts or that of images alone."""
  prefix = 'visual.' if texts else ''
  names = [
    ('cls_token', 'class_embedding'),
    ('pos_embed', 'positional_embedding'),
    ('patch_embed.proj', 'conv1'),
    ('norm_pre', 'ln_pre'),
    *((f'norm.{part}', f'ln_post.{part}') for part in _PARTS),
    ('blocks.', 'transformer.resblocks.'),
    ('norm1', 'ln_1'),
    ('norm2', 'ln_2'),
    ('attn.qkv.', 'attn.in_proj_'),
    ('attn.proj', 'attn.out_proj'),
    ('mlp.fc1', 'mlp.c_fc'),
    ('mlp.fc2', 'mlp.c_proj'),
  ]
  tensors = _bare(tensors)
  rest = {n: tensors.pop(n) for n in ('proj',) if n in tensors}
  found = {
    f'{prefix}{name}': value
    for name, value in (_renamed(tensors, names) | rest).items()
  }
  if texts:
    found |= {
      'transformer.resblocks.0.attn.in_proj_weight': np.ones((6, 2), 'f4'),
      'positional_embedding': np.ones((7, 2), 'f4'),
      'token_embedding.weight': np.ones((9, 2), 'f4'),
      'ln_final.weight': np.ones(2, 'f4'),
      'text_projection': np.ones((2, SHARED), 'f4'),
      'logit_scale': np.ones((), 'f4'),
    }
  return found


def hugging_face_clip(tensors, texts=True):
  """As `CLIPModel`, or `CLIPVisionModelWithProjection`."""
  tensors = _bare(tensors)
  proj = tensors.pop('proj', None)
  found = _renamed(
    _apart(tensors, {kind: f'self_attn.{kind}_proj' for kind in 'qkv'}),
    [
      ('cls_token', 'vision_model.embeddings.class_embedding'),
      ('pos_embed', 'vision_model.embeddings.position_embedding.weight'),
      ('patch_embed.proj', 'vision_model.embeddings.patch_embedding'),
      *((f'norm.{p}', f'vision_model.post_layernorm.{p}') for p in _PARTS),
      ('norm_pre', 'vision_model.pre_layrnorm'),
      ('blocks.', 'vision_model.encoder.layers.'),
      ('norm1', 'layer_norm1'),
      ('norm2', 'layer_norm2'),
      ('attn.proj', 'self_attn.out_proj'),
    ],
  )
  if proj is not None:
    found['visual_projection.weight'] = np.ascontiguousarray(proj.T)
  rows = len(tensors['pos_embed'])
  found['vision_model.embeddings.position_ids'] = np.arange(rows)[None]
  if texts:
    found |= {
      'text_model.final_layer_norm.weight': np.ones(2, 'f4'),
      'text_projection.weight': np.ones((SHARED, 2), 'f4'),
      'logit_scale': np.ones((), 'f4'),
    }
  return found


def augreg(tensors, heads):
  """As google-research/vision_transformer: inputs first, heads apart."""
  names = [
    ('norm1', 'LayerNorm_0'),
    ('norm2', 'LayerNorm_2'),
    ('attn.query', 'MultiHeadDotProductAttention_1/query'),
    ('attn.key', 'MultiHeadDotProductAttention_1/key'),
    ('attn.value', 'MultiHeadDotProductAttention_1/value'),
    ('attn.proj', 'MultiHeadDotProductAttention_1/out'),
    ('mlp.fc1', 'MlpBlock_3/Dense_0'),
    ('mlp.fc2', 'MlpBlock_3/Dense_1'),
    ('patch_embed.proj', 'embedding'),
    ('pre_logits.fc', 'pre_logits'),
    ('norm.', 'Transformer/encoder_norm.'),
  ]
  kinds = {k: f'attn.{n}' for k, n in zip('qkv', ('query', 'key', 'value'))}
  found = {
    'cls': tensors['cls_token'],
    'Transformer/posembed_input/pos_embedding': tensors['pos_embed'],
  }
  for name, value in _apart(tensors, kinds).items():
    if name in ('cls_token', 'pos_embed'):
      continue
    is_norm = 'norm' in name
    for old, new in names:
      name = name.replace(old, new)
    if name.startswith('blocks.'):
      _, number, rest = name.split('.', 2)
      name = f'Transformer/encoderblock_{number}/{rest}'
    name = name.replace('.weight', '/scale' if is_norm else '/kernel')
    name = name.replace('.bias', '/bias')
    if value.ndim == 4:
      value = value.transpose(2, 3, 1, 0)
    value = value.T if value.ndim == 2 else value
    if '/out/kernel' in name:
      value = value.reshape(heads, -1, value.shape[-1])
    elif 'Attention_1' in name and '/out' not in name:
      value = value.reshape(*value.shape[:-1], heads, -1)
    found[name] = value
  return found
