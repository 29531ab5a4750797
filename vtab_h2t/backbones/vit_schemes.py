"""Which scheme of names a file's tensors have, and what is no part of it."""

from collections.abc import Iterable
import re

from vtab_h2t import errors
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.backbones import vit_names

# What other ViTs have, which is not computed here, and who has it.
_FOREIGN = (
  (
    r'dist_token|head_dist\..*|embeddings\.distillation_token|'
    r'(cls|distillation)_classifier\..*',
    'a second class token, as distilled DeiTs',
  ),
  (
    r'.*\.mlp\.(w12|w1|w2|w3|fc1_g|fc1_x|weights_in)\..*',
    "SwiGLU, as DINOv2's ViT-g",
  ),
  (r'attn_pool\..*|head\.probe', 'pooling by attention, as SigLIP'),
  (r'.*\.[qk]_norm\..*', 'norms of queries and keys, as ViT-22B'),
  (r'.*rope_embed.*|.*rotary.*', 'rotary positions, as DINOv3 and EVA-02'),
  (r'.*relative_position.*', 'relative positions, as BEiT'),
  (
    r'.*\.(gamma_[12]|q_bias|v_bias)',
    'other names of a block, as BEiT and EVA',
  ),
)


def find(
  names: Iterable[str], file: str
) -> tuple[vit_names.Scheme, dict[str, str]]:
  """The scheme that a file's tensors are named by.

  Args:
    names: all of its tensors' names.
    file: where they are from, for messages.

  Returns:
    The scheme; and the file's names by the scheme's, without what features do
    not depend on, and with those that the scheme does not know as they are.

  Raises:
    errors.InputError: they are of no scheme, of several networks, or of a ViT
      of another kind.
  """
  names = list(names)
  for scheme in vit_names.SCHEMES:
    inside = tensors_lib.without_prefix(names, [scheme.anchor], file)
    if not inside or not all(mark in inside for mark in scheme.marks):
      continue
    # Hugging Face has the classifier beside the network, not within it.
    within = set(inside.values())
    prefix = inside[scheme.anchor].removesuffix(scheme.anchor)
    beside = [
      (_unwrapped(name, prefix), name) for name in names if name not in within
    ]
    found: dict[str, str] = {}
    for name, stored, ignored in (
      *((n, full, scheme.ignored) for n, full in inside.items()),
      *((n, full, scheme.beside) for n, full in beside),
    ):
      if ignored and re.fullmatch(ignored, name):
        continue
      if scheme.inner:
        name = re.sub(rf'^{scheme.inner}', r'\1.\2.', name)
      if name in found:
        raise errors.InputError(
          f'{file} has {name} twice, within a network and beside it; save the '
          'network alone'
        )
      found[name] = stored
    _check_kind(found, file)
    return scheme, found
  anchors = ', '.join(dict.fromkeys(s.anchor for s in vit_names.SCHEMES))
  raise errors.InputError(
    f'{file} is no ViT with names of '
    + ', '.join(scheme.name for scheme in vit_names.SCHEMES)
    + f': it has none of {anchors} beside what goes with them'
  )


def _unwrapped(name: str, prefix: str) -> str:
  """A name beside a network, without what is around both.

  Of 'model.vit.' and 'model.classifier.bias', that is 'model.'.
  """
  for part in re.findall(r'[^./]*[./]', prefix):
    if not name.startswith(part):
      break
    name = name.removeprefix(part)
  return name


def _check_kind(names: Iterable[str], file: str) -> None:
  """Raises InputError if a tensor is of a kind of ViT that is not read."""
  for name in names:
    for pattern, what in _FOREIGN:
      if re.fullmatch(pattern, name):
        raise errors.InputError(
          f'{file} has {name}: {what} have it, which are not read'
        )
