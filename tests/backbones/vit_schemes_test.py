"""Whose names a file's tensors have."""

import pytest

from tests.backbones import vit_like
from vtab_h2t import errors
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_schemes


def _clip():
  return vit_like.timm(norm_pre=True, patch_bias=False, classes=0)


_NAMED = {
  'timm': (vit_names.TIMM, vit_like.timm()),
  'dinov2': (vit_names.DINOV2, vit_like.dinov2(vit_like.timm(classes=0))),
  'augreg': (vit_names.AUGREG, vit_like.augreg(vit_like.timm(), 2)),
  'hugging_face': (
    vit_names.HUGGING_FACE,
    vit_like.hugging_face(vit_like.timm(classes=0)),
  ),
  'openai': (vit_names.OPENAI, vit_like.openai(_clip(), texts=False)),
  'hugging_face_clip': (
    vit_names.HUGGING_FACE_CLIP,
    vit_like.hugging_face_clip(_clip(), texts=False),
  ),
}


@pytest.mark.parametrize('prefix', ['', 'module.', 'teacher.backbone.'])
@pytest.mark.parametrize('case', _NAMED)
def test_what_wrappers_put_before_names_is_taken_off(case, prefix):
  scheme, tensors = _NAMED[case]
  named, plain = vit_schemes.find(tensors, 'f')
  assert named is scheme and scheme.anchor in plain
  wrapped, found = vit_schemes.find([prefix + n for n in tensors], 'f')
  assert wrapped is scheme
  assert found == {name: prefix + stored for name, stored in plain.items()}


def test_what_features_do_not_depend_on_is_left_aside():
  """Mask tokens, DINO's heads, CLIP's tower of texts."""
  _, dino = _NAMED['dinov2']
  student = {f'backbone.{name}' for name in dino} | {'dino_head.mlp.0.weight'}
  _, found = vit_schemes.find(student, 'f')
  assert set(found) == set(vit_like.timm(classes=0))
  towers = vit_like.openai(_clip())
  scheme, found = vit_schemes.find(towers, 'f')
  assert scheme is vit_names.OPENAI
  assert all(stored.startswith('visual.') for stored in found.values())
  assert len(found) == len(_clip())


def _around(prefix, tensors):
  return {f'{prefix}{name}': value for name, value in tensors.items()}


@pytest.mark.parametrize('around', ['', 'module.', 'model.net.'])
@pytest.mark.parametrize(
  'scheme, inner, tensors, beside',
  [
    (
      vit_names.TIMM,
      'backbone.',
      vit_like.timm(classes=0),
      ('head.mlp.0.weight', 'head.last_layer.weight_g', 'head.last_layer2.x'),
    ),
    (
      vit_names.DINOV2,
      'backbone.',
      _NAMED['dinov2'][1],
      ('linear_head.weight', 'linear_head.bias'),
    ),
    (
      vit_names.HUGGING_FACE_CLIP,
      '',
      _NAMED['hugging_face_clip'][1],
      ('classifier.weight', 'classifier.bias', 'text_model.x'),
    ),
    (
      vit_names.OPENAI,
      'visual.',
      _NAMED['openai'][1],
      ('transformer.resblocks.0.ln_1.bias', 'logit_scale', 'ln_final.bias'),
    ),
  ],
)
def test_what_is_beside_a_network_may_be_wrapped_with_it(
  around, scheme, inner, tensors, beside
):
  """Heads of DINO and DINOv2, classifiers, the tower of texts."""
  names = [f'{around}{inner}{name}' for name in tensors]
  found = vit_schemes.find(names, 'f')
  assert found[0] is scheme
  names += [f'{around}{name}' for name in beside]
  assert vit_schemes.find(names, 'f') == found
  _, found = vit_schemes.find([*names, f'{around}other'], 'f')
  assert found['other'] == f'{around}other'


def test_a_wrapped_classifier_is_found():
  tensors = _around('model.', vit_like.hugging_face(vit_like.timm()))
  _, found = vit_schemes.find(tensors, 'f')
  assert found['classifier.weight'] == 'model.classifier.weight'
  assert found['layernorm.bias'] == 'model.vit.layernorm.bias'


def test_of_pretraining_the_encoder_is_read():
  """MAE has a mask token, as DINOv2 has, and a decoder; others have heads."""
  timm = vit_like.timm(classes=0)
  for wanted, others in (
    (
      vit_names.MAE,
      ('mask_token', 'decoder_embed.weight', 'decoder_pos_embed'),
    ),
    (vit_names.TIMM, ('masked_embed',)),
    (vit_names.TIMM, ('head.0.weight', 'head.1.running_mean')),
  ):
    scheme, found = vit_schemes.find([*timm, *others], 'f')
    assert scheme is wanted and set(found) == set(timm)
  _, found = vit_schemes.find([*timm, 'decoder_embed.weight'], 'f')
  assert 'decoder_embed.weight' in found


def test_other_tensors_are_left_over():
  _, found = vit_schemes.find([*vit_like.timm(), 'mine'], 'f')
  assert found['mine'] == 'mine'


@pytest.mark.parametrize(
  'name, message',
  [
    ('dist_token', 'f has dist_token: a second class token, as distilled De'),
    ('blocks.0.mlp.w12.weight', 'w12.weight: SwiGLU'),
    ('attn_pool.latent', 'attn_pool.latent: pooling by attention'),
    ('blocks.0.attn.q_norm.weight', 'norms of queries and keys'),
    ('rope_embed.periods', 'rotary positions'),
    ('blocks.0.attn.relative_position_bias_table', 'relative positions'),
    ('blocks.0.gamma_1', 'as BEiT and EVA have it, which are not read'),
  ],
)
def test_other_kinds_are_named(name, message):
  with pytest.raises(errors.InputError, match=message):
    vit_schemes.find([*vit_like.timm(), name], 'f')


def test_other_families_files_are_named():
  with pytest.raises(
    errors.InputError, match='f is no ViT with names of goo'
  ) as e:
    vit_schemes.find(['conv1.weight', 'layer1.0.conv1.weight'], 'f')
  assert str(e.value).count('patch_embed.proj.weight') == 1


def test_several_networks_are_not_mixed():
  names = [
    f'{who}.{n}' for who in ('student', 'teacher') for n in _NAMED['timm'][1]
  ]
  with pytest.raises(errors.InputError, match='f holds several networks'):
    vit_schemes.find(names, 'f')
  _, tensors = _NAMED['hugging_face']
  with pytest.raises(errors.InputError, match='layernorm.weight twice'):
    vit_schemes.find([*tensors, 'layernorm.weight'], 'f')
