import json
import subprocess
import sys

from vtab_h2t.protocol import provenance


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
  assert facts['packages']['tensorflow'].startswith('2.')
  assert facts['peak_memory_bytes'] > 10 ** 7
  assert isinstance(facts['processor'], str)
  assert facts['git'] is None or len(facts['git']['commit']) == 40


def test_peak_memory_is_of_this_process_alone():
  held = bytearray(b'1') * 2 ** 29
  assert len(held) < provenance.peak_memory() < 2 ** 36
  del held
  assert provenance.peak_memory() > 2 ** 29
  child = subprocess.run(
      [sys.executable, '-c', 'from vtab_h2t.protocol import provenance; '
       'print(provenance.peak_memory())'], check=True, capture_output=True)
  assert 2 ** 20 < int(child.stdout) < 2 ** 29
