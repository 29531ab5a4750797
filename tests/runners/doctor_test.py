"""The command, as a user runs it."""

import functools
import shlex

import numpy as np
from safetensors import numpy as safetensors_numpy

from tests import synthetic_tfds
from tests import testing
from tests.backbones import vit_like
from tests.runners import tiny
from vtab_h2t import devices
from vtab_h2t import machine
from vtab_h2t.backbones import registry
from vtab_h2t.features import extraction
from vtab_h2t.features import store

_run = functools.partial(testing.run_runner, 'doctor')


def test_tfds(tmp_path):
  synthetic_tfds.prepare('dtd', tmp_path)
  done = _run('--tasks=dtd,svhn,resisc45', f'--data_dir={tmp_path}')
  assert done.returncode == 1
  lines = done.stdout.splitlines()
  assert [l.split()[:2] for l in lines[:-2]] == [
    ['dtd', 'prepared'],
    ['svhn', 'downloadable'],
    ['resisc45', 'manual'],
  ]
  assert f'{tmp_path}/downloads/manual/NWPU-RESISC45' in lines[2]
  done = _run('--tasks=dtd', f'--data_dir={tmp_path}')
  assert done.returncode == 0 and not done.stderr


def test_archive(tmp_path):
  testing.write_archive(tmp_path / 'cifar')
  done = _run('--data_source=archive', f'--data_dir={tmp_path}')
  lines = done.stdout.splitlines()
  assert done.returncode == 1 and len(lines) == 19 + 2
  (line,) = [l for l in lines if 'prepared' in l]
  assert line.startswith('cifar100 ')
  assert '; warning: 4 of 17 images are JPEG of quality 75, but' in line


def _all_lines(*arguments):
  """Exit status, and the lines in their three columns."""
  done = _run(*arguments)
  assert not done.stderr
  return done.returncode, [
    line.split(maxsplit=2) for line in done.stdout.splitlines()
  ]


def _lines(*arguments):
  """The same without the last two, of devices and disk."""
  status, lines = _all_lines(*arguments)
  assert [line[0] for line in lines[-2:]] == ['devices', 'disk']
  return status, lines[:-2]


def test_devices_and_disk(tmp_path):
  synthetic_tfds.prepare('dtd', tmp_path / 'data')
  arguments = (
    f'--plugins={tiny.PLUGIN}',
    '--backbone=tiny',
    '--weights=noise',
    '--tasks=dtd',
    f'--data_dir={tmp_path}/data',
  )
  status, (*_, cpu, disk) = _all_lines(*arguments, f'--workdir={tmp_path}/w')
  assert status == 0
  assert cpu[:2] == ['devices', 'CPU']
  assert cpu[2] == (
    f'CPU {devices.cpu().description}; no GPU: {machine.why_no_gpu()}'
  )
  backbone = testing.normed_backbone()
  needed = store.size(backbone, (30,), 1000)
  assert disk[:2] == ['disk', 'enough']
  assert disk[2].endswith(
    f' are free for {tmp_path}/w, and features take up to {needed} bytes'
  )
  status, (*_, disk) = _all_lines(*arguments, '--grid=paper')
  needed = store.size(backbone, (30, 120), 1000)
  assert disk[2].endswith(f' {machine._size(needed)}')
  assert _all_lines(*arguments, '--require_gpu')[0] == 1
  (tmp_path / 'file').touch()
  status, (*_, disk) = _all_lines(*arguments, f'--workdir={tmp_path}/file')
  assert status == 1 and disk[1] == 'unusable'


def test_weights():
  status, ((name, found, advice),) = _lines('--backbone=efficientnet_lite0')
  assert (status, name, found) == (0, 'efficientnet_lite0', 'trainable')
  assert advice.startswith('imagenet: features can be read, and all methods')
  status, (line,) = _lines(
    f'--plugins={tiny.PLUGIN}', '--backbone=tiny', '--weights=signature'
  )
  assert status == 0 and line[:2] == ['tiny', 'frozen']
  assert line[2].startswith('only') and 'Table 6' in line[2]
  status, (line,) = _lines('--backbone=resnet50', '--weights=none.h5')
  assert status == 1 and line[:2] == ['resnet50', 'broken']
  assert "there are no weights 'none.h5'" in line[2]
  done = _run('--backbone=nope')
  assert done.returncode == 1
  assert done.stderr.startswith("error: unknown backbone 'nope'; choose from ")


def _weights(path, **changes):
  """Writes a tiny ViT without a backbone's name; returns the flag."""
  safetensors_numpy.save_file(vit_like.timm() | changes, path)
  return f'--weights={path}'


def _told(*arguments):
  """Exit status, and lines by their subjects."""
  done = _run(*arguments)
  assert not done.stderr
  lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
  return done.returncode, dict(lines)


def test_what_a_file_is(tmp_path):
  flag = _weights(tmp_path / 'w.safetensors')
  status, told = _told(flag)
  assert status == 0
  assert list(told) == [
    'file',
    'sha256',
    'fits',
    'network',
    'images',
    'input',
    'head',
    'taps',
    'training',
    'use',
  ]
  assert told['fits'].startswith('vit: 32 of 32 tensors, named as by timm')
  backbone = registry.load('vit', str(tmp_path / 'w.safetensors'), 12)
  size = extraction.layout_of(backbone, 768).size
  assert told['taps'].startswith(
    f'{len(backbone.taps)}, of which the embedding '
  )
  assert told['taps'].endswith(f'features in all: {size:,} at target size 768')
  assert told['training'].startswith('yes, by all methods; faster ')
  # The command that it gives is one that is taken.
  *_, name, weights, image_size = shlex.split(told['use'])
  assert (name, weights) == ('--backbone=vit', flag)
  assert image_size == '--image_size=12'
  status, told = _told(flag, '--image_size=32')
  assert told['images'].startswith('32 pixels a side; trained with 12')
  _, told = _told(flag, f'--plugins={tiny.PLUGIN}')
  assert told['use'].endswith(f' --image_size=12 --plugins={tiny.PLUGIN}')
  done = _run(flag, '--require_gpu')
  assert done.returncode == 1 and 'use  ' in done.stdout
  assert done.stderr.startswith('error: --require_gpu: no GPU')


def test_photographs_by_the_files_own_head(tmp_path):
  flag = _weights(tmp_path / 'w.safetensors')
  photos = testing.write_photographs(tmp_path / 'photos', count=2)
  done = _run(flag, f'--photos={photos}')
  assert done.returncode == 0 and not done.stderr
  lines = done.stdout.splitlines()[-4:]
  assert [line.partition(': ')[0] for line in lines] == [
    f'{photos}/{name}'
    for name in ('cold/0.png', 'cold/1.jpg', 'warm/0.png', 'warm/1.jpg')
  ]
  for line in lines:
    guesses = line.partition(': ')[2].split(', ')
    shares = [float(g.split()[1].rstrip('%')) for g in guesses]
    assert len(guesses) == 3 and shares == sorted(shares, reverse=True)
    assert {int(g.split()[0]) for g in guesses} <= set(range(5))
  for arguments, message in (
    ((), '--photos needs --weights, or --backbone'),
    (
      ('--backbone=tiny', f'--plugins={tiny.PLUGIN}', '--weights=noise'),
      'have no head',
    ),
  ):
    done = _run(f'--photos={photos}', *arguments)
    assert done.returncode == 1 and message in done.stderr


def test_files_that_are_not_read(tmp_path):
  flag = _weights(tmp_path / 'w.safetensors', extra=np.ones(3, np.float32))
  status, told = _told(flag)
  assert status == 1 and 'use' not in told
  assert 'nearest is vit, named as by timm: 32 of 32' in told['fits']
  assert told['differs'] == 'has besides extra'
  (tmp_path / 'w.safetensors').write_text('<html>')
  done = _run(flag)
  assert done.returncode == 1 and not done.stdout
  assert len(done.stderr.splitlines()) == 1
  assert done.stderr.startswith(f'error: weights file {tmp_path}')
  # Tasks are looked at as well, where they are asked for.
  status, told = _told(
    _weights(tmp_path / 'v.safetensors'),
    '--tasks=dtd',
    f'--data_dir={tmp_path}',
  )
  assert status == 1
  assert told['dtd'].startswith('downloadable') and 'disk' in told


def test_weights_beside_tasks(tmp_path):
  testing.write_archive(tmp_path / 'cifar')
  status, lines = _lines(
    '--data_source=archive',
    f'--data_dir={tmp_path}',
    '--tasks=cifar100,dtd',
    '--backbone=efficientnet_lite0',
    '--weights=random',
  )
  assert status == 1
  assert [line[:2] for line in lines] == [
    ['cifar100', 'prepared'],
    ['dtd', 'manual'],
    ['efficientnet_lite0', 'trainable'],
  ]


def test_bad_flags_are_one_line(tmp_path):
  for flag, message in (
    (f'--data_dir={tmp_path}/none', 'is no directory'),
    ('--tasks=nope', "unknown task 'nope'"),
  ):
    done = _run('--data_source=archive', f'--data_dir={tmp_path}', flag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr
