"""How published code names the tensors of a vision transformer.

One table a scheme: our layers, and what holds their weights in a file. `{}` in
a name stands for what a layer's weights are called, 'weight' and 'bias' in
torch. What tensors cannot tell (activation, epsilon, input) is what the
scheme's code has by default; `vit_reading` has the exceptions.
"""

from collections.abc import Mapping
import dataclasses
import re

from vtab_h2t.backbones import preprocessing

# Activations: exact, the tanh approximation, and x * sigmoid(1.702 x).
GELU, GELU_TANH, QUICK_GELU = 'gelu', 'gelu_tanh', 'quick_gelu'

_TIMM_CROP, _DINOV2_CROP, _CLIP_CROP = 0.9, 224 / 256, 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme:
  """How some code names the tensors.

  Attributes:
    name: what it is called, for people.
    anchor: a tensor that it has once; what is before it is a prefix.
    marks: other tensors, by which it is told from schemes of the same anchor.
    parts: names in the file by ours, outside of blocks.
    block: what the names of a block begin with; `{}` is its number.
    of_block: names in a block, without that beginning, by ours. Either 'qkv',
      or 'query', 'key' and 'value'.
    inner: two levels of numbers that some files have for one; a pattern.
    ignored: pattern of tensors that features do not depend on.
    beside: the same, of those that have not all of the prefix.
    from_jax: whether kernels have their inputs first, and heads apart.
    bare_tokens: whether the class token is `[C]`, and positions `[n, C]`.
    projects_right: whether the projection has its inputs first.
    activation: of the MLPs.
    epsilon: of layer norms.
    input: how images become the network's input.
    model_types: of Hugging Face's configurations of such networks.
  """

  name: str
  anchor: str
  marks: tuple[str, ...] = ()
  parts: Mapping[str, str]
  block: str
  of_block: Mapping[str, str]
  inner: str = ''
  ignored: str = ''
  beside: str = ''
  from_jax: bool = False
  bare_tokens: bool = False
  projects_right: bool = False
  activation: str = GELU
  epsilon: float = 1e-6
  input: preprocessing.Input
  model_types: tuple[str, ...] = ()

  def weight(self, part: str) -> str:
    """The name of a layer's kernel or scale; of a tensor alone, its own."""
    word = 'weight'
    if self.from_jax:
      word = 'scale' if _is_norm(part) else 'kernel'
    return self._template(part).format(word)

  def bias(self, part: str) -> str:
    """The name of a layer's bias."""
    return self._template(part).format('bias')

  def has(self, part: str) -> bool:
    """Whether there is a name for it; its number is not looked at."""
    return part in self.parts or _of_block(part)[1] in self.of_block

  def _template(self, part: str) -> str:
    if part in self.parts:
      return self.parts[part]
    number, inner = _of_block(part)
    return self.block.replace('{}', number) + self.of_block[inner]


def _of_block(part: str) -> tuple[str, str]:
  """'block03_norm2' as ('3', 'norm2')."""
  found = re.fullmatch(r'block(\d+)_(\w+)', part)
  return (str(int(found[1])), found[2]) if found else ('', part)


def _is_norm(part: str) -> bool:
  return 'norm' in part


def in_block(i: int, part: str) -> str:
  """Our name of a part of a block."""
  return f'block{i:02d}_{part}'


AUGREG = Scheme(
  name='google-research/vision_transformer (AugReg)',
  anchor='Transformer/posembed_input/pos_embedding',
  parts={
    'cls': 'cls',
    'position': 'Transformer/posembed_input/pos_embedding',
    'patches': 'embedding/{}',
    'norm': 'Transformer/encoder_norm/{}',
    'pre_logits': 'pre_logits/{}',
    'logits': 'head/{}',
  },
  block='Transformer/encoderblock_{}/',
  of_block={
    'norm': 'LayerNorm_0/{}',
    'norm2': 'LayerNorm_2/{}',
    'query': 'MultiHeadDotProductAttention_1/query/{}',
    'key': 'MultiHeadDotProductAttention_1/key/{}',
    'value': 'MultiHeadDotProductAttention_1/value/{}',
    'attention_output': 'MultiHeadDotProductAttention_1/out/{}',
    'mlp1': 'MlpBlock_3/Dense_0/{}',
    'mlp2': 'MlpBlock_3/Dense_1/{}',
  },
  from_jax=True,
  activation=GELU_TANH,
  input=preprocessing.HALF,
)
TIMM = Scheme(
  name='timm',
  anchor='patch_embed.proj.weight',
  parts={
    'cls': 'cls_token',
    'registers': 'reg_token',
    'position': 'pos_embed',
    'patches': 'patch_embed.proj.{}',
    'norm_pre': 'norm_pre.{}',
    'norm': 'norm.{}',
    'fc_norm': 'fc_norm.{}',
    'pre_logits': 'pre_logits.fc.{}',
    'logits': 'head.{}',
  },
  block='blocks.{}.',
  of_block={
    'norm': 'norm1.{}',
    'norm2': 'norm2.{}',
    'qkv': 'attn.qkv.{}',
    'attention_output': 'attn.proj.{}',
    'mlp1': 'mlp.fc1.{}',
    'mlp2': 'mlp.fc2.{}',
    'scale1': 'ls1.gamma',
    'scale2': 'ls2.gamma',
  },
  ignored=r'masked_embed|head\.\d.*',  # Of iBOT; heads of several layers.
  beside=r'(dino_head|ibot_head|linear_head|head\.(mlp|last_layer)2?)\..*',
  input=dataclasses.replace(
    preprocessing.HALF, resize='bicubic_antialias', crop=_TIMM_CROP
  ),
)
DINOV2 = dataclasses.replace(
  TIMM,
  name='DINOv2',
  marks=('mask_token',),
  parts={k: v for k, v in TIMM.parts.items() if k != 'pre_logits'}
  | {'registers': 'register_tokens'},
  inner=r'(blocks)\.\d+\.(\d+)\.',
  ignored='mask_token',
  input=dataclasses.replace(
    preprocessing.IMAGENET, resize='bicubic_antialias', crop=_DINOV2_CROP
  ),
)
MAE = dataclasses.replace(
  TIMM,
  name='MAE with its decoder',
  marks=(*DINOV2.marks, 'decoder_embed.weight'),
  ignored='mask_token|decoder_.*',
  input=dataclasses.replace(DINOV2.input, crop=_TIMM_CROP),
)
_HUGGING_FACE_PARTS = {
  'cls': 'embeddings.cls_token',
  'position': 'embeddings.position_embeddings',
  'patches': 'embeddings.patch_embeddings.projection.{}',
  'norm': 'layernorm.{}',
}
_HUGGING_FACE_ATTENTION = {
  'query': 'attention.attention.query.{}',
  'key': 'attention.attention.key.{}',
  'value': 'attention.attention.value.{}',
  'attention_output': 'attention.output.dense.{}',
}
HUGGING_FACE = Scheme(
  name="Hugging Face's ViTModel",
  anchor='embeddings.patch_embeddings.projection.weight',
  marks=('encoder.layer.0.layernorm_before.weight',),
  parts=_HUGGING_FACE_PARTS
  | {'pre_logits': 'pooler.dense.{}', 'logits': 'classifier.{}'},
  block='encoder.layer.{}.',
  of_block=_HUGGING_FACE_ATTENTION
  | {
    'norm': 'layernorm_before.{}',
    'norm2': 'layernorm_after.{}',
    'mlp1': 'intermediate.dense.{}',
    'mlp2': 'output.dense.{}',
  },
  ignored=r'embeddings\.mask_token',
  epsilon=1e-12,
  input=dataclasses.replace(preprocessing.HALF, resize='bilinear_antialias'),
  model_types=('vit', 'deit', 'vit_mae', 'vit_msn'),
)
HUGGING_FACE_DINOV2 = Scheme(
  name="Hugging Face's Dinov2Model",
  anchor='embeddings.patch_embeddings.projection.weight',
  marks=('encoder.layer.0.layer_scale1.lambda1',),
  parts=_HUGGING_FACE_PARTS | {'registers': 'embeddings.register_tokens'},
  block='encoder.layer.{}.',
  of_block=_HUGGING_FACE_ATTENTION
  | {
    'norm': 'norm1.{}',
    'norm2': 'norm2.{}',
    'mlp1': 'mlp.fc1.{}',
    'mlp2': 'mlp.fc2.{}',
    'scale1': 'layer_scale1.lambda1',
    'scale2': 'layer_scale2.lambda1',
  },
  ignored=r'embeddings\.mask_token',
  # It reads the class token beside the mean of the patches' tokens.
  beside=r'classifier\..*',
  input=DINOV2.input,
  model_types=('dinov2', 'dinov2_with_registers'),
)
_CLIP_INPUT = dataclasses.replace(
  preprocessing.CLIP, resize='bicubic_antialias', crop=_CLIP_CROP
)
OPENAI = Scheme(
  name="OpenAI's CLIP",
  anchor='class_embedding',
  marks=('transformer.resblocks.0.attn.in_proj_weight',),
  parts={
    'cls': 'class_embedding',
    'position': 'positional_embedding',
    'patches': 'conv1.{}',
    'norm_pre': 'ln_pre.{}',
    'norm': 'ln_post.{}',
    'projection': 'proj',
  },
  block='transformer.resblocks.{}.',
  of_block={
    'norm': 'ln_1.{}',
    'norm2': 'ln_2.{}',
    'qkv': 'attn.in_proj_{}',
    'attention_output': 'attn.out_proj.{}',
    'mlp1': 'mlp.c_fc.{}',
    'mlp2': 'mlp.c_proj.{}',
  },
  # The tower of texts.
  beside=r'transformer\..*|token_embedding\.weight|positional_embedding|'
  r'ln_final\..*|text_projection|logit_scale|logit_bias|input_resolution|'
  r'context_length|vocab_size|attn_mask',
  bare_tokens=True,
  projects_right=True,
  activation=QUICK_GELU,
  epsilon=1e-5,
  input=_CLIP_INPUT,
)
HUGGING_FACE_CLIP = Scheme(
  name="Hugging Face's CLIPVisionModel",
  anchor='embeddings.class_embedding',
  marks=('encoder.layers.0.self_attn.q_proj.weight',),
  parts={
    'cls': 'embeddings.class_embedding',
    'position': 'embeddings.position_embedding.weight',
    'patches': 'embeddings.patch_embedding.{}',
    'norm_pre': 'pre_layrnorm.{}',  # As it is spelt there.
    'norm': 'post_layernorm.{}',
    'projection': 'visual_projection.weight',
  },
  block='encoder.layers.{}.',
  of_block={
    'norm': 'layer_norm1.{}',
    'norm2': 'layer_norm2.{}',
    'query': 'self_attn.q_proj.{}',
    'key': 'self_attn.k_proj.{}',
    'value': 'self_attn.v_proj.{}',
    'attention_output': 'self_attn.out_proj.{}',
    'mlp1': 'mlp.fc1.{}',
    'mlp2': 'mlp.fc2.{}',
  },
  ignored=r'embeddings\.position_ids',
  model_types=('clip', 'clip_vision_model'),
  # The classifier reads the mean of the patches' tokens before the last norm.
  beside=r'text_model\..*|text_projection\.weight|logit_scale|classifier\..*',
  bare_tokens=True,
  activation=QUICK_GELU,
  epsilon=1e-5,
  input=_CLIP_INPUT,
)
# The first whose anchor and marks are there is meant.
SCHEMES = (
  AUGREG,
  MAE,
  DINOV2,
  TIMM,
  HUGGING_FACE_DINOV2,
  HUGGING_FACE,
  HUGGING_FACE_CLIP,
  OPENAI,
)
