from tests.report import made
from tests.report import made_shifted
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import caveats

_TASKS = 'digits', 'sprites_loc'


def _of(of, methods=('linear', 'finetune'), tasks=_TASKS, seeds=(0, 1)):
  return caveats.of(
    made.results(
      [
        made.row(of, 'accuracy', m, t, s, 50)
        for m in methods
        for t in tasks
        for s in seeds
      ],
      of,
    )
  )


def _has(found, *words):
  return any(all(word in text for word in words) for text in found)


def test_training_that_was_stopped_early_ranks_nothing():
  space = made.run().space.changed({'finetune': {'steps': (80,), 'batch': 64}})
  found = _of(made.run(space=space))
  assert found[0] == (
    'Do not use this table to rank Fine-tuning: training was stopped early, '
    'after 80 steps of 64 images.'
  )
  assert not _has(_of(made.run(space=space), ('linear',)), 'stopped early')


def test_unequal_training_is_told():
  space = made.run().space.changed(
    {'finetune': {'steps': (5000,), 'batch': 128}}
  )
  assert _has(_of(made.run(space=space)), 'not trained equally long', '5000')


def test_few_seeds_tasks_and_settings_are_told():
  usual = _of(made.run(), ('linear',))
  assert len(usual) == 1 and _has(usual, "with the paper's")
  assert _has(_of(made.run(), seeds=(0,)), 'one seed')
  assert _has(_of(made.run(), tasks=('digits',)), 'digits is the only task')
  fixed = made.run(space=made.fixed(lr=0.1, steps=500))
  assert _has(_of(fixed, ('linear',)), 'not searched for')


def test_affinities_of_a_short_training_are_told():
  both = 'linear', 'scratch'
  found = _of(made.run(), both)
  assert _has(found, 'far from the pretraining', 'Scratch had 500 steps')
  assert not _has(_of(made.run(), ('scratch',)), 'far from the pretraining')
  long = made.run().space.changed({'scratch': {'steps': (5000,)}})
  assert not _has(_of(made.run(space=long), both), 'far from the pretraining')


def _search(of, *methods):
  rows = [made.row(of, 'accuracy', m, 'digits', 0, 50) for m in methods]
  return caveats.of_search(made.results(rows, of))


def test_the_search_of_trained_methods_is_told_beside_that_of_head2toe():
  of = made.run()
  assert _search(of, 'linear', 'head2toe') == ''
  assert _search(of, 'finetune', 'head2toe') == (
    'Fine-tuning had 500 steps and 2 settings; Head2Toe had 36.'
  )
  assert _search(of, 'finetune', 'scratch', 'head2toe') == (
    'Scratch and Fine-tuning had 500 steps and 2 settings each; Head2Toe had '
    '36.'
  )
  penalties = 'all_l2', 'all_l1', 'all_l21'
  assert _search(of, 'linear', *penalties, 'finetune', 'head2toe').endswith(
    ' 2 settings; Linear had 2, each +All 6 and Head2Toe 36.'
  )
  space = of.space.changed({'all_l1': {'coefficients': (0.1,)}})
  unlike = _search(made.run(space=space), *penalties, 'finetune', 'head2toe')
  assert unlike.endswith(
    '; +All-l2 had 6, +All-l1 2, +All-l2,1 6 and Head2Toe 36.'
  )
  assert _search(of, 'finetune') == 'Fine-tuning had 500 steps and 2 settings.'
  space = of.space.changed(
    {'scratch': {'steps': (80, 500), 'learning_rates': (0.1,)}}
  )
  assert _search(made.run(space=space), 'finetune', 'scratch') == (
    'Scratch had 80 or 500 steps and 2 settings; Fine-tuning had 500 steps and '
    '2 settings.'
  )
  rows = [
    made.row(of, 'accuracy', m, 'digits', 0, 50)
    for m in ('finetune', 'linearized')
  ]
  results = made.results(rows, of)
  assert caveats.of_search(results) == (
    'Fine-tuning and Linearized had 500 steps and 2 settings each.'
  )
  assert caveats.of_search(results, ['linearized']) == (
    'Linearized had 500 steps and 2 settings.'
  )
  fixed = made.run(space=made.fixed(ft_lr=0.1, ft_steps=5))
  assert _search(fixed, 'finetune') == ''


def test_random_weights_are_told():
  network = run_lib.Network(
    backbone='made', weights='random', sha256='5a', scale=1.0, offset=0.0
  )
  assert _has(_of(made.run(network=network), ('linear',)), 'random', 'control')


def test_under_shifts_undecided_is_not_refuted():
  (found,) = caveats.of(made_shifted.all_results())
  assert found.startswith('Do not take an undecided claim for one that is ')


def test_nothing_is_said_of_nothing():
  assert caveats.of(made.results()) == []


def test_numbers_of_studies_are_not_the_papers_either():
  of = made.run()
  rows = [made.row(of, 'offset', 'head2toe', 'digits', 0, 60)]
  (only,) = caveats.of(made.results(of=of, offset=rows))
  assert only.startswith("Do not compare these accuracies with the paper's: ")
