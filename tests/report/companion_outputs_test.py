import warnings

import pytest

from tests.report import made
from tests.report import made_shifted
from vtab_h2t.report import catalogue
from vtab_h2t.report import companion_rows
from vtab_h2t.report import plotting

_RESULTS = made_shifted.all_results()
_OUTPUTS = catalogue.COMPANIONS


def test_a_table_and_a_figure_for_each_paper_and_the_claims():
  assert list(_OUTPUTS) == [
    'lp_ft',
    'lp_ft_figure',
    'surgical',
    'surgical_figure',
    'head_probe',
    'head_probe_figure',
    'companion_claims',
  ]
  assert not set(_OUTPUTS) & set(catalogue.OUTPUTS)
  assert catalogue.of(made_shifted.run()) is _OUTPUTS
  assert catalogue.of(made.run()) is catalogue.OUTPUTS


@pytest.mark.parametrize('name', _OUTPUTS)
def test_everything_is_made_of_its_rows(name):
  output = _OUTPUTS[name]
  assert output.possible(_RESULTS)
  frames = output.of_results(_RESULTS)
  assert set(output.headings) >= {n for n in frames if output.headings}
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    if output.draw:
      drawn = output.picture(frames, 'source')
      drawn.set_layout_engine('none')
      assert plotting.png(drawn, 20)
    else:
      text = output.text(frames, 'source')
      assert 'nan' not in text.lower()


def test_captions_say_what_is_drawn():
  for output in _OUTPUTS.values():
    assert bool(output.draw) == output.shows.endswith('.')
    if output.draw:
      drawn = output.picture(output.of_results(_RESULTS), 'source')
      (legend,) = drawn.legends
      for text in legend.get_texts():
        if output.name != 'head_probe_figure':  # Its legend names tasks.
          words = text.get_text().lower().replace(',', '').split()
          assert all(word in output.shows.lower() for word in words), words
  assert 'Error bars are' in _OUTPUTS['surgical_figure'].shows
  assert 'A cross is' in _OUTPUTS['head_probe_figure'].shows


def test_published_numbers_are_said_to_be_so():
  published = {n: o for n, o in _OUTPUTS.items() if o.published}
  assert list(published) == ['lp_ft', 'surgical']
  for output in published.values():
    text = output.text(output.of_paper(), 'source')
    assert text.count('not measured here') == len(output.of_paper())
    measured = output.of_results(_RESULTS)
    assert 'not measured here' in output.text(measured, 'source')


def test_the_chosen_block_is_bold():
  output = _OUTPUTS['surgical']
  text = output.text(output.of_results(_RESULTS), 'source')
  assert '| **80.5** ' in text


def test_head_probing_begins_with_a_table_in_words():
  output = _OUTPUTS['head_probe']
  frames = output.of_results(_RESULTS)
  parts = output.text(frames, 'source').split('\n\n')
  short, whole = (
    [
      [cell.strip() for cell in line.split('|')[1:-1]]
      for line in part.strip().splitlines()
    ]
    for part in parts[1::2]
  )
  assert short[0][:4] == [
    *('task', 'hidden units of the head', 'epochs of probing', 'energy then')
  ]
  assert whole[0][:3] == ['task', 'hidden', 'tau'] and 'aie' in whole[0]
  table = frames['head_probe']
  assert len(short) == len(whole) == len(table) + 2
  place = short[0].index('test accuracy at the end (%)')
  for line, percent in zip(short[2:], table.percent):
    assert float(line[place]) == pytest.approx(percent, abs=0.051)


@pytest.mark.parametrize('job', companion_rows.JOBS)
def test_one_study_makes_its_own(job):
  results = made_shifted.results(
    {job: _RESULTS.of(job)}, small=job == companion_rows.SURGICAL_SMALL
  )
  possible = [n for n, o in _OUTPUTS.items() if o.possible(results)]
  start = {
    companion_rows.LP_FT: 'lp_ft',
    companion_rows.HEAD_PROBE: 'head_probe',
  }.get(job, 'surgical')
  assert possible == [start, f'{start}_figure', 'companion_claims']
  for name in possible:
    assert _OUTPUTS[name].of_results(results)


_ONE_OF_EACH = {
  'lp_ft_shift': ('digits.to.mnist_5k',),
  'surgical_small': ('photo_patches.noise5', 'mnist_5k.same'),
  'surgical_shift': ('photo_patches.noise5',),
  'head_probe_energy': ('mnist_5k',),
}


@pytest.mark.parametrize('change', ['one seed and a failure', 'one is lacking'])
def test_partial_results_make_what_they_can(change):
  def kept(job, row):
    if change == 'one is lacking':
      return row.get('adaptation') != 'ft' and row.get('tuned') != 'all'
    return row['task'] in _ONE_OF_EACH[job] and row['seed'] == 0

  rows = {
    job: [r for r in some if kept(job, r)]
    for job, some in _RESULTS.rows.items()
  }
  if change != 'one is lacking':
    for some in rows.values():
      last = max(i for i, r in enumerate(some) if r['split'] == 'test')
      some[last] = some[last] | {'correct': None, 'failed': 'not finite'}
  results = made_shifted.results(rows)
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    for output in _OUTPUTS.values():
      frames = output.of_results(results)
      if output.draw:
        drawn = output.picture(frames, 'source')
        drawn.set_layout_engine('none')
        plotting.png(drawn, 20)
      else:
        assert 'nan' not in output.text(frames, 'source').lower()


def test_claims_are_printed(capsys):
  output = _OUTPUTS['companion_claims']
  output.show(output.of_results(_RESULTS), 'a made run')
  printed = capsys.readouterr().out
  assert 'Judged on a made run.' in printed
  assert 'ft_above_lp_id' in printed and '10 points' in printed
