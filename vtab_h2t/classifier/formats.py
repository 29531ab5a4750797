"""The formats that an adapted model is exported to: writing and reading each.

What is written takes `image`, float32 `[B, H, W, 3]`, pixels 0 to 255 of any
height and width, and gives probabilities, float32 `[B, C]`. It needs nothing of
this package.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
import contextlib
import dataclasses
import functools
import importlib.util
import os
import pathlib
import re
import sys
from typing import Any, TYPE_CHECKING
import warnings

import numpy as np

from vtab_h2t import errors

if TYPE_CHECKING:
  import keras
  import tensorflow as tf

_ANYTHING = 'export it as saved_model, which holds any'
# From float32 `[B, H, W, 3]` to float32 `[B, C]`.
Run = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
  """A kind of file.

  Attributes:
    path: of the file, or the folder, within an exported folder.
    write: called with the model and the path.
    read: gives what the file computes.
    packages: what writing needs besides TensorFlow, by name of import.
    runtime: what reading needs besides.
    extra: of setup.py, which has them.
    own_layers: whether only layers of Keras' own can be read again.
  """

  path: str
  write: Callable[['keras.Model', pathlib.Path], None]
  read: Callable[[pathlib.Path], Run]
  packages: tuple[str, ...] = ()
  runtime: tuple[str, ...] = ()
  extra: str = ''
  own_layers: bool = False

  @property
  def is_readable(self) -> bool:
    """Whether what reading needs is installed."""
    return all(map(importlib.util.find_spec, self.runtime))

  def check_packages(self, names: Sequence[str]) -> None:
    """Raises InputError if one of these packages is not installed."""
    for name in names:
      if importlib.util.find_spec(name) is None:
        raise errors.InputError(
          f'{self.path} needs the package {name}; install it with '
          f"pip install 'vtab_h2t[{self.extra}]'"
        )


def _signature() -> list['tf.TensorSpec']:
  import tensorflow as tf

  return [tf.TensorSpec((None, None, None, 3), tf.float32, name='image')]


def _write_keras(whole: 'keras.Model', path: pathlib.Path) -> None:
  whole.save(path)


def _read_keras(path: pathlib.Path) -> Run:
  import keras
  import tensorflow as tf

  model = keras.models.load_model(path, compile=False)
  forward = tf.function(
    lambda images: model(images, training=False), reduce_retracing=True
  )
  return lambda images: forward(tf.constant(images)).numpy()


def _write_saved_model(whole: 'keras.Model', path: pathlib.Path) -> None:
  whole.export(str(path), verbose=False, input_signature=_signature())


def _read_saved_model(path: pathlib.Path) -> Run:
  import tensorflow as tf

  # Its variables live as long as it does.
  loaded = tf.saved_model.load(str(path))
  return lambda images: loaded.serve(tf.constant(images)).numpy()


def _write_onnx(whole: 'keras.Model', path: pathlib.Path) -> None:
  """Keras writes it by tf2onnx; names are then what a reader expects."""
  import onnx

  _register_erfc()
  with _converting('ONNX'), warnings.catch_warnings():
    # Keras looks for a name that NumPy had before version 2.
    warnings.simplefilter('ignore', FutureWarning)
    whole.export(
      str(path), format='onnx', verbose=False, input_signature=_signature()
    )
  model = onnx.load(path)
  # What it does not know it leaves as it was.
  _check_known(
    'ONNX',
    {
      n.op_type
      for n in model.graph.node
      if not onnx.defs.has(n.op_type, n.domain)
    },
  )
  (given,), (found,) = model.graph.input, model.graph.output
  for value, names in (
    (given, ('batch', 'height', 'width')),
    (found, ('batch',)),
  ):
    for dimension, name in zip(value.type.tensor_type.shape.dim, names):
      dimension.dim_param = name
  for node in model.graph.node:
    node.output[:] = [
      'probabilities' if n == found.name else n for n in node.output
    ]
  found.name = 'probabilities'
  with _converting('ONNX'):
    onnx.checker.check_model(model)
  onnx.save(model, path)


@functools.cache
def _register_erfc() -> None:
  """Tells tf2onnx of an operation that Keras' GELU has, and ONNX has not."""
  from tf2onnx import handler

  def convert(graph: Any, node: Any, **_: Any) -> None:
    """1 - erf(x)."""
    (x,), outputs, name = node.input, node.output, node.name
    (shape,), (dtype,) = node.output_shapes, node.output_dtypes
    graph.remove_node(name)
    erf = graph.make_node('Erf', [x])
    one = graph.make_const(f'{name}/one', np.float32(1))
    graph.make_node(
      'Sub',
      [one.output[0], erf.output[0]],
      outputs=outputs,
      shapes=[shape],
      dtypes=[dtype],
    )

  handler.tf_op('Erfc').register_compat_handler(convert, 9)


def _read_onnx(path: pathlib.Path) -> Run:
  import onnxruntime

  session = onnxruntime.InferenceSession(path)
  return lambda images: session.run(None, {'image': images})[0]


def _write_litert(whole: 'keras.Model', path: pathlib.Path) -> None:
  """Of operations that every LiteRT has, without TensorFlow's own."""
  import tensorflow as tf

  with _converting('LiteRT'):
    whole.export(
      str(path),
      format='litert',
      verbose=False,
      input_signature=_signature(),
      target_spec={'supported_ops': [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )


@contextlib.contextmanager
def _converting(name: str) -> Iterator[None]:
  """Within, converters say nothing, and what they raise is an InputError."""
  try:
    with _quiet():
      yield
  # Each converter has kinds of its own, and TypeErrors for what it lacks.
  except Exception as e:
    # As LiteRT's lists them.
    _check_known(
      name, re.findall(r'^(?:Custom|TF Select) ops: (.+)$', str(e), re.M)
    )
    why = (str(e).strip() or type(e).__name__).splitlines()[0]
    raise errors.InputError(
      f'this network cannot be converted to {name} ({why}); {_ANYTHING}'
    ) from e


def _check_known(name: str, unknown: Iterable[str]) -> None:
  """Raises InputError if a format lacks operations."""
  if unknown:
    raise errors.InputError(
      f'this network has operations that {name} has not '
      f'({", ".join(sorted(unknown))}); {_ANYTHING}'
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Without what others, also in C++, write to stderr."""
  sys.stderr.flush()
  kept = os.dup(2)
  try:
    with open(os.devnull, 'w') as nowhere:
      os.dup2(nowhere.fileno(), 2)
    yield
  finally:
    sys.stderr.flush()
    os.dup2(kept, 2)
    os.close(kept)


def _read_litert(path: pathlib.Path) -> Run:
  from ai_edge_litert import interpreter

  with _quiet():  # It tells of its delegate when it is first run.
    run = interpreter.Interpreter(str(path)).get_signature_runner()
    run(image=np.zeros((1, 1, 1, 3), np.float32))

  def run_one(images: np.ndarray) -> np.ndarray:
    (found,) = run(image=images).values()
    return found

  return run_one


# By name, in the order in which one is preferred for reading.
FORMATS = {
  'keras': Format(
    path='model.keras', write=_write_keras, read=_read_keras, own_layers=True
  ),
  'saved_model': Format(
    path='saved_model', write=_write_saved_model, read=_read_saved_model
  ),
  'onnx': Format(
    path='model.onnx',
    write=_write_onnx,
    read=_read_onnx,
    packages=('tf2onnx', 'onnx'),
    runtime=('onnxruntime',),
    extra='onnx',
  ),
  'litert': Format(
    path='model.tflite',
    write=_write_litert,
    read=_read_litert,
    runtime=('ai_edge_litert',),
    extra='litert',
  ),
}
DEFAULT = ('keras', 'saved_model')
