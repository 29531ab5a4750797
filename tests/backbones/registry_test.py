import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import registry


def test_unknown_names_are_one_line():
  with pytest.raises(errors.InputError, match='unknown backbone .*lite0'):
    registry.load('nope', 'imagenet', 96)
  with pytest.raises(
    errors.InputError, match='no weights .*from imagenet, random$'
  ):
    registry.load('efficientnet_lite0', 'nope', 96)


def test_a_file_of_weights_must_be_there(tmp_path):
  entry = registry.BACKBONES['vit_ti16']
  with pytest.raises(
    errors.InputError, match='random, or the path of a weights file'
  ):
    entry.check_weights(str(tmp_path / 'none.npz'))
  (tmp_path / 'some.npz').write_bytes(b'')
  entry.check_weights(str(tmp_path / 'some.npz'))
  with pytest.raises(errors.InputError, match='imagenet, random$'):
    registry.load('efficientnet_lite0', str(tmp_path / 'some.npz'), 96)


@pytest.fixture
def registered(monkeypatch):
  """What a test registers is gone after it."""
  monkeypatch.setattr(registry, 'BACKBONES', dict(registry.BACKBONES))


def test_a_registered_backbone_is_loaded_under_its_name(registered):
  calls = []

  def build(weights, size):
    calls.append((weights, size))
    return testing.tiny_backbone()

  registry.register('mine', build, ['one', 'two'], image_size=16)
  assert registry.load('mine', 'two', 96).name == 'mine'
  assert calls == [('two', 16)]
  with pytest.raises(errors.InputError, match='no weights .*from one, two$'):
    registry.load('mine', 'three', 16)
  with pytest.raises(errors.InputError, match='no taps'):
    registry.load('mine', 'one', 16, 'released')


def test_the_first_weights_that_are_registered_are_the_default(registered):
  calls = []

  def build(weights, size):
    calls.append(weights)
    return testing.tiny_backbone()

  registry.register('mine', build, ['one', 'two'])
  assert registry.weights_of('mine', None) == 'one'
  assert registry.weights_of('mine', 'two') == 'two'
  registry.load('mine', None, 16)
  assert calls == ['one']
  registry.register('filed', build, [], 'a file')
  with pytest.raises(errors.InputError) as e:
    registry.weights_of('filed', None)
  assert str(e.value) == (
    'filed: this backbone has no weights by default; name them: the path of a '
    'file'
  )


def test_packaged_weights_are_the_default_and_random_ones_never():
  for name, entry in registry.BACKBONES.items():
    if 'imagenet' in entry.weights:
      assert registry.weights_of(name, None) == 'imagenet'
    else:
      with pytest.raises(
        errors.InputError, match=f'^{name}: .*by default; name them: random'
      ):
        registry.weights_of(name, None)


@pytest.mark.parametrize(
  'build, weights, message',
  [
    (lambda w, s: None, 'one', "^backbone x: its weights .* not 'one'$"),
    (lambda w, s: None, [], r'its weights are a list of names, not \[\]$'),
    (None, ['one'], 'None is no function of weights and image size'),
  ],
)
def test_what_is_registered_is_checked(registered, build, weights, message):
  with pytest.raises(errors.InputError, match=message):
    registry.register('x', build, weights)
  assert 'x' not in registry.BACKBONES


def test_what_is_built_must_be_a_backbone(registered):
  registry.register('x', lambda weights, size: 'a model', ['one'])
  with pytest.raises(
    errors.InputError, match='x: its function gave a str, not a .*of_model$'
  ):
    registry.load('x', 'one', 16)


@pytest.mark.parametrize(
  'name, message',
  [
    ('vit_b16', 'there is a backbone vit_b16 already'),
    ('../up', 'lower-case letters'),
    ('', 'lower-case'),
    ('.x', 'lower-case'),
  ],
)
def test_names_are_checked(registered, name, message):
  with pytest.raises(errors.InputError, match=message):
    registry.register(name, None, ['one'])
