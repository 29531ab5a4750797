"""SavedModels as backbones: fetched, loaded, and their endpoints as taps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import errno
import os
import pathlib
import tarfile
import tempfile
from typing import Any, TYPE_CHECKING

import keras
import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing

if TYPE_CHECKING:
  import tensorflow as tf

_MARKER = 'saved_model.pb'
# How files of tensors end, which are not read by their folder's name.
_TENSORS = ('.index.json', '.safetensors', '.npz', '.h5', '.pth', '.pt', '.bin')
SIGNATURES = ('representation', 'serving_default')  # Head2Toe's; of ViTs.


def is_location(weights: str) -> bool:
  """Whether this names a SavedModel: a URL, a folder, or a .tar.gz file."""
  return (
    _is_url(weights)
    or weights.endswith(('.tar.gz', '.tgz'))
    or (pathlib.Path(weights).is_dir())
  )


def _is_url(location: str) -> bool:
  return location.startswith(('http://', 'https://'))


def fetch(location: str) -> pathlib.Path:
  """A SavedModel's folder.

  Args:
    location: a folder; a .tar.gz file; or an http(s) URL of one, or a TF-Hub
      handle. The model may be in the only folder inside. What is unpacked is
      kept in TFHUB_CACHE_DIR (or the system's temporary directory).

  Raises:
    errors.InputError: it cannot be fetched or read, or holds no SavedModel.
  """
  if _is_url(location):
    folder = _download(location)
  elif pathlib.Path(location).is_dir():
    folder = pathlib.Path(location)
  else:
    folder = _unpack(pathlib.Path(location))
  inner = [p for p in folder.iterdir() if p.is_dir()]
  candidates = [folder] + inner if len(inner) == 1 else [folder]
  for candidate in candidates:
    if (candidate / _MARKER).is_file():
      return candidate
  files_ = sorted(
    (p for p in folder.glob('*') if p.name.endswith(_TENSORS)),
    key=lambda path: (path.suffix != '.json', path),  # An index of shards.
  )
  raise errors.InputError(
    f'{location} holds no SavedModel ({_MARKER} is neither in it nor in its '
    'only folder); '
    + (f'name a file in it, {files_[0]}' if files_ else 'check the path')
  )


def _download(url: str) -> pathlib.Path:
  import tensorflow_hub as hub

  with _damage_is_one_line(
    f'{url} cannot be fetched', 'check the address and the connection'
  ):
    return pathlib.Path(hub.resolve(url))


def _unpack(path: pathlib.Path) -> pathlib.Path:
  """Unpacks an archive once; nothing outside the folder is written."""
  cache = pathlib.Path(
    os.environ.get('TFHUB_CACHE_DIR')
    or pathlib.Path(tempfile.gettempdir(), 'tfhub_modules')
  )
  with _damage_is_one_line(f'{path} cannot be unpacked', 'fetch it again'):
    folder = cache / files.sha256_file(path)
    if not folder.exists():
      with (
        tarfile.open(path) as archive,
        files.atomic_directory(folder) as temporary,
      ):
        archive.extractall(temporary, filter='data')
  return folder


@contextlib.contextmanager
def _damage_is_one_line(what: str, remedy: str) -> Iterator[None]:
  """Damaged archives and broken connections show as errors of a dozen kinds."""
  try:
    yield
  except Exception as e:
    # A full disk is not the archive's fault.
    if isinstance(e, OSError) and e.errno in (
      errno.ENOSPC,
      errno.EROFS,
      errno.EACCES,
      errno.EFBIG,
    ):
      raise
    raise errors.InputError(f'{what} ({e}); {remedy}') from e


def sha256(folder: pathlib.Path) -> str:
  """Identifies a SavedModel: its graph and variables."""
  parts = [folder / _MARKER, *sorted((folder / 'variables').glob('*'))]
  return files.fingerprint([[p.name, files.sha256_file(p)] for p in parts])


def has_endpoints(folder: pathlib.Path, endpoints: Iterable[str]) -> bool:
  """Whether the signature that `Endpoints` would call returns all of these.

  Raises:
    errors.InputError: the model is damaged.
  """
  from google.protobuf import message
  from tensorflow.core.protobuf import saved_model_pb2

  try:
    parsed = saved_model_pb2.SavedModel.FromString(
      (folder / _MARKER).read_bytes()
    )
  except message.DecodeError as e:
    raise errors.InputError(
      f'SavedModel {folder} cannot be loaded ({e}); fetch it again'
    ) from e
  signatures = {
    name: set(signature.outputs)
    for graph in parsed.meta_graphs
    for name, signature in graph.signature_def.items()
  }
  first = next((s for s in SIGNATURES if s in signatures), None)
  return first is not None and set(endpoints) <= signatures[first]


def load(folder: pathlib.Path) -> Any:
  """Loads a SavedModel of TensorFlow 1 or 2.

  Raises:
    errors.InputError: it is damaged.
  """
  from google.protobuf import message
  import tensorflow as tf

  try:
    return tf.saved_model.load(folder)
  except (
    OSError,
    ValueError,
    KeyError,
    message.DecodeError,
    tf.errors.OpError,
  ) as e:
    raise errors.InputError(
      f'SavedModel {folder} cannot be loaded ({e}); fetch it again'
    ) from e


@keras.saving.register_keras_serializable(package='vtab_h2t')
class Endpoints(keras.layers.Layer):
  """Some outputs of a SavedModel's signature, as a dict of tensors."""

  def __init__(
    self, folder: str, endpoints: Mapping[str, str], **kwargs: Any
  ) -> None:
    """Loads the model.

    Args:
      folder: the SavedModel; the first of `SIGNATURES` that it has is called.
      endpoints: output name to the signature's output.
      **kwargs: as every Keras layer's.

    Raises:
      errors.InputError: it cannot be loaded, has no such signature, or lacks
        endpoints.
    """
    super().__init__(**{'trainable': False} | kwargs)
    self.folder, self.endpoints = folder, dict(endpoints)
    self._loaded = load(pathlib.Path(folder))
    offered = self._loaded.signatures
    signature = next((s for s in SIGNATURES if s in offered), None)
    if signature is None:
      raise errors.InputError(
        f'SavedModel {folder} has signatures {sorted(offered)}; it needs one '
        f'of {", ".join(SIGNATURES)}'
      )
    self._call = offered[signature]
    outputs = self._call.structured_outputs
    missing = sorted(set(endpoints.values()) - set(outputs))
    if missing:
      raise errors.InputError(
        f'signature {signature} of SavedModel {folder} lacks endpoints '
        f'{", ".join(missing[:3])}'
        + (f' and {len(missing) - 3} more' if missing[3:] else '')
        + f' (it has {len(outputs)}: '
        f'{", ".join(sorted(outputs)[:5])}, ...); choose other --taps, or '
        'the model that --backbone names'
      )
    (self._input,) = self._call.structured_input_signature[1]

  def call(self, x: 'tf.Tensor') -> dict[str, 'tf.Tensor']:
    import tensorflow as tf

    found = self._call(**{self._input: tf.cast(x, tf.float32)})
    return {name: found[endpoint] for name, endpoint in self.endpoints.items()}

  def compute_output_spec(
    self, x: keras.KerasTensor
  ) -> dict[str, keras.KerasTensor]:
    # Signatures often leave sides open: a run on one image tells them.
    shapes = self.call(np.zeros((1, *x.shape[1:]), np.float32))
    return {
      name: keras.KerasTensor((x.shape[0], *value.shape[1:]), 'float32')
      for name, value in shapes.items()
    }

  def get_config(self) -> dict[str, Any]:
    return super().get_config() | {
      'folder': self.folder,
      'endpoints': self.endpoints,
    }


def backbone(
  name: str,
  folder: pathlib.Path,
  names: Mapping[str, str],
  taps: Sequence[str],
  embedding: str,
  image_size: int,
  input: preprocessing.Input,  # noqa: A002  # As of a backbone.
  tap_set: str = backbone_lib.ALL_TAPS,
) -> backbone_lib.Backbone:
  """A SavedModel whose signature returns a dict of endpoints, as a backbone.

  Args:
    name: of the backbone, as in result rows.
    folder: the SavedModel.
    names: endpoints of the taps that are called otherwise there.
    taps: what to expose, by depth.
    embedding: the tap that the Linear baseline reads.
    image_size: side of the square input in pixels.
    input: how images become the model's input.
    tap_set: what to call this set of taps in result rows.

  Raises:
    errors.InputError: the model cannot be loaded, has no such signature, or
      lacks endpoints.
  """
  import tensorflow as tf

  endpoints = {tap: names.get(tap, tap) for tap in taps}
  layer = Endpoints(str(folder), endpoints, name='saved_model')
  try:
    inputs = keras.Input((image_size, image_size, 3), name='image')
    model = keras.Model(inputs, layer(inputs), name=name)
  except (tf.errors.InvalidArgumentError, TypeError, ValueError) as e:
    raise errors.InputError(
      f'SavedModel {folder} does not take images of {image_size} pixels ({e})'
    ) from e
  return backbone_lib.Backbone(
    name=name,
    model=model,
    taps=tuple(taps),
    embedding=embedding,
    image_size=image_size,
    input=input,
    weights_sha256=sha256(folder),
    tap_set=tap_set,
  )
