"""SavedModels: small ones, from folders, archives and a local server."""

import functools
import http.server
import io
import pathlib
import tarfile
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import saved_model
from vtab_h2t.features import extraction

_NAMES = {'early': 'first', 'tokens': 'second', 'pooled': 'pre_logits'}


class _Module(tf.Module):
  """A map, tokens and a vector; sides are open, as Head2Toe's are."""

  def __init__(self):
    super().__init__()
    rng = np.random.default_rng(0)
    self.kernel = tf.Variable(rng.normal(size=(3, 3, 3, 4)), dtype=tf.float32)

  @tf.function(
    input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32, 'images')]
  )
  def call(self, images):
    early = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 2, 'SAME'))
    tokens = tf.reduce_mean(early, axis=1)
    return {
      'first': early,
      'second': tokens,
      'pre_logits': tf.reduce_mean(tokens, axis=1),
    }


def _save(folder, signature='representation'):
  module = _Module()
  tf.saved_model.save(module, str(folder), {signature: module.call})
  return folder


def _archive(folder, path, inside):
  with tarfile.open(path, 'w:gz') as archive:
    archive.add(folder, inside)
  return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  monkeypatch.setenv('TFHUB_CACHE_DIR', str(tmp_path / 'cache'))
  return tmp_path / 'cache'


@pytest.fixture
def folder(tmp_path):
  return _save(tmp_path / 'model')


@pytest.fixture
def server(tmp_path):
  """Serves tmp_path; yields its address and the list of requests."""
  requests = []

  class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
      requests.append(self.path)

  with http.server.ThreadingHTTPServer(
    ('127.0.0.1', 0), functools.partial(Handler, directory=str(tmp_path))
  ) as running:
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f'http://127.0.0.1:{running.server_port}', requests
    running.shutdown()
    thread.join()


def _backbone(folder, size=16):
  return saved_model.backbone(
    'test', folder, _NAMES, tuple(_NAMES), 'pooled', size, testing.INPUT
  )


@pytest.mark.parametrize('inside', ['.', 'imagenetr50'])
@pytest.mark.parametrize('signature', saved_model.SIGNATURES)
def test_folders_and_archives(tmp_path, inside, signature):
  folder = _save(tmp_path / 'model', signature)
  archive = _archive(folder, tmp_path / 'model.tar.gz', inside)
  found = saved_model.fetch(str(archive))
  assert (found / 'saved_model.pb').is_file()
  assert found.name == inside or inside == '.'
  assert saved_model.fetch(str(archive)) == found
  assert saved_model.fetch(str(folder)) == folder
  assert saved_model.sha256(found) == saved_model.sha256(folder)
  one, two = _backbone(found), _backbone(folder)
  assert one.weights_sha256 == two.weights_sha256
  x = one.preprocess(testing.images(2, size=16))
  for tap, value in one.model(x).items():
    np.testing.assert_array_equal(value, two.model(x)[tap])


@pytest.mark.parametrize('inside', ['.', 'imagenetr50'])
def test_http(folder, server, tmp_path, inside):
  address, requests = server
  _archive(folder, tmp_path / 'model.tar.gz', inside)
  url = f'{address}/model.tar.gz'
  found = saved_model.fetch(url)
  assert saved_model.sha256(found) == saved_model.sha256(folder)
  before = len(requests)
  assert before and saved_model.fetch(url) == found
  assert len(requests) == before  # From the cache.
  assert _backbone(found).tap_shapes() == {
    'early': (8, 8, 4),
    'tokens': (8, 4),
    'pooled': (4,),
  }


def test_what_cannot_be_fetched_is_one_line(server, tmp_path, folder):
  address, _ = server
  for url in (f'{address}/none.tar.gz', 'http://127.0.0.1:1/x%20y.tar.gz'):
    with pytest.raises(errors.InputError, match='cannot be fetched .*; check'):
      saved_model.fetch(url)
  good = _archive(folder, tmp_path / 'good.tar.gz', '.')
  (tmp_path / 'cut.tar.gz').write_bytes(good.read_bytes()[:-200])
  (tmp_path / 'text.tar.gz').write_text('no archive')
  for name in ('cut', 'text', 'none'):
    with pytest.raises(errors.InputError, match=f'{name}.tar.gz cannot be unp'):
      saved_model.fetch(str(tmp_path / f'{name}.tar.gz'))
  (tmp_path / 'empty').mkdir()
  with pytest.raises(errors.InputError, match='empty holds no SavedModel'):
    saved_model.fetch(str(tmp_path / 'empty'))


def _outside(kind, root):
  """A tar's members that would write outside of its folder."""
  if kind == 'dots':
    return [tarfile.TarInfo('../../escaped')]
  if kind == 'absolute':
    return [tarfile.TarInfo(f'{root}/../escaped/x')]
  link = tarfile.TarInfo('link')
  link.type = tarfile.SYMTYPE if kind == 'symlink' else tarfile.LNKTYPE
  link.linkname = str(root)
  return [link, tarfile.TarInfo('link/escaped')]


@pytest.mark.parametrize('where', ['file', 'address'])
@pytest.mark.parametrize('kind', ['dots', 'absolute', 'symlink', 'hardlink'])
def test_archives_write_nothing_outside(kind, where, tmp_path, cache, server):
  path = tmp_path / 'bad.tar.gz'
  root = tmp_path / 'a' / 'b'
  root.mkdir(parents=True)
  with tarfile.open(path, 'w:gz') as archive:
    for info in _outside(kind, root):
      info.size = 1 if info.isreg() else 0
      archive.addfile(info, io.BytesIO(b'x'))
  location = str(path) if where == 'file' else f'{server[0]}/bad.tar.gz'
  with pytest.raises(errors.InputError):
    saved_model.fetch(location)
  # An absolute path may have lost its root and be in the cache.
  assert not [p for p in tmp_path.rglob('escaped') if cache not in p.parents]


def test_a_download_that_breaks_off_is_one_line(folder, tmp_path):
  """The server sends half of what it announced; then all of it."""
  whole = _archive(folder, tmp_path / 'model.tar.gz', '.').read_bytes()
  sent = [len(whole) // 2, len(whole)]

  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
      self.send_response(200)
      self.send_header('Content-Length', str(len(whole)))
      self.end_headers()
      self.wfile.write(whole[: sent[0]])

    def log_message(self, *args):
      pass

  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    url = f'http://127.0.0.1:{running.server_port}/model.tar.gz'
    try:
      with pytest.raises(errors.InputError, match='cannot be fetched'):
        saved_model.fetch(url)
      sent.pop(0)
      found = saved_model.fetch(url)
    finally:
      running.shutdown()
      thread.join()
  assert saved_model.sha256(found) == saved_model.sha256(folder)


def test_endpoints_are_known_without_the_graph(folder, tmp_path):
  assert saved_model.has_endpoints(folder, ['first', 'pre_logits'])
  assert not saved_model.has_endpoints(folder, ['first', 'third'])
  other = _save(tmp_path / 'other', 'nope')
  assert not saved_model.has_endpoints(other, ['first'])
  (folder / 'saved_model.pb').write_bytes(b'\xff\xff no model')
  with pytest.raises(errors.InputError, match='cannot be loaded'):
    saved_model.has_endpoints(folder, ['first'])


def test_locations():
  for location in ('http://x/y', 'https://x', 'a/b.tar.gz', 'x.tgz', '/tmp'):
    assert saved_model.is_location(location)
  for location in ('random', 'x.npz', '/none.h5'):
    assert not saved_model.is_location(location)


def test_does_what_every_backbone_does(folder, tmp_path):
  testing.check_backbone(
    lambda size: _backbone(folder, size), (16, 24), tmp_path
  )


def test_features_are_extracted(folder):
  backbone = _backbone(folder)
  extractor = extraction.Extractor(backbone, (16,))
  task = testing.tiny_task()
  batches = [b for _, b in extractor(task.test)]
  assert sum(len(next(iter(b.values()))) for b in batches) == 90
  assert extractor.layouts[16].size == 16 + 16 + 4


def test_what_a_model_lacks_is_named(tmp_path, folder):
  with pytest.raises(
    errors.InputError,
    match='lacks endpoints four, three .it has 3: first, pre_logits, second, ',
  ):
    saved_model.backbone(
      'x', folder, {}, ('first', 'three', 'four'), 'first', 16, testing.INPUT
    )
  with pytest.raises(errors.InputError, match='endpoints a, b, c and 2 more'):
    saved_model.backbone(
      'x', folder, {}, tuple('abcde'), 'a', 16, testing.INPUT
    )
  other = _save(tmp_path / 'other', 'nope')
  with pytest.raises(
    errors.InputError,
    match='has signatures .*nope.*; it '
    'needs one of representation, serving_default',
  ):
    _backbone(other)


@pytest.mark.parametrize(
  'file', ['saved_model.pb', 'variables/variables.index']
)
def test_damaged_models_are_one_line(folder, file):
  (folder / file).write_bytes(b'\xff\xff no model')
  with pytest.raises(errors.InputError, match='cannot be loaded'):
    _backbone(folder)


def test_hash_covers_graph_and_variables(folder, tmp_path):
  before = saved_model.sha256(folder)
  (data,) = pathlib.Path(folder, 'variables').glob('*data*')
  content = bytearray(data.read_bytes())
  content[0] ^= 1
  data.write_bytes(content)
  assert saved_model.sha256(folder) != before


def test_layer_survives_json(folder):
  layer = saved_model.Endpoints(str(folder), {'a': 'first'})
  config = keras.saving.serialize_keras_object(layer)
  again = keras.saving.deserialize_keras_object(config)
  x = np.ones((1, 8, 8, 3), np.float32)
  np.testing.assert_array_equal(again(x)['a'], layer(x)['a'])
