"""What is said of a weights file that is not read: one line with a remedy."""

import codecs
import os

from vtab_h2t import errors
from vtab_h2t.backbones import importing


def cannot_be_read(
  path: str | os.PathLike[str], why: str, remedy: str
) -> errors.InputError:
  """The one line about a weights file that is not read."""
  return errors.InputError(
    f'weights file {path} cannot be read: {why}; {remedy}'
  )


def unknown_type(
  path: str | os.PathLike[str], name: str, dtype: str
) -> errors.InputError:
  """The one line about a tensor of a type that is not read."""
  return cannot_be_read(
    path,
    f'{importing.one_line(name)} is stored as {importing.one_line(dtype)}',
    'convert it to float32',
  )


# What people name instead of a weights file, and what to do then.
_FOREIGN: list[tuple[tuple[bytes, ...], str, str]] = [
  (
    (b'version https://git-lfs',),
    'it is a pointer of git-lfs in place of the file',
    'run `git lfs pull`',
  ),
  (
    (b'<',),
    'it is a web page or an answer of a server',
    'fetch the file itself',
  ),
  (
    (b'\x1f\x8b', b'BZh', b'\xfd7zXZ', b'\x28\xb5\x2f\xfd'),
    'it is compressed',
    'unpack it first',
  ),
  (
    (b'\x80',),
    'it is a pickle that torch.save did not write, which may run code',
    'save the tensors as npz or safetensors',
  ),
  (
    (b'\x93NUMPY',),
    'it is a single array without a name',
    'save the tensors as npz or safetensors',
  ),
]


def foreign(head: bytes) -> tuple[str, str]:
  """Why a file that begins so is not read, and the remedy."""
  if not head:
    return 'it is empty', 'fetch it again'
  if head[257:262] == b'ustar':
    return 'it is a tar archive', 'unpack it first'
  for beginnings, why, remedy in _FOREIGN:
    if head.lstrip().startswith(beginnings):
      return why, remedy
  try:
    text = codecs.getincrementaldecoder('utf-8')().decode(head)
  except UnicodeDecodeError:
    text = '\0'
  if '\0' not in text:
    return f'it is text, "{importing.one_line(text)}"', 'fetch it again'
  return (
    'it is neither safetensors, npz, a file of torch.save nor h5',
    'fetch it again, or save the tensors as safetensors',
  )
