"""Whatever rows are missing, each claim is judged or says what lacks."""

import random

import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import claims
from vtab_h2t.report import companion_claims
from vtab_h2t.report import companion_rows
from vtab_h2t.report import jobs
from vtab_h2t.report import judging

_CLAIMS = companion_claims.CLAIMS
_RESULTS = made.all_results()


def test_ids_are_unique_and_jobs_known():
  every = [c.id for c in (*claims.CLAIMS, *_CLAIMS)]
  assert len(set(every)) == len(every)
  assert {j for c in _CLAIMS for j in c.jobs} == set(companion_rows.JOBS)
  assert all(c.sentence.endswith('.') and c.where and c.text for c in _CLAIMS)
  assert all(not c.of and c.jobs[0] in jobs.JOBS for c in _CLAIMS)


def test_a_run_under_shifts_is_judged_on_them():
  table = judging.of_run(_RESULTS).set_index('id')
  assert list(table.index) == [c.id for c in _CLAIMS]
  assert table.measured.notna().all()
  assert table.published['ft_above_lp_id'].startswith('2 points on ten data')
  assert table.published['pretrained_first_block_best_input'] == ''
  assert set(table.of) == {''}


def test_rows_of_another_study_alone_say_what_lacks():
  job = companion_rows.LP_FT
  results = made.results({job: _RESULTS.of(job)})
  table = judging.of_run(results).set_index('id')
  assert table.rows['l2_grows_with_energy_test'] == (
    'no rows of head_probe_energy'
  )
  assert table.rows['first_block_best_input'] == (
    'no rows of surgical_small, which is measured with the small residual '
    'network'
  )


@pytest.mark.parametrize('seed', range(4))
def test_rows_may_lack(seed):
  draw = random.Random(seed)

  def condition(row):
    return tuple(
      row.get(f)
      for f in ('job', 'adaptation', 'tuned', 'shots', 'tau', 'hidden', 'task')
    )

  conditions = sorted(
    {condition(r) for some in _RESULTS.rows.values() for r in some}, key=repr
  )
  dropped = set(draw.sample(conditions, int(len(conditions) * (seed + 1) / 6)))
  kept = {
    job: [r for r in some if condition(r) not in dropped]
    for job, some in _RESULTS.rows.items()
  }
  for claim in _CLAIMS:
    found = judging.judge(claim, kept)
    assert found.rows
    assert (found.interval is None) <= (found.verdict == judging.UNTESTABLE)
