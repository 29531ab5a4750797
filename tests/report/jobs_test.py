import pytest

from tests import testing
from vtab_h2t.report import jobs
from vtab_h2t.studies import registry as studies


def test_jobs_that_are_alike_run_together_and_needs_come_first():
  assert jobs.batches(
      ['transfer', 'accuracy', 'offset', 'scaling']) == [
          ['accuracy'], ['relevance', 'offset', 'scaling'], ['transfer']]
  assert jobs.batches(['offset', 'offset']) == [['offset']]
  everything = jobs.batches(jobs.JOBS)
  assert [n for b in everything for n in b] == list(jobs.JOBS)


def test_reduced_tasks_are_parts_of_each():
  tasks = [testing.tiny_task('a'), testing.tiny_task('b')]
  found = jobs.tasks_of(jobs.JOBS['reduced'], tasks)
  assert [(t.name, t.train_fraction) for t in found] == [
      (n, f) for n in 'ab' for f in (0.1, 0.2, 0.5)]
  assert jobs.tasks_of(jobs.JOBS['accuracy'], tasks) == tasks


def test_transfer_is_given_the_selections():
  rows = {'relevance': [
      {'task': t, 'seed': s, 'selected': f'{t}{s}'}
      for t in 'ab' for s in (0, 1)]}
  study = jobs.study_of(jobs.JOBS['transfer'], rows)
  assert study._selections == {'a': {0: 'a0', 1: 'a1'}, 'b': {0: 'b0', 1: 'b1'}}
  for name in studies.STUDIES:
    assert jobs.study_of(
        jobs.JOBS[name], {}) is studies.STUDIES[name]


@pytest.mark.parametrize('name', jobs.JOBS)
def test_a_job_has_methods_or_a_study(name):
  job = jobs.JOBS[name]
  assert not (job.methods and job.study)
  assert job.methods or job.study or name == jobs.ACCURACY
