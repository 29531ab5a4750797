"""How far tensors are those of vision transformers; names and shapes alone."""

import dataclasses

import pytest

from tests.backbones import vit_like
from vtab_h2t.backbones import candidates
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_tensors


def _shapes(arrays):
  return {name: value.shape for name, value in arrays.items()}


def _vit(name='vit_ti16', scheme=vit_names.TIMM, **changes):
  network = dataclasses.replace(vit_architecture.NAMED[name], **changes)
  return vit_tensors.shapes(scheme, network)


def test_a_published_vit_is_read_by_two_names():
  shapes = _vit('vit_s16')
  found = candidates.of_tensors(shapes, 'w')
  assert [fit.backbone for fit in found if fit.is_whole] == ['vit', 'vit_s16']
  first = found[0]
  assert (first.scheme, first.matched, first.wanted) == ('timm', 152, 152)
  assert (first.patch, first.trained_size, first.prefix) == (16, 224, '')
  assert first.network.startswith('ViT of width 384, depth 12, 6 heads')


@pytest.mark.parametrize(
  'name, naming',
  [
    ("Hugging Face's ViTModel", vit_like.hugging_face),
    (
      'DINOv2',
      lambda t: vit_like.dinov2(
        {k: v for k, v in t.items() if 'head' not in k}
      ),
    ),
    (
      'google-research/vision_transformer (AugReg)',
      lambda t: vit_like.augreg(t, 2),
    ),
  ],
)
def test_other_names_of_a_vit(name, naming):
  shapes = _shapes(naming(vit_like.timm()))
  (fit,) = [f for f in candidates.of_tensors(shapes, 'w') if f.is_whole]
  assert (fit.backbone, fit.scheme) == ('vit', name)
  assert (fit.patch, fit.trained_size) == (vit_like.PATCH, vit_like.SIZE)


def test_a_prefix_is_told():
  shapes = {f'module.{name}': s for name, s in _vit().items()}
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert fit.is_whole and fit.prefix == 'module.'


def test_what_a_vit_lacks_and_has_besides():
  shapes = _vit()
  shapes['blocks.3.mlp.fc1.bias'] = (7,)
  shapes['extra'] = (1,)
  del shapes['blocks.11.norm2.bias']
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert not fit.is_whole
  assert (fit.backbone, fit.matched, fit.wanted) == ('vit', 150, 152)
  assert list(fit.faults()) == [
    'lacks blocks.11.norm2.bias',
    'has besides extra',
    'has of other shapes blocks.3.mlp.fc1.bias [7], not [768]',
  ]


def test_a_vit_of_another_kind_says_what_it_has():
  shapes = _vit() | {'blocks.0.attn.q_norm.weight': (64,)}
  fit = candidates.of_tensors(shapes, 'w.npz')[0]
  assert fit.backbone == 'vit_ti16' and fit.matched == 152
  fault = next(fit.faults())
  assert fault.startswith('has blocks.0.attn.q_norm.weight: norms of queries')
  # Without the embedding of patches its scheme is not known, but names are.
  shapes = {n: s for n, s in _vit('vit_b16').items() if 'patch_embed' not in n}
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert (fit.backbone, fit.scheme, fit.matched) == ('vit_b16', 'timm', 150)
