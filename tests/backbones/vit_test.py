import keras
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests import testing
from tests.backbones import torch_files
from vtab_h2t import errors
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_reading
from vtab_h2t.backbones import vit_saved
from vtab_h2t.backbones import vit_taps
from vtab_h2t.features import pooling

_WEIGHTS = testing.SHARED / 'weights' / 'vit_tiny_patch16_224_in1k_timm.npz'
_needs_weights = pytest.mark.skipif(
  not _WEIGHTS.exists(),
  reason=f'../shared/weights/{_WEIGHTS.name} is not there',
)


_SMALLEST = vit_architecture.SMALLEST


def _load(model, tensors, file):
  shapes = {name: value.shape for name, value in tensors.items()}
  vit.load(model, vit_reading.identify(shapes, file), tensors, file)


@pytest.fixture(scope='module')
def tiny():
  return vit.build(_SMALLEST, 32)[0]


def _timm(model, seed=0):
  """Random tensors under timm's names that fit a model of 32 pixels."""
  rng = np.random.default_rng(seed)
  width = model.output['pre_logits'].shape[-1]
  shapes = {
    'cls_token': (1, 1, width),
    'pos_embed': (1, 5, width),
    'patch_embed.proj.weight': (width, 3, 16, 16),
    'patch_embed.proj.bias': (width,),
    'norm.weight': (width,),
    'norm.bias': (width,),
    'head.weight': (1000, width),
    'head.bias': (1000,),
  }
  for i in range(12):
    for name, shape in (
      ('norm1', None),
      ('norm2', None),
      ('attn.qkv', (3 * width, width)),
      ('attn.proj', (width, width)),
      ('mlp.fc1', (4 * width, width)),
      ('mlp.fc2', (width, 4 * width)),
    ):
      shapes[f'blocks.{i}.{name}.weight'] = shape or (width,)
      shapes[f'blocks.{i}.{name}.bias'] = (shape or (width,))[:1]
  return {
    k: rng.normal(0, 0.05, s).astype(np.float32) for k, s in shapes.items()
  }


def _numpy_vit(t, x, heads=3):
  """The forward pass written out, from timm's tensors."""
  from scipy import special

  def norm(y, name):
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(
      y.var(-1, keepdims=True) + 1e-6
    )
    return y * t[f'{name}.weight'] + t[f'{name}.bias']

  def dense(y, name):
    return y @ t[f'{name}.weight'].T + t[f'{name}.bias']

  kernel = t['patch_embed.proj.weight']
  width = len(kernel)
  patches = [x[i : i + 16, j : j + 16] for i in (0, 16) for j in (0, 16)]
  y = np.stack([np.einsum('hwc,ochw->o', p, kernel) for p in patches])
  y = np.concatenate([t['cls_token'][0], y + t['patch_embed.proj.bias']])
  y = y + t['pos_embed'][0]
  for i in range(12):
    b = f'blocks.{i}'
    q, k, v = np.split(dense(norm(y, f'{b}.norm1'), f'{b}.attn.qkv'), 3, -1)
    split = lambda z: z.reshape(5, heads, -1).transpose(1, 0, 2)
    q, k, v = split(q), split(k), split(v)
    a = special.softmax(q @ k.transpose(0, 2, 1) / np.sqrt(width / heads), -1)
    y = y + dense(
      (a @ v).transpose(1, 0, 2).reshape(5, width), f'{b}.attn.proj'
    )
    h = dense(norm(y, f'{b}.norm2'), f'{b}.mlp.fc1')
    h = h * special.ndtr(h)  # Exact GELU.
    y = y + dense(h, f'{b}.mlp.fc2')
  y = norm(y, 'norm')
  return y, dense(y[0], 'head')


def test_equals_the_architecture_written_out(tiny):
  tensors = _timm(tiny)
  _load(tiny, tensors, 'test')
  x = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
  got = tiny(x)
  for i in range(2):
    tokens, logits = _numpy_vit(tensors, x[i])
    np.testing.assert_allclose(got['norm'][i], tokens, atol=2e-4)
    np.testing.assert_allclose(got['pre_logits'][i], tokens[0], atol=2e-4)
    np.testing.assert_allclose(got['logits'][i], logits, atol=2e-4)


@pytest.mark.parametrize('name, width', [('vit_ti16', 192), ('vit_s16', 384)])
def test_taps(name, width):
  backbone = registry.load(name, 'random', 96)
  assert backbone.image_size == 224  # What its weights want.
  assert len(backbone.taps) == 52
  shapes = backbone.tap_shapes()
  assert list(shapes.values()) == [
    (197, width),
    *([(197, width)] * 2 + [(197, 4 * width), (197, width)]) * 12,
    (197, width),
    (width,),
    (1000,),
  ]


def test_base_model_has_the_published_size():
  """86,567,656 parameters with 1000 classes (timm's vit_base_patch16_224)."""
  model, taps = vit.build(vit_architecture.NAMED['vit_b16'], 224)
  assert model.count_params() == 86_567_656 and len(taps) == 52
  assert model.output['block11_mlp1'].shape == (None, 197, 3072)


def test_released_taps_give_the_released_number_of_features():
  """53 taps, and 39,552 features at T=768 for the smallest model."""
  backbone = registry.load('vit_ti16', 'random', 224, 'released')
  assert len(backbone.taps) == 53 and 'logits' not in backbone.taps
  assert pooling.layout(backbone.tap_shapes(), 768).size == 39_552


def test_released_taps_read_the_same_weights():
  model, taps = vit.build(_SMALLEST, 32, 'released')
  full = vit.build(_SMALLEST, 32)[0]
  tensors = _timm(full)
  for one in (model, full):
    _load(one, tensors, 'test')
  x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype(np.float32)
  got, wanted = model(x), full(x)
  for tap in set(taps) & set(wanted):
    np.testing.assert_allclose(got[tap], wanted[tap], atol=1e-6)
  np.testing.assert_array_equal(got['cls_embedded'], got['pre_logits'])
  np.testing.assert_allclose(
    got['unembedded'] + tensors['pos_embed'], got['embedded'], atol=1e-6
  )


@pytest.mark.parametrize(
  'tap_set',
  [
    'all',
    pytest.param('released', marks=pytest.mark.soak),
  ],
)
def test_does_what_every_backbone_does(tmp_path, tap_set):
  testing.check_backbone(
    lambda size: vit.vit('vit_ti16', 'random', size, tap_set),
    (32, 48),
    tmp_path,
  )


def test_tap_sets_are_the_registrys():
  assert registry.BACKBONES['vit_b16'].tap_sets == vit_taps.SETS


@pytest.mark.soak
@testing.needs_photos
@_needs_weights
def test_real_weights_classify_known_photographs():
  backbone = registry.load('vit_ti16', str(_WEIGHTS), 224)
  assert backbone.model.count_params() == 5_717_416
  assert testing.top_1(backbone) == (14, 17)


def _jax(timm, representation=False):
  """The same weights under AugReg's names, optionally with one more layer."""
  split = lambda v: np.split(v, 3)
  t = {
    'cls': timm['cls_token'],
    'Transformer/posembed_input/pos_embedding': timm['pos_embed'],
    'embedding/kernel': timm['patch_embed.proj.weight'].transpose(2, 3, 1, 0),
    'embedding/bias': timm['patch_embed.proj.bias'],
    'Transformer/encoder_norm/scale': timm['norm.weight'],
    'Transformer/encoder_norm/bias': timm['norm.bias'],
    'head/kernel': timm['head.weight'].T,
    'head/bias': timm['head.bias'],
  }
  for i in range(12):
    a, b = f'Transformer/encoderblock_{i}', f'blocks.{i}'
    for ours, theirs in (('LayerNorm_0', 'norm1'), ('LayerNorm_2', 'norm2')):
      t[f'{a}/{ours}/scale'] = timm[f'{b}.{theirs}.weight']
      t[f'{a}/{ours}/bias'] = timm[f'{b}.{theirs}.bias']
    for ours, theirs in (('Dense_0', 'fc1'), ('Dense_1', 'fc2')):
      t[f'{a}/MlpBlock_3/{ours}/kernel'] = timm[f'{b}.mlp.{theirs}.weight'].T
      t[f'{a}/MlpBlock_3/{ours}/bias'] = timm[f'{b}.mlp.{theirs}.bias']
    m = f'{a}/MultiHeadDotProductAttention_1'
    for name, w, c in zip(
      ('query', 'key', 'value'),
      split(timm[f'{b}.attn.qkv.weight']),
      split(timm[f'{b}.attn.qkv.bias']),
    ):
      t[f'{m}/{name}/kernel'] = w.T.reshape(-1, 3, len(w) // 3)
      t[f'{m}/{name}/bias'] = c.reshape(3, -1)
    out = timm[f'{b}.attn.proj.weight'].T
    t[f'{m}/out/kernel'] = out.reshape(3, -1, out.shape[1])
    t[f'{m}/out/bias'] = timm[f'{b}.attn.proj.bias']
  if representation:
    width = len(timm['norm.bias'])
    rng = np.random.default_rng(5)
    t['pre_logits/kernel'] = rng.normal(0, 0.1, (width, width)).astype('f4')
    t['pre_logits/bias'] = rng.normal(0, 0.1, width).astype('f4')
  return t


@pytest.mark.soak
@pytest.mark.parametrize('classes', [1000, 21843])
def test_augreg_files_equal_timms_but_for_gelu(tiny, tmp_path, classes):
  timm = _timm(tiny)
  timm['head.weight'] = np.resize(timm['head.weight'], (classes, 192))
  timm['head.bias'] = np.resize(timm['head.bias'], classes)
  np.savez(tmp_path / 'timm.npz', **timm)
  np.savez(tmp_path / 'jax.npz', **_jax(timm))
  one, two = (
    vit.vit('vit_ti16', str(tmp_path / f'{name}.npz'), 32)
    for name in ('timm', 'jax')
  )
  x = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
  a, b = one.model(x), two.model(x)
  assert b['logits'].shape == (2, classes)
  np.testing.assert_array_equal(a['block00_attention'], b['block00_attention'])
  differs = np.abs(a['block00_mlp1'] - b['block00_mlp1']).max()
  assert 0 < differs < 1e-3  # JAX's GELU is the tanh approximation.
  np.testing.assert_allclose(a['logits'], b['logits'], atol=1e-2)


def test_weights_of_any_format_give_equal_features(tiny, tmp_path):
  timm = _timm(tiny)
  np.savez(tmp_path / 'timm.npz', **timm)
  safetensors_numpy.save_file(timm, tmp_path / 'timm.safetensors')
  (tmp_path / 'timm.pth').write_bytes(
    torch_files.zipped(*torch_files.state_of(timm))
  )
  x = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
  one, *others = (
    vit.vit('vit_ti16', str(tmp_path / f'timm.{ending}'), 32)
    for ending in ('npz', 'safetensors', 'pth')
  )
  wanted = one.model(x)['pre_logits']
  for other in others:
    np.testing.assert_array_equal(other.model(x)['pre_logits'], wanted)
    assert other.weights_sha256 != one.weights_sha256


def test_augreg_equals_jaxs_formula(tiny, tmp_path):
  """Its first MLP layer, written out with the tanh approximation."""
  tensors = _jax(_timm(tiny))
  np.savez(tmp_path / 'jax.npz', **tensors)
  model = vit.vit('vit_ti16', str(tmp_path / 'jax.npz'), 32).model
  x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype(np.float32)
  block = 'Transformer/encoderblock_0/MlpBlock_3/Dense_0'
  between = keras.Model(model.input, model.get_layer('block00_norm2').output)
  h = between(x).numpy() @ tensors[f'{block}/kernel'] + tensors[f'{block}/bias']
  wanted = h / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
  np.testing.assert_allclose(model(x)['block00_mlp1'], wanted, atol=1e-5)


def test_a_representation_layer_stands_before_the_logits(tiny, tmp_path):
  tensors = _jax(_timm(tiny), representation=True)
  np.savez(tmp_path / 'jax.npz', **tensors)
  backbone = vit.vit('vit_ti16', str(tmp_path / 'jax.npz'), 32, 'released')
  x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype(np.float32)
  got = backbone.model(x)
  np.testing.assert_allclose(
    got['pre_logits'],
    np.tanh(
      got['cls_embedded'] @ tensors['pre_logits/kernel']
      + tensors['pre_logits/bias']
    ),
    atol=1e-5,
  )
  np.testing.assert_array_equal(got['cls_embedded'], got['norm'][:, 0])


def test_weights_that_do_not_fit_are_one_line(tiny, tmp_path):
  tensors = _timm(tiny)
  for change, message in [
    ({'blocks.12.norm1.weight': np.ones(192)}, 'test lacks blocks.12.attn'),
    ({'pos_embed': np.ones((1, 7, 192))}, 'pos_embed of 7 rows that are no'),
    ({'blocks.3.attn.qkv.weight': np.ones((576, 96))}, r'\(576, 96\), not'),
    ({'blocks.3.attn.qkv.bias': np.ones(5)}, r'qkv.bias of shape \(5,\), not'),
  ]:
    with pytest.raises(errors.InputError, match=message):
      _load(tiny, tensors | change, 'test')
  without = {k: v for k, v in tensors.items() if k != 'norm.bias'}
  with pytest.raises(errors.InputError, match='test lacks norm.bias; it'):
    _load(tiny, without, 'test')
  path = tmp_path / 'other.npz'
  np.savez(path, **{'Transformer/encoder_norm/bias': np.ones(3)})
  with pytest.raises(errors.InputError, match='is no ViT with names of'):
    registry.load('vit_ti16', str(path), 224)
  np.savez(path, **_timm(tiny))
  with pytest.raises(errors.InputError, match='does not fit vit_s16: it holds'):
    registry.load('vit_s16', str(path), 224)


@pytest.mark.soak
def test_saved_models_with_the_released_endpoints(tmp_path):
  backbone = vit.vit('vit_ti16', 'random', 32, 'released')
  names = {tap: vit_saved.endpoints().get(tap, tap) for tap in backbone.taps}
  assert {
    'root_output_with_cls',
    'encoder_11_mlp_2',
    'cls_embedded',
    'encoded_sequence',
    'pre_logits',
  } <= set(names.values())
  testing.export(backbone, names, tmp_path / 'vit', 'serving_default')
  imported = vit.vit('vit_ti16', str(tmp_path / 'vit'), 32, 'released')
  x = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
  wanted = backbone.model(x)
  for tap, value in imported.model(x).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5)
  assert imported.tap_shapes() == backbone.tap_shapes()
  assert 'have names of no known scheme' in imported.misfit
  with pytest.raises(errors.InputError, match='lacks endpoints logits'):
    vit.vit('vit_ti16', str(tmp_path / 'vit'), 32)


def test_image_size_must_be_a_multiple_of_the_patch():
  with pytest.raises(errors.InputError, match='multiple of 16, not 100'):
    vit.build(_SMALLEST, 100)
