"""The command, as a user runs it."""

import contextlib
import csv
import os
import resource
import signal
import subprocess
import time

import pytest

from tests import synthetic_tfds
from tests import testing
from tests.runners import tiny
from vtab_h2t import devices

# A real run of two tasks, short of steps and search.
_FLAGS = [
  '--tasks=digits,mnist_5k',
  '--methods=linear,head2toe',
  '--grid=fixed',
  '--seeds=0,1',
  '--hparams=lr=0.01,steps=30,target_size=256,fraction=0.05,l21=1e-5',
]
_run = testing.run_runner


def _finish(process):
  out, err = process.communicate()
  return process.returncode, out, err


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
  """An undisturbed run of the two tasks: its work directory."""
  workdir = tmp_path_factory.mktemp('reference')
  done = _run('table1', *_FLAGS, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  return workdir


def test_output(tmp_path):
  done = _run(
    'table1',
    *_FLAGS,
    '--tasks=digits',
    '--image_size=48',
    f'--workdir={tmp_path}',
  )
  assert done.returncode == 0, done.stderr
  (folder,) = tiny.folders(tmp_path)
  assert folder.name.startswith('embedded-lite0-48px-fixed-')
  out = ' '.join(done.stdout.split())
  for text in (
    'natural',
    'digits',
    'mean',
    'Linear',
    'Head2Toe',
    'EfficientNet-Lite0 pretrained on ImageNet, embedded suite, 48 pixels',
    f'rows: {folder}/rows',
    f'table1: {folder}/table1.csv',
    f'table1: {folder}/table1.md',
  ):
    assert text in out
  # Where the machine is slow, lines between tell where the work is.
  computes, *_, task = done.stderr.splitlines()
  assert computes == f'computes on CPU {devices.cpu().description}'
  assert task.startswith('digits: ')
  with open(folder / 'table1.csv', encoding='utf-8') as f:
    table = list(csv.DictReader(f))
  assert [(r['method'], r['task']) for r in table] == [
    (m, 'digits') for m in ('linear', 'head2toe')
  ]
  for row in table:
    assert float(row['accuracy_percent']) > 40  # Chance is 10.
  assert len(list(folder.glob('provenance/*.json'))) == 1
  assert len(list(folder.glob('manifests/*.json'))) == 1


_MIXED = ['--methods=linear,head2toe,finetune', '--seeds=0,1']


@pytest.fixture(scope='module')
def small(tmp_path_factory):
  """A run of both tiny tasks: its work directory and what it printed."""
  workdir = tmp_path_factory.mktemp('small')
  return workdir, tiny.run('table1', workdir, *_MIXED).stdout


@pytest.mark.soak
def test_another_process_and_hash_seed_give_the_same_bytes(small, tmp_path):
  status, out, err = _finish(
    testing.start_runner(
      'table1',
      *tiny.FLAGS,
      *_MIXED,
      f'--workdir={tmp_path}',
      env=os.environ | {'PYTHONHASHSEED': '2'},
    )
  )
  assert status == 0, err
  assert testing.results(tmp_path) == testing.results(small[0])
  table = lambda text: text.split('table1:')[0]
  assert table(out) == table(small[1])


def test_finished_work_is_not_done_again(small):
  workdir, out = small
  times = lambda: {
    p: p.stat().st_mtime_ns
    for pattern in (
      '*/rows/*/*',
      '*/provenance/*',
      '*/run.json',
      'features/*/*',
    )
    for p in workdir.glob(pattern)
  }
  before = times()
  assert len(before) > 10
  assert tiny.run('table1', workdir, *_MIXED).stdout == out
  assert before == times()


def _after(seconds):
  def reached(workdir, started):
    del workdir
    return time.monotonic() - started > seconds

  return reached


def _there(pattern, then=0.0):
  """True some seconds after a file of that pattern appeared."""
  first = []

  def reached(workdir, started):
    del started
    if not first and any(workdir.glob(pattern)):
      first.append(time.monotonic())
    return bool(first) and time.monotonic() >= first[0] + then

  return reached


@pytest.mark.soak
def test_killed_anywhere_and_started_again_gives_the_same_bytes(
  reference, tmp_path
):
  """kill -9 while starting, embedding, training, testing, between tasks."""
  start = lambda: testing.start_runner(
    'table1', *_FLAGS, f'--workdir={tmp_path}'
  )
  moments = [
    _after(2.0),
    _there('features/*.part/*.npy'),
    _there('features/*/meta.json'),
    _there('features/*/meta.json', then=7.5),
    _there('*/rows/*/*'),
    _there('*/rows/mnist_5k/*'),
  ]
  killed = 0
  for reached in moments:
    process, started = start(), time.monotonic()
    while process.poll() is None and not reached(tmp_path, started):
      time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
      process.send_signal(signal.SIGKILL)
    _finish(process)
    killed += process.returncode == -signal.SIGKILL
  assert killed >= 5
  status, _, err = _finish(start())
  assert status == 0, err
  assert testing.results(tmp_path) == testing.results(reference)
  assert not list(tmp_path.glob('features/*.part'))


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--tasks=digits,nope'], "unknown task 'nope' in suite embedded; choose"),
    (['--methods=nope'], "unknown method 'nope'; choose from linear"),
    (['--methods=linear,early'], "unknown method 'early'; choose from linear"),
    (['--backbone=nope'], "unknown backbone 'nope'; choose from efficient"),
    (
      ['--weights=nope'],
      "no weights 'nope' for this backbone; choose from imagenet, random",
    ),
    (
      ['--backbone=vit_ti16', '--weights=/none.npz'],
      'choose from random, or the path of a weights file',
    ),
    (
      ['--backbone=resnet50'],
      'error: resnet50: this backbone has no weights by default; name them: '
      'random, or the path of a weights file',
    ),
    (['--taps=released'], "no taps 'released' for this backbone"),
    (
      ['--control=resnet50'],
      'error: --control=resnet50: resnet50: this backbone has no weights by',
    ),
    (['--require_gpu'], 'error: --require_gpu: no GPU: '),
    (
      ['--require_gpu', '--executor=ray'],
      'error: --require_gpu with --executor=ray needs --unit_gpus',
    ),
    (['--suite=nope'], 'should be one of <embedded|vtab|own>'),
    (
      ['--suite=vtab', '--data_source=archive'],
      '--data_source=archive needs a --data_dir',
    ),
    (
      [
        '--suite=vtab',
        '--data_source=archive',
        '--data_dir=/tmp',
        '--download',
      ],
      '--download is for --data_source=tfds',
    ),
    (['--download'], 'the embedded suite takes no --data_dir and no'),
    (['--crop=2'], 'a crop is usual, square, or from 0.01 to 1, not'),
    (['--resize=nope'], 'should be one of <usual|bilinear|legacy|bicubic'),
    (['--cls_pooling=only'], "class token 'only' is for ViTs"),
    (['--data_dir=/tmp'], 'the embedded suite takes no --data_dir'),
    (['--data_source=nope'], 'should be one of <tfds|archive>'),
    (['--grid=nope'], 'should be one of <quick|paper|appendix_a|'),
    (['--score_solver=convex'], "Unknown command line flag 'score_solver'"),
    (['--protocol=nope'], 'should be one of <exact|official>'),
    (['--snr=nope'], 'should be one of <code|paper>'),
    (['--probe_smoothing=2'], 'probe_smoothing'),
    (['--seeds=0,x'], 'distinct whole numbers'),
    (['--seeds=1,1'], 'distinct whole numbers'),
    (['--memory_gib=-1'], 'non-negative'),
    (['--image_size=8'], 'image_size'),
    (
      ['--backbone=resnet50', '--weights=random', '--image_size=96'],
      'this backbone takes images of 240 pixels, not 96',
    ),
    (['--run_name=A/b'], "run 'A/b': a name has lower-case letters"),
    (['--shard_index=2', '--num_shards=2'], 'must be below --num_shards=2'),
    (['--num_shards=2', '--executor=ray'], 'shards are for --executor=local'),
    (['--nope=1'], "Unknown command line flag 'nope'"),
    (['stray'], "unexpected argument 'stray'"),
    (['--grid=fixed'], '--hparams goes with --grid=fixed'),
    (['--hparams=lr=1'], '--hparams goes with --grid=fixed'),
    (['--grid=fixed', '--hparams=lr=0'], "'lr=0' is out of range"),
    (
      ['--grid=fixed', '--hparams=lr=0.1,steps=5', '--methods=head2toe'],
      'no target_size for head2toe; add it',
    ),
    (['--grid=published'], 'Table 2 has no hyper-parameters for backbone'),
  ],
  ids=lambda a: ' '.join(a) if isinstance(a, list) else '',
)
def test_bad_flags_are_refused_at_once(arguments, message, tmp_path):
  done = _run('table1', *arguments, f'--workdir={tmp_path}/w')
  assert done.returncode == 1
  assert message in ' '.join((done.stderr + done.stdout).split())
  assert 'Traceback' not in done.stderr
  if arguments != ['stray']:  # Which shows how the program is called.
    assert done.stderr.startswith('error: ')
    assert len(done.stderr.splitlines()) == 1
  assert not (tmp_path / 'w').exists()


def test_flagfile_works_and_is_checked(tmp_path):
  (tmp_path / 'flags').write_text('--tasks=nope\n--grid=quick\n')
  done = _run('table1', f'--flagfile={tmp_path}/flags')
  assert done.returncode == 1 and "unknown task 'nope'" in done.stderr


def test_too_little_memory_is_one_line_and_names_the_task(tmp_path):
  done = _run(
    'table1',
    *tiny.FLAGS,
    '--tasks=one',
    '--memory_gib=0.00001',
    f'--workdir={tmp_path}',
  )
  assert done.returncode == 1
  assert done.stderr.splitlines()[-1].startswith(
    'error: one: a head of 3 classes'
  )


_ARCHIVE = [
  '--suite=vtab',
  '--data_source=archive',
  '--tasks=mine',
  '--grid=fixed',
]


def test_ones_own_archive_runs_and_a_broken_image_is_one_line(tmp_path):
  folder = testing.write_archive(tmp_path / 'data' / 'mine')
  arguments = [
    *_ARCHIVE,
    f'--data_dir={tmp_path}/data',
    f'--plugins={tiny.PLUGIN}',
    '--backbone=tiny',
    '--weights=noise',
    '--methods=linear',
    '--hparams=lr=0.1,steps=5',
    f'--workdir={tmp_path}/w',
  ]
  (folder / 'images/test/3.png').write_bytes(b'no image')
  done = _run('table1', *arguments)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert done.stderr.splitlines()[-1] == (
    f'error: mine: image {folder}/images/test/3.png cannot be decoded; '
    'restore the file'
  )
  assert not testing.rows_files(tmp_path / 'w')
  testing.write_archive(tmp_path / 'whole')
  (tmp_path / 'whole/images/test/3.png').rename(folder / 'images/test/3.png')
  done = _run('table1', *arguments)
  assert done.returncode == 0, done.stderr
  assert 'own' in done.stdout and 'mine' in done.stdout


@pytest.mark.soak
def test_a_file_too_large_for_the_disk_is_one_line(tmp_path):
  """The kernel refuses a write half way; nothing half-written stays."""

  def limit():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

  status, _, err = _finish(
    testing.start_runner(
      'table1', *_FLAGS, f'--workdir={tmp_path}', preexec_fn=limit
    )
  )
  assert status == 1 and 'Traceback' not in err
  assert err.splitlines()[-1].startswith('error: File too large')
  assert not list((tmp_path / 'features').iterdir())


@pytest.mark.soak
def test_a_full_disk_is_one_line_and_loses_nothing(reference, tmp_path):
  disk = tmp_path / 'disk'
  disk.mkdir()
  mounted = subprocess.run(
    ['mount', '-t', 'tmpfs', '-o', 'size=160m', 'none', str(disk)],
    capture_output=True,
  )
  if mounted.returncode:
    pytest.skip('mounting a small file system is not allowed here')
  try:
    # The features of digits fit, those of mnist_5k beside them do not.
    done = _run('table1', *_FLAGS, f'--workdir={disk}')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
      'error: the disk is full while'
    )
    kept = testing.rows_files(disk)
    assert kept and kept.items() <= testing.rows_files(reference).items()
    assert not list(disk.glob('features/*.tmp-*'))
    subprocess.run(['mount', '-o', 'remount,size=400m', str(disk)], check=True)
    done = _run('table1', *_FLAGS, f'--workdir={disk}')
    assert done.returncode == 0, done.stderr
    assert testing.results(disk) == testing.results(reference)
  finally:
    subprocess.run(['umount', str(disk)], check=True)


@pytest.mark.soak
def test_vtab_from_tfds_with_shared_images_and_legacy_resize(tmp_path):
  synthetic_tfds.prepare('dsprites_loc', tmp_path / 'data')
  done = _run(
    'table1',
    f'--plugins={tiny.PLUGIN}',
    '--backbone=tiny',
    '--weights=noise',
    '--suite=vtab',
    f'--data_dir={tmp_path}/data',
    '--tasks=dsprites_loc,dsprites_ori',
    '--methods=linear',
    '--grid=fixed',
    '--hparams=lr=0.1,steps=5',
    '--seeds=0',
    '--resize=legacy',
    f'--workdir={tmp_path}/w',
  )
  assert done.returncode == 0, done.stderr
  assert 'dsprites_loc, dsprites_ori: ' in done.stderr
  assert 'is not the data of VTAB-1k' in done.stderr  # It is synthetic.
  assert 'resize legacy' in ' '.join(done.stdout.split())
  assert len(list((tmp_path / 'w/features').iterdir())) == 1
  assert {
    (r['task'], r['total']) for r in testing.read_rows(tmp_path / 'w')
  } == {('dsprites_loc', 200), ('dsprites_ori', 200)}
  (folder,) = tiny.folders(tmp_path / 'w')
  assert '"resize": "legacy"' in (folder / 'run.json').read_text()


def test_unprepared_data_are_one_line_and_nothing_is_downloaded(tmp_path):
  done = _run(
    'table1',
    f'--plugins={tiny.PLUGIN}',
    '--backbone=tiny',
    '--weights=noise',
    '--suite=vtab',
    f'--data_dir={tmp_path}',
    '--tasks=dtd',
    f'--workdir={tmp_path}/w',
  )
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert done.stderr.splitlines()[-1].startswith(
    f'error: dtd: dtd is not prepared in {tmp_path}; run again with --download'
  )
  assert not (tmp_path / 'downloads').exists()


@pytest.mark.soak
def test_resnet50_from_an_archive(tmp_path):
  testing.write_archive(tmp_path / 'data' / 'mine')
  done = _run(
    'table1',
    *_ARCHIVE,
    f'--data_dir={tmp_path}/data',
    '--backbone=resnet50',
    '--weights=random',
    '--methods=all_l21',
    '--seeds=0',
    '--hparams=lr=0.1,steps=2,target_size=512,l21=1e-5',
    f'--workdir={tmp_path}/w',
  )
  assert done.returncode == 0, done.stderr
  assert 'ResNet-50 with random weights, VTAB-1k, 240 pixels' in ' '.join(
    done.stdout.split()
  )
  (row,) = testing.read_rows(tmp_path / 'w')
  assert row['backbone'] == 'resnet50' and row['total'] == 5
