"""Stand-ins for released SavedModels: variables under a release's names."""

import numpy as np
import tensorflow as tf


def save(folder, variables, forward, size, signature, named=True):
  """Writes a SavedModel whose signature returns a dict of endpoints.

  Args:
    folder: where to.
    variables: arrays by their names.
    forward: given the same with TensorFlow's variables, and images, gives the
      endpoints.
    size: of the images.
    signature: its name.
    named: whether the variables keep their names, or only their order.
  """

  class Module(tf.Module):
    def __init__(self):
      super().__init__()
      self.kept = [
        tf.Variable(value, name=name if named else None)
        for name, value in variables.items()
      ]

    @tf.function(
      input_signature=[
        tf.TensorSpec((None, size, size, 3), tf.float32, 'images')
      ]
    )
    def call(self, images):
      return forward(dict(zip(variables, self.kept)), images)

  module = Module()
  tf.saved_model.save(module, str(folder), {signature: module.call})
  return folder


def renamed(model, plan, shapes=lambda name, shape: shape):
  """A model's weights under other names, and its forward pass with them.

  Args:
    model: ours.
    plan: the path of a weight to its name.
    shapes: given a name and the weight's shape, the shape that it has there.

  Returns:
    The first two arguments of `save`'s after the folder; the endpoints are the
    model's taps.
  """
  names = [plan[w.path] for w in model.weights]
  variables = {
    name: np.reshape(w.numpy(), shapes(name, tuple(w.shape)))
    for name, w in zip(names, model.weights)
  }

  def forward(v, images):
    values = [
      tf.reshape(v[plan[w.path]], w.shape)
      for w in model.non_trainable_variables
    ]
    return model.stateless_call([], values, images, training=False)[0]

  return variables, forward
