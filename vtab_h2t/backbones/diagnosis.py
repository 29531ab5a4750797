"""What a network's weights allow, without a run."""

from vtab_h2t import errors
from vtab_h2t.backbones import registry

TRAINABLE, FROZEN, BROKEN = 'trainable', 'frozen only', 'broken'


def diagnose(
  name: str, weights: str | None, image_size: int, tap_set: str
) -> tuple[str, str]:
  """Whether weights can be read, and trained.

  Args:
    name: of the backbone.
    weights: their name or path; None for the backbone's default.
    image_size: side of the input in pixels, for backbones that take any.
    tap_set: a set of taps that the weights have.

  Returns:
    `TRAINABLE`, `FROZEN` or `BROKEN`; what that means, or what is wrong.

  Raises:
    errors.InputError: an unknown backbone.
  """
  registry.check_name(name)
  try:
    weights = registry.weights_of(name, weights)
    backbone = registry.load(name, weights, image_size, tap_set)
  except errors.InputError as e:
    return BROKEN, str(e)
  if backbone.is_trainable:
    return TRAINABLE, (
      f'{weights}: features can be read, and all methods can train it'
    )
  return FROZEN, (
    f'{weights}: features can be read, but methods that train the network, '
    "and Table 6, need more than a SavedModel's signature"
    + (f'; {backbone.misfit}' if backbone.misfit else '')
  )
