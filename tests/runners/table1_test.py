"""The command, as a user runs it."""

import contextlib
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests import synthetic_tfds
from tests import testing

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))

# A real run of two tasks, short of steps and search.
_FLAGS = ['--tasks=digits,mnist_5k', '--methods=linear,head2toe',
          '--grid=fixed', '--seeds=0,1', '--hparams=lr=0.01,steps=30,'
          'target_size=256,fraction=0.05,l21=1e-5']


def _start(*arguments, seed='0', **kwargs):
  return subprocess.Popen(
      [sys.executable, '-m', 'runners.table1', *arguments], cwd=_ROOT,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
      env=os.environ | {'PYTHONHASHSEED': seed}, **kwargs)


def _finish(process):
  out, err = process.communicate(timeout=300)
  return process.returncode, out, err


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
  """An undisturbed run: its work directory, stdout and stderr."""
  workdir = tmp_path_factory.mktemp('reference')
  status, out, err = _finish(_start(*_FLAGS, f'--workdir={workdir}', seed='1'))
  assert status == 0, err
  return workdir, out, err


def test_output(reference):
  workdir, out, err = reference
  directory = workdir / 'tables' / (
      'embedded-efficientnet_lite0-imagenet-all-selected-fixed-lr=0.01,'
      'steps=30,target_size=256,fraction=0.05,l21=1e-5-exact')
  for text in ('natural', 'digits', 'mean', 'Linear', 'Head2Toe',
               f'rows: {workdir}/rows', f'table1: {directory}/table1.csv',
               f'table1: {directory}/table1.md'):
    assert text in out
  assert [l.split(':')[0] for l in err.splitlines()] == ['digits', 'mnist_5k']
  with open(directory / 'table1.csv', encoding='utf-8') as f:
    table = list(csv.DictReader(f))
  assert [(r['method'], r['task']) for r in table] == [
      (m, t) for t in ('digits', 'mnist_5k') for m in ('linear', 'head2toe')]
  for row in table:
    assert float(row['accuracy_percent']) > 50  # Chance is 10.
  assert len(list((workdir / 'provenance').rglob('*.json'))) == 2
  assert len(list((workdir / 'manifests').rglob('*.json'))) == 2


@pytest.mark.slow
def test_another_process_and_hash_seed_give_the_same_bytes(
    reference, tmp_path):
  status, out, err = _finish(_start(*_FLAGS, f'--workdir={tmp_path}', seed='2'))
  assert status == 0, err
  assert testing.results(tmp_path) == testing.results(reference[0])
  table = lambda text: text.split('table1:')[0]
  assert table(out) == table(reference[1])


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


@pytest.mark.slow
def test_killed_anywhere_and_started_again_gives_the_same_bytes(
    reference, tmp_path):
  """kill -9 while starting, embedding, training, testing, between tasks."""
  moments = [_after(2.0), _there('features/*.tmp-*/*.npy'),
             _there('features/*/meta.json'),
             _there('features/*/meta.json', then=7.5),
             _there('rows/*/*/*/*'), _there('rows/*/*/mnist_5k/*')]
  killed = 0
  for reached in moments:
    process, started = (_start(*_FLAGS, f'--workdir={tmp_path}'),
                        time.monotonic())
    while process.poll() is None and not reached(tmp_path, started):
      time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
      process.send_signal(signal.SIGKILL)
    _finish(process)
    killed += process.returncode == -signal.SIGKILL
  assert killed >= 5
  status, _, err = _finish(_start(*_FLAGS, f'--workdir={tmp_path}'))
  assert status == 0, err
  assert testing.results(tmp_path) == testing.results(reference[0])
  assert not list(tmp_path.glob('features/*.tmp-*'))


def test_finished_work_is_not_done_again(reference):
  workdir, out, _ = reference
  before = {p: p.stat().st_mtime_ns for p in (workdir / 'rows').rglob('*')}
  status, again, _ = _finish(_start(*_FLAGS, f'--workdir={workdir}'))
  assert status == 0 and again == out
  assert before == {p: p.stat().st_mtime_ns
                    for p in (workdir / 'rows').rglob('*')}


def test_help_imports_nothing_heavy():
  code = ('import sys, runners.table1\n'
          'heavy = {"tensorflow", "keras", "pandas", "sklearn", "skimage", '
          '"matplotlib", "rich"} & set(sys.modules)\n'
          'assert not heavy, heavy')
  subprocess.run([sys.executable, '-c', code], cwd=_ROOT, check=True)
  status, out, _ = _finish(_start('--help'))
  assert status in (0, 1) and '--hparams' in out and '--workdir' in out


@pytest.mark.parametrize('arguments, message', [
    (['--tasks=digits,nope'], "unknown task 'nope' in suite embedded; choose"),
    (['--methods=nope'], "unknown value 'nope'; choose from linear"),
    (['--backbone=nope'], "unknown backbone 'nope'; choose from efficient"),
    (['--weights=nope'], "no weights 'nope' for this backbone; choose from "
     'imagenet, random'),
    (['--backbone=vit_ti16', '--weights=/none.npz'], 'choose from random, or '
     'the path of an npz file'),
    (['--taps=released'], "no taps 'released' for this backbone"),
    (['--suite=nope'], 'should be one of <embedded|vtab|own>'),
    (['--suite=vtab', '--data_source=archive'], '--data_source=archive needs a '
     '--data_dir'),
    (['--suite=vtab', '--data_source=archive', '--data_dir=/tmp', '--download'],
     '--download is for --data_source=tfds'),
    (['--download'], 'the embedded suite takes no --data_dir and no'),
    (['--resize=nope'], 'should be one of <bilinear|legacy>'),
    (['--cls_pooling=only'], "class token 'only' is for ViTs"),
    (['--data_dir=/tmp'], 'the embedded suite takes no --data_dir'),
    (['--data_source=nope'], 'should be one of <tfds|archive>'),
    (['--grid=nope'], 'should be one of <quick|light|paper|published|fixed>'),
    (['--score_solver=nope'], 'should be one of <adam|convex>'),
    (['--protocol=nope'], 'should be one of <exact|official>'),
    (['--seeds=0,x'], 'distinct whole numbers'),
    (['--seeds=1,1'], 'distinct whole numbers'),
    (['--memory_gib=-1'], 'non-negative'),
    (['--nope=1'], "Unknown command line flag 'nope'"),
    (['stray'], "unexpected argument 'stray'"),
    (['--grid=fixed'], '--hparams goes with --grid=fixed'),
    (['--hparams=lr=1'], '--hparams goes with --grid=fixed'),
    (['--grid=fixed', '--hparams=lr=0'], "'lr=0' is out of range"),
    (['--grid=fixed', '--hparams=lr=0.1,steps=5', '--methods=head2toe'],
     'no target_size for head2toe; add it'),
    (['--grid=published'], "Table 2 has no hyper-parameters for backbone"),
], ids=lambda a: ' '.join(a) if isinstance(a, list) else '')
def test_bad_flags_are_refused_at_once(arguments, message, tmp_path):
  status, out, err = _finish(_start(*arguments, f'--workdir={tmp_path}/w'))
  assert status == 1
  assert message in err + out
  assert 'Traceback' not in err
  assert not (tmp_path / 'w').exists()


def test_flagfile_works_and_is_checked(tmp_path):
  (tmp_path / 'flags').write_text('--tasks=nope\n--grid=quick\n')
  status, _, err = _finish(_start(f'--flagfile={tmp_path}/flags'))
  assert status == 1 and "unknown task 'nope'" in err


def test_a_work_directory_of_another_schema_is_one_line(tmp_path):
  (tmp_path / 'schema.json').write_text('{"schema": 0}')
  status, _, err = _finish(_start(*_FLAGS, f'--workdir={tmp_path}'))
  assert status == 1 and len(err.splitlines()) == 1
  assert 'was written by schema 0' in err


def test_too_little_memory_is_one_line_and_names_the_task(tmp_path):
  status, _, err = _finish(_start(
      *_FLAGS, '--tasks=digits', '--memory_gib=0.01',
      f'--workdir={tmp_path}'))
  assert status == 1
  assert err.splitlines()[-1].startswith('error: digits: a head of 10 classes')


def test_ones_own_archive_runs_and_a_broken_image_is_one_line(tmp_path):
  folder = testing.write_archive(tmp_path / 'data' / 'mine')
  arguments = ['--suite=vtab', '--data_source=archive',
               f'--data_dir={tmp_path}/data', '--tasks=mine',
               '--methods=linear', '--grid=fixed', '--hparams=lr=0.1,steps=5',
               f'--workdir={tmp_path}/w']
  (folder / 'images/test/3.png').write_bytes(b'no image')
  status, _, err = _finish(_start(*arguments))
  assert status == 1 and 'Traceback' not in err
  assert err.splitlines()[-1] == (
      f'error: mine: image {folder}/images/test/3.png cannot be decoded; '
      'restore the file')
  assert not list((tmp_path / 'w').glob('rows/**/*.jsonl'))
  testing.write_archive(tmp_path / 'whole')
  (tmp_path / 'whole/images/test/3.png').rename(folder / 'images/test/3.png')
  status, out, err = _finish(_start(*arguments))
  assert status == 0, err
  assert 'own' in out and 'mine' in out


def test_a_file_too_large_for_the_disk_is_one_line(tmp_path):
  """The kernel refuses a write half way; nothing half-written stays."""
  def limit():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
  status, _, err = _finish(_start(
      *_FLAGS, f'--workdir={tmp_path}', preexec_fn=limit))
  assert status == 1 and 'Traceback' not in err
  assert err.splitlines()[-1].startswith('error: File too large')
  assert not list((tmp_path / 'features').iterdir())


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(reference, tmp_path):
  disk = tmp_path / 'disk'
  disk.mkdir()
  mounted = subprocess.run(
      ['mount', '-t', 'tmpfs', '-o', 'size=160m', 'none', str(disk)],
      capture_output=True)
  if mounted.returncode:
    pytest.skip('mounting a small file system is not allowed here')
  try:
    # The features of digits fit, those of mnist_5k beside them do not.
    status, _, err = _finish(_start(*_FLAGS, f'--workdir={disk}'))
    assert status == 1 and 'Traceback' not in err
    assert err.splitlines()[-1].startswith('error: the disk is full while')
    kept = testing.results(disk)
    assert kept and kept.items() <= testing.results(reference[0]).items()
    assert not list(disk.glob('features/*.tmp-*'))
    subprocess.run(['mount', '-o', 'remount,size=400m', str(disk)], check=True)
    status, _, err = _finish(_start(*_FLAGS, f'--workdir={disk}'))
    assert status == 0, err
    assert testing.results(disk) == testing.results(reference[0])
  finally:
    subprocess.run(['umount', str(disk)], check=True)


@pytest.mark.slow
def test_vtab_from_tfds_with_shared_images_and_legacy_resize(tmp_path):
  synthetic_tfds.prepare('dsprites_loc', tmp_path / 'data')
  arguments = ['--suite=vtab', f'--data_dir={tmp_path}/data',
               '--tasks=dsprites_loc,dsprites_ori', '--weights=random',
               '--methods=linear', '--grid=fixed', '--hparams=lr=0.1,steps=5',
               '--seeds=0', '--resize=legacy', f'--workdir={tmp_path}/w']
  status, out, err = _finish(_start(*arguments))
  assert status == 0, err
  assert 'dsprites_loc, dsprites_ori: ' in err
  assert 'is not the data of VTAB-1k' in err  # It is synthetic.
  assert 'resize legacy' in out
  assert len(list((tmp_path / 'w/features').iterdir())) == 1
  rows = [json.loads(line) for p in (tmp_path / 'w/rows').rglob('*.jsonl')
          for line in p.read_text().splitlines()]
  assert {(r['task'], r['resize'], r['total']) for r in rows} == {
      ('dsprites_loc', 'legacy', 200), ('dsprites_ori', 'legacy', 200)}


def test_unprepared_data_are_one_line_and_nothing_is_downloaded(tmp_path):
  status, _, err = _finish(_start(
      '--suite=vtab', f'--data_dir={tmp_path}', '--tasks=dtd',
      f'--workdir={tmp_path}/w', '--weights=random'))
  assert status == 1 and 'Traceback' not in err
  assert err.splitlines()[-1].startswith(
      f'error: dtd: dtd is not prepared in {tmp_path}; run again with '
      '--download')
  assert not (tmp_path / 'downloads').exists()


def test_resnet50_from_an_archive(tmp_path):
  testing.write_archive(tmp_path / 'data' / 'mine')
  status, out, err = _finish(_start(
      '--suite=vtab', '--data_source=archive', f'--data_dir={tmp_path}/data',
      '--tasks=mine', '--backbone=resnet50', '--weights=random',
      '--methods=all_l21', '--grid=fixed',
      '--hparams=lr=0.1,steps=2,target_size=512,l21=1e-5', '--seeds=0',
      f'--workdir={tmp_path}/w'))
  assert status == 0, err
  assert 'random weights at 240 pixels and all taps' in ' '.join(
      out.split())
  row, = [json.loads(line) for p in (tmp_path / 'w/rows').rglob('*.jsonl')
          for line in p.read_text().splitlines()]
  assert row['image_size'] == 240 and row['total'] == 5
