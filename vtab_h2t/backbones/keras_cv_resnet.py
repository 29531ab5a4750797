"""KerasCV's ResNet-50 v2 as a backbone; KerasCV is imported when it is built.

A stage's stride is in the last unit of the stage itself, one stage later than
keras.applications has it. There are no logits, so 51 taps; inputs are
`pixel / 255`.
"""

from typing import TYPE_CHECKING

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing

if TYPE_CHECKING:
  import keras

_UNITS = (3, 4, 6, 3)
_LAYERS = ('use_preactivation_relu', '1_relu', '2_relu')


def _tap_layers() -> dict[str, str]:
  """Tap name to KerasCV's layer, by depth; names as in `resnet_v2`."""
  layers = {'root': 'pool1_pool'}
  for stage, units in enumerate(_UNITS):
    for unit in range(1, units + 1):
      for part, suffix in enumerate(_LAYERS):
        layers[f'block{stage + 1}_unit{unit}_layer{part}'] = (
          f'v2_stack_{stage}_block{unit}_{suffix}'
        )
  return layers | {'pre_pool': 'post_relu'}


def build(image_size: int) -> 'keras.Model':
  """KerasCV's own network, randomly initialised.

  Args:
    image_size: side of the input in pixels.

  Raises:
    errors.InputError: KerasCV is not installed.
  """
  try:
    import keras_cv
  except ImportError as e:
    raise errors.InputError(
      f'KerasCV cannot be imported ({e}); pip install keras-cv==0.9.0'
    ) from e
  return keras_cv.models.ResNetV2Backbone(
    stackwise_filters=[64, 128, 256, 512],
    stackwise_blocks=list(_UNITS),
    stackwise_strides=[1, 2, 2, 2],
    include_rescaling=False,
    input_shape=(image_size, image_size, 3),
  )


def keras_cv_resnet50(
  weights: str, image_size: int, tap_set: str
) -> backbone_lib.Backbone:
  """KerasCV's ResNet-50 v2.

  Args:
    weights: 'random', or a file that its `save_weights` wrote.
    image_size: side of the input in pixels.
    tap_set: 'all'.

  Raises:
    errors.InputError: KerasCV is not installed, or the weights do not fit.
  """
  import keras

  network = build(image_size)
  if weights == 'random':
    sha256 = backbone_lib.randomise(network, 0)
  else:
    try:
      network.load_weights(weights)
    except (OSError, ValueError, KeyError) as e:
      raise errors.InputError(
        f"weights file {weights} does not fit ({e}); save it with KerasCV's "
        'ResNetV2Backbone.save_weights'
      ) from e
    sha256 = files.sha256_file(weights)
  taps = {
    tap: network.get_layer(layer).output for tap, layer in _tap_layers().items()
  }
  taps['pre_logits'] = keras.layers.GlobalAveragePooling2D(name='avg_pool')(
    taps['pre_pool']
  )
  model = keras.Model(network.inputs, taps, name='keras_cv_resnet50')
  model.trainable = False
  return backbone_lib.Backbone(
    name='keras_cv_resnet50',
    model=model,
    taps=tuple(taps),
    embedding='pre_logits',
    image_size=image_size,
    input=preprocessing.UNIT,
    weights_sha256=sha256,
    tap_set=tap_set,
  )
