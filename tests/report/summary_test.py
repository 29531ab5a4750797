"""What GitHub shows."""

import pathlib
import re

import pytest

from tests import testing
from tests.report import made
from tests.report import made_shifted
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import judging
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import summary


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('summary')
  made.write(
    folder,
    made.run(),
    jobs_=('accuracy', 'offset'),
    names=('linear', 'head2toe'),
  )
  made.write(
    folder,
    made.run(image_size=64),
    ('digits',),
    (0,),
    jobs_=('accuracy',),
    names=('linear',),
  )
  return folder


@pytest.fixture(scope='module')
def measured(workdir):
  found = results_lib.read_all(ledger_lib.Ledger(workdir))
  for name in ('table1', 'figure6'):
    output = catalogue.OUTPUTS[name]
    path = output.folder(found[0].folder.path)
    path.mkdir(exist_ok=True)
    (path / f'{name}.{"png" if output.draw else "md"}').touch()
  return found


def test_each_run_has_its_title_extent_answer_means_and_claims(measured):
  one, two = measured
  text = summary.markdown(measured)
  verdicts, first, second = text.split('\n## ')[1:]
  assert verdicts.startswith('The verdicts of all claims\n')
  assert first.startswith(f'{one.run.name}\n\nmade pretrained on')
  assert second.startswith(f'{two.run.name}\n')
  assert (
    'Measured: 4 tasks (digits, scan_patches, sprites_loc, '
    'shapes_count), 2 methods (Linear, Head2Toe), 3 seeds; besides, for '
    'figures and other tables: features from lower ranks.'
  ) in first
  assert ('Measured: 1 task (digits), 1 method (Linear), 1 seed.') in second
  assert 'Head2Toe is better than Linear, by ' in first
  assert 'ahead on 4 of 4 tasks' in first
  assert 'not both measured' in second
  assert 'Means over tasks, median of 3 seeds.' in first
  assert re.search(
    r'\| Head2Toe is better than Linear on average. +\| (holds|undecided) +'
    r'\| \d+\.\d \(-?\d+\.\d to \d+\.\d\) +\| ResNet-50: 8.8, from Table 1; '
    r'ViT-B/16: 10, printed and 10.4, from Table 1 +\|',
    first,
  )
  assert 'further claims cannot be tested on these' in first
  assert 'No claim of the paper can be tested on these rows.' in second
  assert not re.search(r'\bnan\b', text)


def test_the_verdicts_of_all_claims_stand_in_one_table(measured):
  one, two = measured
  text = summary.all_verdicts(measured)
  _, heading, introduction, table = text.split('\n\n', 4)[1:]
  assert heading == '### Claims of Head2Toe'
  assert introduction.endswith(
    f'No claim can be tested on [{two.run.name}]({two.run.name}/).'
  )
  head, _, *lines = (
    [cell.strip() for cell in line.split('|')[1:-1]]
    for line in table.splitlines()
  )
  assert head == [
    'claim',
    f'[{one.run.name}]({one.run.name}/)',
    'published, ResNet-50',
    'published, ViT-B/16',
  ]
  (line,) = (
    line
    for line in lines
    if line[0] == 'Head2Toe is better than Linear on average.'
  )
  judged = {c['id']: c for c in judging.of_run(one).to_dict('records')}
  found = judged['head2toe_above_linear']
  assert line[1].startswith(f'{found["verdict"]} (')
  assert float(line[1].rpartition('(')[2][:-1]) == pytest.approx(
    found['measured'], abs=0.06
  )
  assert line[2:] == ['holds (8.8)', 'holds (10.4)']
  # What follows from the fractions says so; what cannot be tested is blank.
  (follows,) = (line for line in lines if line[0].startswith('Validating the'))
  assert follows[1].endswith(', derived)')
  assert any(line[1] and not line[2] for line in lines)


def test_runs_of_one_setting_and_of_shifts_stand_apart_from_the_verdicts():
  given = made.run(space=made.fixed(lr=0.1, steps=5), chosen_name='given')
  text = summary.all_verdicts(
    [
      made.results(testing.result_rows()),
      made.results((), given),
      made_shifted.all_results(),
    ]
  )
  paper, companions = text.split('\n### ')[1:]
  assert 'Runs with one given setting, on which few claims' in paper
  assert 'are left out: [given](nowhere/).' in paper
  assert companions.startswith('Claims of the companion papers\n')
  assert 'published' not in companions and '| undecided (' in companions


def test_what_rounding_decides_has_a_star_in_the_table_of_verdicts():
  text = summary.all_verdicts(
    [_main({'head2toe': 9, 'all_l1': 5})],
    pathlib.Path(__file__).parents[2] / 'results',
  )
  assert re.search(r'\| holds\\\* \(\d', text)
  page = '../benchmarks/README.md#what-rounding-alone-does'
  assert f'\n\\* Undecided {rounding.OTHERWISE}: ' in text
  assert f'([benchmarks/README.md]({page}), ' in text


def test_means_are_of_medians():
  text = summary.markdown([made.results(testing.result_rows())])
  lines = [re.sub(' +', '', l) for l in text.splitlines()]
  # 50, 50 and 70; Head2Toe has 10 more.
  assert '|method|natural|structured|all|' in lines
  assert '|Linear|50.0|60.0|56.7|' in lines
  assert '|Head2Toe|60.0|70.0|66.7|' in lines


def test_means_that_lack_a_task_are_blank_and_seeds_that_differ_are_said():
  rows = [
    r
    for r in testing.result_rows()
    if (r['method'], r['task']) != ('linear', 'y')
    and (r['method'], r['seed']) != ('linear', 2)
  ]
  text = summary.markdown([made.results(rows)])
  lines = [re.sub(' +', '', l) for l in text.splitlines()]
  assert '|Linear|47.5|||' in lines
  assert (
    'Means over tasks, medians of 2 to 3 seeds. A mean is blank where '
    'one of its tasks was not measured.'
  ) in text


def test_a_method_without_any_mean_is_in_table_1_alone():
  rows = [
    r
    for r in testing.result_rows()
    if r['method'] != 'linear' or (r['task'] == 'y' and r['seed'] != 2)
  ]
  text = summary.means(made.results(rows))
  assert '| Head2Toe ' in text and 'Linear' not in text
  # Nor are its two seeds counted, or its blanks explained.
  assert text.startswith('Means over tasks, median of 3 seeds.\n')
  only = made.results([r for r in rows if r['method'] == 'linear'])
  assert '| Linear ' in summary.means(only)


def _main(gains, **changes):
  """Results of a run with the main run's settings, by points over 50 %."""
  of = made.main_run(**changes)
  rows = [
    made.row(of, 'accuracy', m, t, s, 50 + gain)
    for m, gain in gains.items()
    for t in ('digits', 'mnist_5k', 'sprites_loc', 'shapes_count')
    for s in (0, 1)
  ]
  return made.results(rows, of)


def test_the_budget_of_trained_methods_stands_under_the_means():
  text = summary.means(_main({'head2toe': 9, 'finetune': 12}))
  assert text.endswith(
    '|\n\nFine-tuning had 500 steps and 2 settings; Head2Toe had 36.\n'
  )
  assert summary.means(_main({'head2toe': 9, 'all_l1': 5})).endswith('|\n')


def test_a_claim_that_hangs_on_rounding_says_so():
  gains = {'head2toe': 9, 'all_l1': 5, 'linear': 0}
  text = summary.judged_claims(_main(gains))
  lines = [line for line in text.splitlines() if ' holds: undecided ' in line]
  assert [line.split(' | ')[0].strip('| ') for line in lines] == [
    'Head2Toe is better than +All-l1 on average.'
  ]
  below = text[text.rindex('|') :]
  assert below.count('Undecided with additions in another order: ') == 1
  assert '(benchmarks/README.md, "What rounding alone does").' in below
  assert 'additions' not in summary.judged_claims(_main(gains, resize='legacy'))


def test_claims_of_one_given_setting_stand_below_what_not_to_take_them_for():
  gains = {'head2toe': 9, 'linear': 0}
  fixed = _main(gains, space=made.fixed(lr=0.1, steps=500))
  text = summary.judged_claims(fixed)
  assert text.startswith('Do not take these verdicts for ')
  assert text.index('the search.\n\nEach number is ') < text.index('| holds')
  assert summary.judged_claims(_main(gains)).startswith('Each number is ')


def test_the_note_on_rounding_leads_to_the_measurement():
  text = summary.judged_claims(
    _main({'head2toe': 9, 'all_l1': 5}),
    pathlib.Path(__file__).parents[2] / 'results' / 'any',
  )
  page = '../../benchmarks/README.md#what-rounding-alone-does'
  assert f'([benchmarks/README.md]({page}), ' in text


def test_links_lead_to_what_is_there(measured, workdir):
  name = measured[0].run.name
  text = summary.markdown(measured)
  assert (
    f'Tables and figures: [Table 1]({name}/table1.md), '
    f'[Figure 6]({name}/figures/figure6.png).'
  ) in text
  assert text.count('Tables and figures') == 1  # The other has none yet.
  deep = summary.markdown(measured, workdir / 'deep' / 'er')
  assert f'(../../{name}/table1.md)' in deep
  for link in re.findall(r'\]\((.*?)\)', deep):
    assert (workdir / 'deep' / 'er' / link).resolve().exists()


def test_the_index_has_a_line_a_run(measured):
  lines = summary.index(measured).splitlines()
  assert [c.strip() for c in lines[0].split('|')[1:-1]] == [
    'run',
    'what',
    'measured',
    'Linear',
    'Head2Toe',
  ]
  assert len(lines) == 4
  one, two = ([c.strip() for c in l.split('|')[1:-1]] for l in lines[2:])
  name = measured[0].run.name
  assert one[:3] == [
    f'[{name}]({name}/)',
    'made pretrained on ImageNet, embedded suite, 32 pixels, input scaling '
    'pixels',
    '4 tasks, 2 methods, 3 seeds',
  ]
  assert float(one[4]) > float(one[3]) > 40
  # Means of tasks that both have: here none.
  assert two[2:] == ['1 task, 1 method, 1 seed', '', '']
  assert summary.index([]) == 'No runs.\n'


def test_index_means_are_of_tasks_that_both_have():
  rows = [
    r
    for r in testing.result_rows()
    if (r['method'], r['task']) != ('linear', 'z')
  ]
  line = summary.index([made.results(rows)]).splitlines()[2]
  assert [c.strip() for c in line.split('|')[-3:-1]] == ['50.0', '60.0']


def test_key_numbers_are_sentences_over_a_table(measured):
  text = summary.key_numbers(measured[0])
  name = measured[0].run.name
  assert text.startswith(
    'made pretrained on ImageNet, embedded suite, 32 pixels, input scaling '
    'pixels, the run '
    f"[{name}]({name}/):\n\nDo not compare these accuracies with the paper's"
  )
  assert '\n- Head2Toe is better than Linear, by ' in text
  assert text.endswith(summary.means(measured[0]))


def test_partial_results_make_a_summary():
  of = made.run()
  offset = [made.row(of, 'offset', 'offset', 'digits', 0, 50, offset=0)]
  text = summary.markdown([made.results((), of, offset=offset)])
  assert (
    'Measured: features from lower ranks.' in text
    and 'Means over tasks' not in text
  )
  index = summary.index([made.results((), of, offset=offset)])
  assert '| 1 task, 1 study, 1 seed ' in index
  assert summary.markdown([]).startswith('# Head2Toe, measured')


def test_docs_go_through_every_output_and_claim():
  """docs/paper.md names each output; its claims are a made part."""
  text = (pathlib.Path(__file__).parents[2] / 'docs' / 'paper.md').read_text()
  beyond = {'scores'}  # Of the released code, not of the paper.
  for name in set(catalogue.OUTPUTS) - beyond:
    assert f'`{name}`' in text or f'--only={name} ' in text, name


def test_a_run_under_shifts_says_what_was_measured():
  results = made_shifted.all_results()
  text = summary.markdown([results])
  assert (
    'Measured: LP-FT on 3 tasks (digits.to.mnist_5k, '
    'photo_patches.to.corrupted, solids_category.to.instances), 3 seeds; '
    'head probing on 2 tasks (mnist_5k, photo_patches), 3 seeds; '
    'surgical fine-tuning of a small network on 8 tasks ('
  ) in text
  assert 'Of 43 claims of the companion papers ' in text
  assert re.search(
    r'\| LP-FT is better than fine-tuning out of distribution \(read as: at '
    r'most 1 point below\)\. +\| '
    r'(holds|undecided) +\| -?\d+\.\d+(: mean| \()[^|]+ +\| 10 points on',
    text,
  )
  assert 'further claims cannot be tested' in text
  assert not re.search(r'\bnan\b', text)
  assert '| 13 tasks, 3 studies, 3 seeds ' in text
