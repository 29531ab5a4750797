import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest

from vtab_h2t.backbones import tensor_errors


def _npy():
  out = io.BytesIO()
  np.save(out, np.zeros(3))
  return out.getvalue()


def _tar():
  out = io.BytesIO()
  with tarfile.open(fileobj=out, mode='w') as f:
    f.addfile(tarfile.TarInfo('x'))
  return out.getvalue()


@pytest.mark.parametrize(
  'content, why, remedy',
  [
    (b'', 'it is empty', 'fetch it again'),
    (
      b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n',
      'pointer of git-lfs',
      'git lfs pull',
    ),
    (b'\n<!DOCTYPE html><html>', 'a web page', 'fetch the file itself'),
    (b'<?xml version="1.0"?><Error>', 'a web page', 'fetch the file itself'),
    (b'Not Found\n', 'it is text, "Not Found"', 'fetch it again'),
    ('Zugriff verwe\u00adigert'.encode(), 'it is text', 'fetch it again'),
    (gzip.compress(b'x', mtime=0), 'it is compressed', 'unpack it'),
    (_tar(), 'it is a tar archive', 'unpack it'),
    (pickle.dumps({'a': 1}), 'may run code', 'as npz or safetensors'),
    (_npy(), 'a single array without a name', 'as npz or safetensors'),
    (b'\x08\x01\x12\0\xff', 'neither safetensors, npz,', 'as safetensors'),
    (b'\0' * 600, 'neither safetensors, npz,', 'as safetensors'),
  ],
)
def test_what_people_name_in_place_of_weights_is_told(content, why, remedy):
  said = tensor_errors.foreign(content[:512])
  assert why in said[0] and remedy in said[1]
  line = str(tensor_errors.cannot_be_read('F', *said))
  assert line.startswith('weights file F cannot be read: it is ')
  assert line.isprintable()


def test_a_text_cut_within_a_letter_is_text():
  assert 'it is text' in tensor_errors.foreign(b'x\xc3')[0]


def test_a_type_that_is_not_read_names_the_tensor():
  line = str(tensor_errors.unknown_type('F', 'a\nb', 'F8_E4M3'))
  assert line == (
    'weights file F cannot be read: a b is stored as F8_E4M3; convert it to '
    'float32'
  )
