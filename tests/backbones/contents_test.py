"""What is said of a file of weights."""

import dataclasses

import pytest

from tests import testing
from vtab_h2t.backbones import contents
from vtab_h2t.backbones import fitting

_FILE = contents.Contents(
  location='a folder/w.npz',
  format='npz of float32',
  shapes={'a': (2, 3), 'b': (4,)},
  nbytes=2**21,
  sha256='5a',
  fits=(),
  backbone=None,
)


def test_a_file_of_nothing_is_described():
  said = dict(_FILE.described())
  assert said['file'] == 'npz of float32, 2.0 MiB: 2 tensors of 10 numbers'
  assert said['sha256'] == '5a'
  assert said['fits'].startswith(
    'no network that is read, and none is near (its tensors are a, b); '
  )
  with pytest.raises(ValueError, match='a folder/w.npz is of no network'):
    _ = _FILE.command


def test_the_nearest_and_its_faults_are_told():
  fit = fitting.compare(
    {'a': (2, 3), 'c': (1,)},
    {'a': (2, 3), 'b': (4,)},
    fitting.Fit(backbone='vit', scheme='timm', prefix='module.'),
  )
  said = list(dataclasses.replace(_FILE, fits=(fit,)).described())
  assert ('prefix', "'module.', which is before its names") in said
  assert ('differs', 'lacks c') in said
  assert ('differs', 'has besides b') in said
  assert (
    'nearest is vit, named as by timm: 1 of 2 tensors fit' in dict(said)['fits']
  )


def test_names_in_common_by_chance_make_no_network_near():
  wanted = {f'blocks.{i}.weight': (2, 3) for i in range(36)}
  about = fitting.Fit(backbone='vit', scheme='timm', fault='has no blocks')
  for common, is_near in ((1, False), (2, True)):
    found = dict(list(wanted.items())[:common]) | {'b': (4,)}
    fit = fitting.compare(wanted, found, about)
    said = dict(dataclasses.replace(_FILE, fits=(fit,)).described())
    assert ('nearest is vit' in said['fits']) == is_near
    assert ('differs' in said) == is_near
    assert ('none is near' in said['fits']) != is_near


def test_the_command_is_one_that_a_shell_takes():
  backbone = dataclasses.replace(testing.tiny_vit(), name='vit')
  fit = fitting.compare(
    _FILE.shapes, _FILE.shapes, fitting.Fit(backbone='vit', scheme='timm')
  )
  whole = dataclasses.replace(_FILE, fits=(fit,), backbone=backbone)
  said = dict(whole.described())
  assert said['fits'] == 'vit: 2 of 2 tensors, named as by timm'
  assert said['images'].startswith('16 pixels a side')
  assert 'assumed from the names' in said['input']
  assert said['head'] == 'none, or none that these taps have'
  assert 'left over' not in said and 'damaged' not in said
  assert whole.command.startswith('python -m runners.table1 --backbone=vit ')
  assert "'--weights=a folder/w.npz'" in whole.command


def test_what_is_left_over_and_damaged_is_told():
  fit = fitting.compare(
    _FILE.shapes,
    _FILE.shapes,
    fitting.Fit(backbone='vit', scheme='timm', aside=('mask_token',)),
  )
  said = list(
    dataclasses.replace(
      _FILE,
      fits=(fit,),
      backbone=dataclasses.replace(testing.tiny_vit(), name='vit'),
      beside=('epoch', 'optimizer', 'scaler', 'args', 'loss'),
      not_finite=('mask_token', 'b'),
    ).described()
  )
  assert [text for subject, text in said if subject == 'left over'] == [
    'mask_token, which features do not depend on',
    'epoch, optimizer, scaler and 2 more, beside the state dict',
  ]
  # What is left over does no harm.
  assert ('damaged', 'b: values that are NaN or infinite') in said
