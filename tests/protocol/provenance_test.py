import datetime as dt
import json
import pathlib
import shlex
import socket
import subprocess
import sys

import pytest

from tests import testing
from vtab_h2t.protocol import provenance

_ROOT = pathlib.Path(__file__).parents[2]


def test_stages_add_up():
  watch = provenance.Stopwatch()
  for _ in range(2):
    with watch.stage('a'):
      sum(range(10_000))
  with watch.stage('b'):
    pass
  assert list(watch.seconds) == ['a', 'b']
  assert watch.seconds['a']['wall'] > 0 and watch.seconds['a']['cpu'] >= 0


def test_facts_are_json_and_name_versions():
  facts = json.loads(json.dumps(provenance.facts(provenance.Stopwatch())))
  when = dt.datetime.fromisoformat(facts['when'])
  now = dt.datetime.now(dt.UTC)
  assert abs(when - now) < dt.timedelta(days=1)
  assert facts['packages']['tensorflow'].startswith('2.')
  assert facts['peak_memory_bytes'] > 10**7
  assert isinstance(facts['processor'], str)
  (cpu,) = facts['devices']
  assert cpu['name'] == 'CPU:0' and cpu['cores'] >= 1
  assert cpu.get('model', '') == facts['processor']
  assert facts['git'] is None or len(facts['git']['commit']) == 40


def test_peak_memory_is_of_this_process_alone():
  held = bytearray(b'1') * 2**29
  assert len(held) < provenance.peak_memory() < 2**36
  del held
  assert provenance.peak_memory() > 2**29
  child = subprocess.run(
    [
      sys.executable,
      '-c',
      'from vtab_h2t.protocol import provenance; '
      'print(provenance.peak_memory())',
    ],
    check=True,
    capture_output=True,
  )
  assert 2**20 < int(child.stdout) < 2**29


@pytest.mark.parametrize(
  'arguments, wanted',
  [
    (['/srv/checkout/runners/table1.py'], 'python -m runners.table1'),
    (
      ['runners/table1.py', '--tasks=digits,mnist_5k', '--noheader'],
      'python -m runners.table1 --tasks=digits,mnist_5k --noheader',
    ),
    (
      ['/venv/lib/python3.11/site-packages/vtab_h2t/runners/adapt.py'],
      'python -m runners.adapt',
    ),
    (['/usr/lib/pytest/__main__.py', '-x'], 'python -m __main__ -x'),
    (['-c'], 'python -m -c'),
    (
      ['/a/runners/report.py', '--workdir=/home/me/w', '--hparams=lr=0.1,l1=0'],
      'python -m runners.report --workdir=w --hparams=lr=0.1,l1=0',
    ),
    (
      ['/a/runners/report.py', '--workdir', '/home/me/w', '~/x', '../y', 'a/b'],
      'python -m runners.report --workdir w x ../y a/b',
    ),
    (
      ['/a/runners/table1.py', '--plugins=/home/me/mine.py,own.module,~/b.py'],
      'python -m runners.table1 --plugins=mine.py,own.module,b.py',
    ),
    (
      ['/a/runners/table1.py', '--control=vit_ti16:/home/me/vit.npz'],
      'python -m runners.table1 --control=vit_ti16:vit.npz',
    ),
    (
      ['/a/runners/table1.py', '--weights=https://x.org/a/b', '--data_dir=/d/'],
      'python -m runners.table1 --weights=https://x.org/a/b --data_dir=d',
    ),
    (
      ['/a/runners/adapt.py', '--images=/home/me/my photos'],
      "python -m runners.adapt '--images=my photos'",
    ),
  ],
)
def test_commands_hold_no_absolute_path(arguments, wanted):
  found = provenance.command(arguments)
  assert found == wanted
  assert not any(
    part.startswith(('/', '~')) or '/home' in part
    for part in shlex.split(found)
  )


def test_facts_hold_nothing_of_the_machines_paths(monkeypatch, tmp_path):
  monkeypatch.setattr(
    sys,
    'argv',
    [
      f'{_ROOT}/runners/table1.py',
      f'--workdir={tmp_path}/w',
      f'--plugins={tmp_path}/p.py,{_ROOT}/q.py',
    ],
  )
  text = json.dumps(provenance.facts(provenance.Stopwatch()))
  for private in (_ROOT, tmp_path, pathlib.Path.home(), sys.prefix, '/tmp/'):
    assert str(private) not in text
  assert json.loads(text)['command'] == (
    'python -m runners.table1 --workdir=w --plugins=p.py,q.py'
  )


@pytest.mark.soak
def test_a_users_files_hold_nothing_of_the_machines_paths(tmp_path):
  """All that a runner leaves beside features."""
  plugin = tmp_path / 'plugin.py'
  plugin.write_text('')
  done = testing.run_runner(
    'table1',
    '--tasks=digits',
    '--weights=random',
    '--image_size=32',
    '--grid=fixed',
    '--hparams=lr=0.1,steps=1',
    '--methods=linear',
    '--seeds=0',
    f'--workdir={tmp_path}/w',
    f'--plugins={plugin}',
  )
  assert done.returncode == 0, done.stderr
  kept = [
    p
    for p in (tmp_path / 'w').glob('*/**/*')
    if p.is_file() and p.relative_to(tmp_path / 'w').parts[0] != 'features'
  ]
  assert any(p.parent.name == 'provenance' for p in kept)
  for path in kept:
    data = path.read_bytes()
    for private in (tmp_path, _ROOT, socket.gethostname()):
      assert str(private).encode() not in data, path
  (facts,) = (
    json.loads(p.read_text()) for p in kept if p.parent.name == 'provenance'
  )
  assert facts['command'].startswith('python -m ')
  assert facts['command'].endswith(' --workdir=w --plugins=plugin.py')
