"""Which of the networks a file's tensors may be of, nearest first.

Each family is asked by names and shapes. Those that need a graph of Keras' for
it are asked only of a file in which there are some of their names.
"""

from collections.abc import Iterable, Iterator
import functools

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import resnet_fitting
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import vit_fitting

_SIZE = 32  # Pixels; weights of convolutions are the same for any.
_EFFICIENTNETS_ANCHOR = '_conv_stem.weight'
_PACKAGED = (
  'its weights are those of a package and files of others are not taken: '
  '--backbone={} --weights=imagenet'
)


def of_tensors(
  shapes: fitting.Shapes, file: str, tap_set: str = backbone_lib.ALL_TAPS
) -> list[fitting.Fit]:
  """Networks whose readers may take a file's tensors, nearest first.

  Args:
    shapes: of all tensors, by the names that the file has.
    file: where they are from, for messages.
    tap_set: the taps that are wanted.

  Returns:
    Those with which the file has tensors in common; of equally near ones those
    that take more kinds of files come first.
  """
  families = (
    functools.partial(vit_fitting.fits, tap_set=tap_set),
    resnet_fitting.fits_v1,
    resnet_fitting.fits_v2,
    _efficientnets,
    resnet_fitting.fits_keras_cv,
  )
  return _nearest(fit for family in families for fit in family(shapes, file))


def of_variables(
  variables: saved_variables.Variables, file: str
) -> list[fitting.Fit]:
  """Networks whose variables a SavedModel may have, nearest first.

  Args:
    variables: the model's.
    file: where they are from, for messages.
  """
  return _nearest(
    [
      *resnet_fitting.saved_fits_v2(variables),
      *vit_fitting.saved_fits(variables, file),
    ]
  )


def _nearest(fits: Iterable[fitting.Fit]) -> list[fitting.Fit]:
  found = [fit for fit in fits if fit.share > 0]
  return sorted(found, key=lambda fit: (fit.is_whole, fit.share), reverse=True)


def _efficientnets(shapes: fitting.Shapes, file: str) -> Iterator[fitting.Fit]:
  del file
  prefix = fitting.prefix_of(shapes, _EFFICIENTNETS_ANCHOR)
  if not any(name.startswith(f'{prefix}_blocks.') for name in shapes):
    return
  found = fitting.without_prefix(shapes, prefix)
  for variant in (
    efficientnet_lite.LITE0,
    efficientnet_lite.LITE1,
    efficientnet_lite.LITE2,
  ):
    model, _ = efficientnet_lite.build(_SIZE, variant)
    weights = {w.path: tuple(w.shape) for w in model.weights}
    wanted = fitting.shapes_of_plan(
      weights, efficientnet_lite.plan(model), found
    )
    yield fitting.compare(
      wanted,
      found,
      fitting.Fit(
        backbone=variant.name,
        scheme='EfficientNet-PyTorch',
        prefix=prefix,
        fault=_PACKAGED.format(variant.name),
      ),
    )
