import pytest

from tests import testing
from vtab_h2t.protocol import reproduction
from vtab_h2t.studies import registry as studies


def test_jobs_that_are_alike_run_together_and_needs_come_first():
  assert reproduction.batches(
      ['transfer', 'accuracy', 'offset', 'scaling']) == [
          ['accuracy'], ['relevance', 'offset', 'scaling'], ['transfer']]
  assert reproduction.batches(['offset', 'offset']) == [['offset']]
  everything = reproduction.batches(reproduction.JOBS)
  assert [n for b in everything for n in b] == list(reproduction.JOBS)


def test_reduced_tasks_are_parts_of_each():
  tasks = [testing.tiny_task('a'), testing.tiny_task('b')]
  found = reproduction.tasks_of(reproduction.JOBS['reduced'], tasks)
  assert [(t.name, t.train_fraction) for t in found] == [
      (n, f) for n in 'ab' for f in (0.1, 0.2, 0.5)]
  assert reproduction.tasks_of(reproduction.JOBS['accuracy'], tasks) == tasks


def test_transfer_is_given_the_selections():
  rows = {'relevance': [
      {'task': t, 'seed': s, 'selected': f'{t}{s}'}
      for t in 'ab' for s in (0, 1)]}
  study = reproduction.study_of(reproduction.JOBS['transfer'], rows)
  assert study._selections == {'a': {0: 'a0', 1: 'a1'}, 'b': {0: 'b0', 1: 'b1'}}
  for name in studies.STUDIES:
    assert reproduction.study_of(
        reproduction.JOBS[name], {}) is studies.STUDIES[name]


@pytest.mark.parametrize('name', reproduction.JOBS)
def test_a_job_has_methods_or_a_study(name):
  job = reproduction.JOBS[name]
  assert not (job.methods and job.study)
  assert job.methods or job.study or name == reproduction.ACCURACY
