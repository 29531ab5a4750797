"""docs/companions.md says what the code does."""

import ast
import pathlib
import re

import pytest

from vtab_h2t.methods import interface
from vtab_h2t.protocol import companions
from vtab_h2t.report import catalogue
from vtab_h2t.report import companion_claims
from vtab_h2t.report import jobs
from vtab_h2t.studies import head_probe_energy
from vtab_h2t.studies import lp_ft_shift
from vtab_h2t.studies import registry as studies
from vtab_h2t.studies import source
from vtab_h2t.studies import surgical_shift
from vtab_h2t.tasks import bases
from vtab_h2t.tasks import shifted

_ROOT = pathlib.Path(__file__).parents[1]
_TEXT = (_ROOT / 'docs' / 'companions.md').read_text()
_WHOLE = companions.space(companions.FULL)
_QUICK = companions.space(companions.QUICK)
_LP_FT = lp_ft_shift.LpFtShift.name
_SURGICAL = surgical_shift.SurgicalShift.name
_HEAD_PROBE = head_probe_energy.HeadProbeEnergy.name
_TRAINING = {
  'learning rates': 'learning_rates',
  'epochs': 'epochs',
  'batch': 'batch',
}
# What the settings of the tables are called in options.
_SETTINGS = {
  _LP_FT: _TRAINING,
  _SURGICAL: _TRAINING
  | {
    'labelled images a class to train on': 'shots',
    'labelled images a class to choose on': 'validation_shots',
    'batch norms': 'modes',
    'source: starts from': 'source_start',
    'source: learning rate': 'source_learning_rate',
    'source: epochs': 'source_epochs',
  },
  _HEAD_PROBE: {
    'epochs of probing, tau': 'taus',
    'hidden units of the head (0: linear)': 'hidden',
    'learning rate of probing (Adam)': 'probe_learning_rate',
    'learning rate of fine-tuning': 'learning_rates',
    'steps of fine-tuning': 'steps',
    'batch': 'batch',
    'common training loss, in nats': 'common_loss',
  },
}
_FIRST_CELLS = {
  _LP_FT: 'setting of `ft`, `ft_frozen` and `lp_ft`',
  _SURGICAL: 'setting | small',
  _HEAD_PROBE: 'setting | whole',
}


def _table(first: str) -> list[dict[str, str]]:
  """The lines of the table whose head begins so: column to cell."""
  (found,) = re.findall(
    rf'^\| {re.escape(first)}[^\n]*\n(?:\|[^\n]*\n)+', _TEXT, re.MULTILINE
  )
  head, _, *lines = (
    [cell.strip() for cell in line.split('|')[1:-1]]
    for line in found.splitlines()
  )
  return [dict(zip(head, line, strict=True)) for line in lines]


def _code(cell: str) -> tuple[str, ...]:
  return tuple(re.findall(r'`(.+?)`', cell))


def _first_codes(first: str) -> tuple[str, ...]:
  return sum((_code(next(iter(l.values()))) for l in _table(first)), ())


def _values(cell: str) -> list[float | str]:
  return [
    float(v) if re.match(r'[\d.]', v) else v for v in cell.split(', ') if v
  ]


@pytest.mark.parametrize(
  'name, first', [('lp_ft', 'pair |'), ('surgical', 'target |')]
)
def test_tasks_are_those_that_are_run(name, first):
  assert _first_codes(first) == companions.TASKS[name]
  for line in _table(first):
    task = shifted.task(_code(next(iter(line.values())))[0])
    assert line['kind of shift'] == task.group
    assert companions.takes(name, task)


def test_probed_tasks():
  lines = _table('task | classes')
  assert (
    tuple(_code(l['task'])[0] for l in lines)
    == companions.TASKS[companions.HEAD_PROBE]
  )
  for line in lines:
    classes = bases.BASES[_code(line['task'])[0]].classes
    assert line['classes'].startswith(f'{len(classes)} ')


def test_marked_targets():
  """What the large network is adapted to, and where there are more images."""
  lines = _table('target |')

  def marked(column):
    return {_code(l['target'])[0] for l in lines if l[column] == 'yes'}

  assert marked('large network') == set(companions.OF_EACH_KIND)
  small = companions.small_space(_WHOLE)
  assert marked('100 images a class') == set(small.by_task)
  for space in small.by_task.values():
    assert space.of(_SURGICAL).shots == (20, 100)
    assert space.of(_SURGICAL).modes == surgical_shift.MODES
    assert space.of(_SURGICAL).automatic_with_more == ('auto_rgn',)
  assert small.of(_SURGICAL).shots == (20,)
  assert small.of(_SURGICAL).modes == ('inference',)
  assert small.of(_SURGICAL).automatic == surgical_shift.AUTOMATIC
  assert _WHOLE.of(_SURGICAL).automatic == ('auto_rgn',)


def test_quick_tasks():
  lines = _table('`--quick` measures')
  assert {
    _code(l['`--quick` measures'])[0]: _code(l['on']) for l in lines
  } == companions.QUICK_TASKS


@pytest.mark.parametrize(
  'study, column, space',
  [
    (_LP_FT, 'whole', _WHOLE),
    (_LP_FT, '`--quick`', _QUICK),
    (_SURGICAL, 'large network', _WHOLE),
    (
      _SURGICAL,
      'small network',
      companions.small_space(_WHOLE).by_task['photo_patches.noise5'],
    ),
    (
      _SURGICAL,
      '`--quick` (small network)',
      companions.small_space(_QUICK),
    ),
    (_HEAD_PROBE, 'whole', _WHOLE),
    (_HEAD_PROBE, '`--quick`', _QUICK),
  ],
)
def test_settings(study, column, space):
  options, names = space.of(study), _SETTINGS[study]
  lines = _table(_FIRST_CELLS[study])
  assert [next(iter(l.values())) for l in lines] == list(names)
  for line in lines:
    value = getattr(options, names[next(iter(line.values()))])
    wanted = list(value) if isinstance(value, tuple) else [value]
    assert _values(line[column]) == wanted, line


def test_settings_that_have_no_column():
  assert all(
    c in _TEXT for c in ('0.2 of the largest', 'decay 5e-4', '1e-4 in')
  )
  recipe = source.Recipe(start=source.RANDOM, learning_rate=0.1, epochs=1)
  assert recipe.weight_decay == 5e-4 and recipe.batch == 64


def test_what_is_compared():
  assert _first_codes('adaptation | what') == lp_ft_shift.ADAPTATIONS
  assert _first_codes('tuned | what') == (
    surgical_shift.NONE,
    'block1',
    surgical_shift.LAST,
    surgical_shift.ALL,
    *surgical_shift.AUTOMATIC,
  )


def test_studies_and_jobs_are_named():
  for name in studies.COMPANIONS:
    assert f'`{name}` (`vtab_h2t/studies/{name}.py`)' in _TEXT, name
    assert name in jobs.JOBS
  assert '`surgical_small`' in _TEXT and jobs.SURGICAL_SMALL in jobs.JOBS
  for path in re.findall(r'`((?:vtab_h2t|docs)/[\w/.]+)`', _TEXT):
    assert (_ROOT / path).exists(), path


def test_outputs():
  assert _first_codes('output | what') == tuple(catalogue.COMPANIONS)
  for line in _table('output | what'):
    output = catalogue.COMPANIONS[_code(line['output'])[0]]
    if output.published:
      assert line['published beside it']


def test_claims():
  """Regenerate the table if claims change: ids and sentences, in order."""
  wanted = [
    (f'`{c.id}`', c.sentence.replace(' (small residual network)', ''))
    for c in companion_claims.CLAIMS
    if not c.id.startswith('pretrained_')
  ]
  assert [tuple(l.values()) for l in _table('claim | what')] == wanted
  again = {
    c.id for c in companion_claims.CLAIMS if c.id.startswith('pretrained_')
  }
  small = {c.id for c in companion_claims.CLAIMS if '(small' in c.sentence}
  assert again == {f'pretrained_{name}' for name in small}


def test_fields_of_rows_are_in_the_code():
  known = {'images', 'correct', 'total'}
  for path in (
    *(_ROOT / 'vtab_h2t' / 'studies').glob('*.py'),
    _ROOT / 'vtab_h2t' / 'methods' / 'head_probe.py',
  ):
    known |= {
      node.value
      for node in ast.walk(ast.parse(path.read_text()))
      if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
  lines = _table('study | split')
  assert {_code(l['study'])[0] for l in lines} == set(studies.COMPANIONS)
  for line in lines:
    names = {*_code(line['fields'])} - {'lp', 'lp_ft', 'none'}
    assert not names & set(interface.FIELDS)
    for name in names:
      assert name in known or name.removeprefix('train_') in known, name


def test_a_base_as_the_guide_shows_it(monkeypatch):
  """docs/extending.md: a base with a shift of its own, a pair and a target."""
  monkeypatch.setattr(bases, 'BASES', dict(bases.BASES))
  guide = (_ROOT / 'docs' / 'extending.md').read_text()
  (block,) = re.findall(r'```python\n(# negatives\.py.*?)```', guide, re.DOTALL)
  exec(block, {})
  pair = shifted.task('mnist_negative.to.negatives')
  assert pair.group == 'input'
  (further,) = pair.further_tests.values()
  assert (further.labels == pair.test.labels).all()
  target = shifted.task('mnist_negative.negatives')
  assert target.source is not None and target.source.num_classes == 10
  same = shifted.task('mnist_negative.same')
  for one, other in (
    (further, pair.test),
    (target.test, same.test),
    (target.train, same.train),
  ):
    assert one.ids == other.ids and one.sha256 != other.sha256
