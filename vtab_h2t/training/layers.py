"""Layers that replace Keras' in the copy of a network that is trained.

They have the names, the variables and the results of what they replace, up to
rounding, and need less time for a step. Keras writes batch norm out as some
twenty operations that each read and write a whole activation; with the
statistics of a batch, the fused operation takes their place on every device (on
CPUs with running ones, too). The rest is for CPUs:

  * A convolution that only a batch norm reads is left to it. With running
    statistics, scale and offset then go into the kernel. With those of the
    batch, a convolution of 1x1 kernels that makes many channels of few takes
    them from the covariance of the few: the mean of `x W` is that of x times
    W, and its variances are the diagonal of `W' cov(x) W`.
  * Convolutions of 1x1 kernels are products of matrices.
  * So is the gradient of a large depthwise kernel on a small map.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any, TYPE_CHECKING

import keras
import numpy as np

from vtab_h2t.backbones import tapping

if TYPE_CHECKING:
  import tensorflow as tf

_EXPANSION = 4  # Least ratio of channels for which the covariance is cheaper.
_POSITIONS = 64  # Of the largest map whose kernel gradient is made of products.
_SIDE = 3  # Of the largest depthwise kernel whose gradient is fast as it is.


def copy_of(model: keras.Model, policy: str, on_cpu: bool) -> keras.Model:
  """A copy of a functional model, of these layers where they fit.

  Args:
    model: what to copy; its weights are not.
    policy: Keras' dtype policy of the copy.
    on_cpu: whether the copy computes on CPUs.
  """
  outputs = {id(tensor) for tensor in keras.tree.flatten(model.output)}
  norms = (
    {
      convolution: layer.name
      for layer in model.layers
      if _type_of(layer) is BatchNormalization
      and (convolution := _convolution_before(layer, outputs))
    }
    if on_cpu
    else {}
  )
  waiting: dict[str, keras.Layer] = {}

  def copied(layer: keras.Operation) -> keras.Operation:
    config = layer.get_config()
    # Inputs stay as they are, and operations have no precision of their own.
    if isinstance(layer, keras.Layer) and not isinstance(
      layer, keras.layers.InputLayer
    ):
      config['dtype'] = policy
    kind = _type_of(layer)
    if kind in (Conv2D, DepthwiseConv2D) and not on_cpu:
      kind = type(layer)
    copy = tapping.made_of(kind, config)
    if kind is BatchNormalization:
      copy.on_cpu = on_cpu
    if layer.name in norms:
      copy.is_left_to_norm = True
      waiting[norms[layer.name]] = copy
    elif layer.name in waiting:
      copy.convolution = _Convolution(waiting.pop(layer.name))
    return copy

  return keras.models.clone_model(model, clone_function=copied)


def _type_of(layer: keras.Operation) -> type[keras.Operation]:
  """The type here that computes what a layer does, or the layer's own."""
  kind = type(layer)
  if kind is keras.layers.BatchNormalization:
    # The fused operation is for maps, with scale and offset.
    fits = layer.axis in (-1, 3) and layer.scale and layer.center
    return BatchNormalization if fits and layer.input.ndim == 4 else kind
  if kind not in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D):
    return kind
  if (
    layer.data_format != 'channels_last'
    or layer.dilation_rate != (1, 1)
    or layer.strides[0] != layer.strides[1]
    or getattr(layer, 'groups', 1) != 1
  ):
    return kind
  return {
    keras.layers.Conv2D: Conv2D,
    keras.layers.DepthwiseConv2D: DepthwiseConv2D,
  }[kind]


def _convolution_before(
  norm: keras.layers.BatchNormalization, outputs: set[int]
) -> str | None:
  """The name of the convolution that a batch norm alone reads, if any.

  Args:
    norm: of the network that is copied.
    outputs: ids of the tensors that the network gives.
  """
  layer = norm.input._keras_history.operation
  fits = (
    _type_of(layer) in (Conv2D, DepthwiseConv2D)
    # A layer that is called twice has other inputs or outputs as well.
    and len(norm._inbound_nodes) == len(layer._inbound_nodes) == 1
    and not layer.use_bias
    and layer.activation is keras.activations.linear
    and id(layer.output) not in outputs
    and {id(node.operation) for node in layer._outbound_nodes} == {id(norm)}
  )
  return layer.name if fits else None


@dataclasses.dataclass(frozen=True, eq=False)
class _Convolution:
  """Computes a layer's convolution.

  Attributes:
    layer: has kernel, strides and padding.
  """

  layer: keras.Layer

  @property
  def is_depthwise(self) -> bool:
    return isinstance(self.layer, keras.layers.DepthwiseConv2D)

  @property
  def is_pointwise(self) -> bool:
    """Whether each output position depends on one input position, in order."""
    own = self.layer.kernel_size, self.layer.strides
    return own == ((1, 1), (1, 1)) and not self.is_depthwise

  @property
  def kernel(self) -> 'tf.Tensor':
    """`[kh, kw, C, m]`, or a matrix `[C, m]` if it is pointwise."""
    import tensorflow as tf

    kernel = tf.convert_to_tensor(self.layer.kernel.value)
    return tf.reshape(kernel, kernel.shape[2:]) if self.is_pointwise else kernel

  def __call__(
    self, x: 'tf.Tensor', factor: 'tf.Tensor | None' = None
  ) -> 'tf.Tensor':
    """The convolution alone, times a factor `[filters]` of its channels."""
    import tensorflow as tf

    kernel = self.kernel
    if factor is not None:
      shape = kernel.shape[2:] if self.is_depthwise else [-1]
      kernel = tf.cast(kernel, factor.dtype) * tf.reshape(factor, shape)
    kernel = tf.cast(kernel, x.dtype)
    padding, (stride, _) = self.layer.padding.upper(), self.layer.strides
    if self.is_pointwise:
      return _product(x, kernel)
    if self.is_depthwise:
      return _depthwise(x, kernel, stride, padding)
    return tf.nn.conv2d(x, kernel, stride, padding)

  def all(self, x: 'tf.Tensor') -> 'tf.Tensor':
    """The convolution, bias and activation."""
    import tensorflow as tf

    out = self(x)
    if self.layer.use_bias:
      out += tf.cast(self.layer.bias.value, out.dtype)
    return self.layer.activation(out)


class Conv2D(keras.layers.Conv2D):
  """A convolution.

  Attributes:
    is_left_to_norm: whether a batch norm computes it; then it gives its input.
  """

  is_left_to_norm = False

  def call(self, inputs: 'tf.Tensor') -> 'tf.Tensor':
    return inputs if self.is_left_to_norm else _Convolution(self).all(inputs)


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
  """A depthwise convolution.

  Attributes:
    is_left_to_norm: whether a batch norm computes it; then it gives its input.
  """

  is_left_to_norm = False

  def call(self, inputs: 'tf.Tensor') -> 'tf.Tensor':
    return inputs if self.is_left_to_norm else _Convolution(self).all(inputs)


class BatchNormalization(keras.layers.BatchNormalization):
  """Batch norm of `[B, H, W, C]`, C being normalised, of a convolution or not.

  Attributes:
    convolution: what is left to it, or None.
    on_cpu: whether it computes on CPUs. On a GPU TensorFlow has no
      deterministic gradient of the fused operation with running statistics,
      so that there Keras' own is used for those.
  """

  convolution: _Convolution | None = None
  on_cpu = True

  def build(self, input_shape: tuple[int | None, ...]) -> None:
    super().build(input_shape)
    if self.convolution:  # What it is given has other channels.
      self.input_spec = None

  def call(
    self,
    inputs: 'tf.Tensor',
    training: bool | None = None,
    mask: 'tf.Tensor | None' = None,
  ) -> 'tf.Tensor':
    of_batch = bool(training and self.trainable)
    if not (of_batch or self.on_cpu):
      return super().call(inputs, training, mask)
    if self.convolution is None:
      return self._fused(inputs, of_batch)
    if inputs.dtype != 'float32':  # Rounding a scaled kernel loses too much.
      return self._fused(self.convolution(inputs), of_batch)
    if not of_batch:
      return self._in_kernel(inputs, self.convolution)
    width, filters = inputs.shape[-1], self.gamma.shape[0]
    if self.convolution.is_pointwise and filters >= _EXPANSION * width:
      return self._by_covariance(inputs, self.convolution)
    return self._fused(self.convolution(inputs), of_batch)

  def _fused(self, x: 'tf.Tensor', of_batch: bool) -> 'tf.Tensor':
    import tensorflow as tf

    out, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
      x=x,
      scale=tf.convert_to_tensor(self.gamma.value),
      offset=tf.convert_to_tensor(self.beta.value),
      mean=[] if of_batch else tf.convert_to_tensor(self.moving_mean.value),
      variance=[]
      if of_batch
      else tf.convert_to_tensor(self.moving_variance.value),
      epsilon=self.epsilon,
      is_training=of_batch,
    )
    if of_batch:
      # Keras keeps the variance over n values, the operation gives n - 1.
      n = tf.cast(tf.size(x) // tf.size(mean), tf.float32)
      self._keep(mean, variance * ((n - 1) / n))
    return out

  def _in_kernel(
    self, x: 'tf.Tensor', convolution: _Convolution
  ) -> 'tf.Tensor':
    import tensorflow as tf

    factor = self.gamma.value * tf.math.rsqrt(
      self.moving_variance.value + self.epsilon
    )
    offset = self.beta.value - self.moving_mean.value * factor
    out = convolution(x, factor)
    return tf.nn.bias_add(out, tf.cast(offset, out.dtype))

  def _by_covariance(
    self, x: 'tf.Tensor', convolution: _Convolution
  ) -> 'tf.Tensor':
    import tensorflow as tf

    flat = tf.reshape(x, [-1, x.shape[-1]])
    out, mean, variance = _normalised_product(
      flat,
      convolution.kernel,
      tf.convert_to_tensor(self.gamma.value),
      tf.convert_to_tensor(self.beta.value),
      self.epsilon,
    )
    self._keep(mean, variance)
    return tf.reshape(out, [-1, *x.shape[1:-1], out.shape[-1]])

  def _keep(self, mean: 'tf.Tensor', variance: 'tf.Tensor') -> None:
    """Moves the running statistics towards those of a batch, `[C]`."""
    for moving, found in (
      (self.moving_mean, mean),
      (self.moving_variance, variance),
    ):
      moving.assign_sub((moving - found) * (1 - self.momentum))


def _normalised_product(
  x: 'tf.Tensor',
  kernel: 'tf.Tensor',
  gamma: 'tf.Tensor',
  beta: 'tf.Tensor',
  epsilon: float,
) -> tuple['tf.Tensor', 'tf.Tensor', 'tf.Tensor']:
  """Batch norm of `x W`, which is not computed.

  Args:
    x: float32 `[n, C]`.
    kernel: W, `[C, m]`.
    gamma, beta: scale and offset, `[m]`.
    epsilon: added to variances.

  Returns:
    The batch norm `[n, m]`; mean and variance of `x W`, `[m]`, which are not
    differentiated.
  """
  import tensorflow as tf

  n = tf.shape(x)[0]
  # A product with a row is the fastest sum over many rows.
  averaging = tf.fill([1, n], 1 / tf.cast(n, tf.float32))
  mean = tf.matmul(averaging, x)
  centred = x - mean
  covariance = tf.matmul(centred, centred, transpose_a=True) / tf.cast(
    n, tf.float32
  )
  spread = tf.matmul(covariance, kernel)
  variance = tf.reduce_sum(kernel * spread, axis=0)

  @tf.custom_gradient
  def of(
    x: 'tf.Tensor',
    kernel: 'tf.Tensor',
    gamma: 'tf.Tensor',
    beta: 'tf.Tensor',
  ) -> tuple['tf.Tensor', Callable[..., Any]]:
    inverse = tf.math.rsqrt(variance + epsilon)
    factor = gamma * inverse
    scaled = kernel * factor
    del x

    def gradient(d: 'tf.Tensor') -> tuple['tf.Tensor', ...]:
      d_mean = tf.matmul(averaging, d)
      d_scaled = tf.matmul(centred, d, transpose_a=True)
      d_factor = tf.reduce_sum(d_scaled * kernel, axis=0)
      d_variance = -d_factor * factor * tf.square(inverse) / 2
      # Of the covariance, doubled as it is the product of x with itself.
      d_product = (
        2
        / tf.cast(n, tf.float32)
        * tf.matmul(kernel * d_variance, kernel, transpose_b=True)
      )
      d_x = tf.matmul(d, scaled, transpose_b=True) + tf.nn.bias_add(
        tf.matmul(centred, d_product),
        -tf.matmul(d_mean, scaled, transpose_b=True)[0],
      )
      return (
        d_x,
        d_scaled * factor + 2 * spread * d_variance,
        d_factor * inverse,
        d_mean[0] * tf.cast(n, tf.float32),
      )

    return tf.nn.bias_add(tf.matmul(centred, scaled), beta), gradient

  return of(x, kernel, gamma, beta), tf.matmul(mean, kernel)[0], variance


def _product(x: 'tf.Tensor', kernel: 'tf.Tensor') -> 'tf.Tensor':
  """`[..., C]` times a matrix `[C, m]`."""
  import tensorflow as tf

  out = tf.matmul(tf.reshape(x, [-1, kernel.shape[0]]), kernel)
  return tf.reshape(out, [-1, *x.shape[1:-1], kernel.shape[1]])


def _depthwise(
  x: 'tf.Tensor', kernel: 'tf.Tensor', stride: int, padding: str
) -> 'tf.Tensor':
  """A depthwise convolution.

  Args:
    x: `[B, H, W, C]`.
    kernel: `[kh, kw, C, m]`.
    stride: of both sides.
    padding: 'SAME' or 'VALID'.
  """
  import tensorflow as tf

  how: Mapping[str, Any] = {
    'strides': [1, stride, stride, 1],
    'padding': padding,
  }
  *size, _, multiplier = kernel.shape
  if (
    padding != 'SAME'
    or multiplier != 1
    or max(size) <= _SIDE
    or x.shape[1] * x.shape[2] > _POSITIONS
  ):
    return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, **how)

  @tf.custom_gradient
  def of(
    x: 'tf.Tensor', kernel: 'tf.Tensor'
  ) -> tuple['tf.Tensor', Callable[..., Any]]:
    def gradient(d: 'tf.Tensor') -> tuple['tf.Tensor', 'tf.Tensor']:
      return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(x), filter=kernel, out_backprop=d, **how
      ), _kernel_gradient(x, d, tuple(size), stride)

    return tf.raw_ops.DepthwiseConv2dNative(
      input=x, filter=kernel, **how
    ), gradient

  return of(x, kernel)


def _kernel_gradient(
  x: 'tf.Tensor', d: 'tf.Tensor', size: tuple[int, int], stride: int
) -> 'tf.Tensor':
  """The gradient of a depthwise kernel, `[kh, kw, C, 1]`.

  Each entry of the kernel meets the pairs of an input and an output position
  that lie so far from one another. So, for each channel, the sums over images
  of all pairs are a product of two matrices, and the gradient is a second one,
  with a constant that says which pair belongs to which entry.

  Args:
    x: the input, `[B, H, W, C]`.
    d: gradient of the output, `[B, h, w, C]`.
    size: of the kernel.
    stride: of both sides.
  """
  import tensorflow as tf

  _, *sides, channels = x.shape
  places = d.shape[1:3]
  x = tf.transpose(tf.reshape(x, [-1, np.prod(sides), channels]), [2, 1, 0])
  d = tf.transpose(tf.reshape(d, [-1, np.prod(places), channels]), [2, 0, 1])
  pairs = tf.reshape(tf.matmul(x, d), [channels, -1])
  found = tf.matmul(
    tf.constant(_entries(*sides, *places, *size, stride), pairs.dtype),
    pairs,
    transpose_a=True,
    transpose_b=True,
  )
  return tf.reshape(found, [*size, channels, 1])


@functools.cache
def _entries(
  height: int, width: int, h: int, w: int, kh: int, kw: int, stride: int
) -> np.ndarray:
  """Which pair of positions meets in which entry of a kernel.

  Args:
    height, width: of the input.
    h, w: of the output, padded to the same size.
    kh, kw: of the kernel.
    stride: of both sides.

  Returns:
    0 or 1, `[height * width * h * w, kh * kw]`.
  """

  def along(inputs: int, outputs: int, kernel: int) -> np.ndarray:
    padding = max((outputs - 1) * stride + kernel - inputs, 0) // 2
    i, o, k = np.ogrid[:inputs, :outputs, :kernel]
    return (i == o * stride + k - padding).astype(np.float32)

  found = np.einsum(
    'ioa,jpb->ijopab', along(height, h, kh), along(width, w, kw)
  )
  return found.reshape(height * width * h * w, kh * kw)
