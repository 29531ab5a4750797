"""One self-contained HTML page: all that a work directory has, or the paper."""

import base64
from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import importlib.resources
import io
from typing import Any

import pandas as pd

from vtab_h2t import published
from vtab_h2t.backbones import retapping
from vtab_h2t.features import pooling
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import reproduction
from vtab_h2t.report import catalogue
from vtab_h2t.report import claims
from vtab_h2t.report import contradictions
from vtab_h2t.report import cost
from vtab_h2t.report import frames
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.tasks import registry
from vtab_h2t.tasks import task as task_lib

Row = Mapping[str, Any]
_ACCURACY = reproduction.ACCURACY
# What all rows of a run have in common; `grid` besides for methods.
_KEY = ('suite', 'backbone', 'weights', 'image_size', 'resize', 'normalization',
        'protocol')
_CLS_JOBS = {pooling.CLS_ONLY: 'cls_only', pooling.CLS_BOTH: 'cls_both'}


# Of a section, where it has no such part.
_EMPTY = {'comparison': '', 'published': False, 'protocol': '', 'claims': (),
          'cost': '', 'failures': None, 'provenance': '', 'head': (),
          'lines': (), 'tables': (), 'figures': ()}


@dataclasses.dataclass(frozen=True)
class Run:
  """Rows that belong together.

  Attributes:
    key: the values of `_KEY` and the grid.
    rows: by job.
  """

  key: tuple[Any, ...]
  rows: Mapping[str, Sequence[Row]]

  @property
  def name(self) -> str:
    suite, backbone, weights, size, *_, grid = self.key
    return f'{suite}, {backbone} ({weights}), {size} pixels, grid {grid}'


def runs(rows: Iterable[Row]) -> list[Run]:
  """Sorts the rows of a work directory into runs and jobs.

  A run has the methods of one grid on the network's usual taps; studies and
  variants of the network belong to each run of the same images and network.
  Tasks are in their suite's order, others behind them by name.
  """
  places = {(suite, name): place for suite in registry.SUITES
            for place, name in enumerate(registry.order(suite))}
  rows = sorted(rows, key=lambda r: (
      places.get((r['suite'], r['task']), len(places)), r['task']))
  main: dict[tuple, list[Row]] = {}
  others: dict[tuple, dict[str, list[Row]]] = {}
  for row in rows:
    key = tuple(row[k] for k in _KEY)
    job = _job(row)
    if job == _ACCURACY:
      main.setdefault((*key, row['grid']), []).append(row)
      continue
    if job == reproduction.CONTROL:  # Of the first of the two networks.
      first = {k: row[k].partition('+')[0] for k in ('backbone', 'weights')}
      key = tuple(first.get(k, row[k]) for k in _KEY)
    grid = row['grid'] if job in _OF_GRID else None
    others.setdefault((*key, grid), {}).setdefault(job, []).append(row)
  order = list(methods.METHODS)
  found = []
  for key, own in main.items():
    own.sort(key=lambda r: order.index(r['method']))  # Stable within a method.
    found.append(Run(key, {_ACCURACY: own} | others.get(
        (*key[:-1], None), {}) | others.get(key, {})))
  found.sort(key=lambda r: -sum(map(len, r.rows.values())))
  return [_with_second(run, found) for run in found]


def _with_second(run: Run, others: Sequence[Run]) -> Run:
  """Adds the rows of another network on the same images, if there are any."""
  for other in others:
    alike = (other.key[0], *other.key[3:]) == (run.key[0], *run.key[3:])
    if alike and other is not run and {'linear', 'scratch'} <= {
        r['method'] for r in other.rows[_ACCURACY]}:
      return Run(run.key, {**run.rows, reproduction.SECOND: [
          r for r in other.rows[_ACCURACY]
          if r['method'] in ('linear', 'scratch')]})
  return run


# Jobs of methods, which have a grid; the others are studies.
_OF_GRID = {name for name, job in reproduction.JOBS.items() if not job.study}


def _job(row: Row) -> str:
  """The job that a row is of."""
  if '+' in row['backbone']:
    return reproduction.CONTROL
  if row['method'] in reproduction.JOBS:
    return row['method']
  if 'train_fraction' in row:
    return reproduction.REDUCED
  if row['taps'] in retapping.KINDS:
    return row['taps']
  return _CLS_JOBS.get(row['cls_pooling'], _ACCURACY)


def build(rows: Sequence[Row], units: Sequence[ledger_lib.Unit],
          toys: Mapping[str, pd.DataFrame]) -> str:
  """The page.

  Args:
    rows: all of a work directory.
    units: its runs of work units.
    toys: what `protocol.toys.tables` gives.
  """
  return _render('Head2Toe, measured', [_section(run, units)
                                        for run in runs(rows)], toys)


def build_published(toys: Mapping[str, pd.DataFrame]) -> str:
  """The page of the paper's own numbers; as `build`."""
  sections = []
  for backbone, summary in catalogue.OUTPUTS['table1'].published().items():
    sections.append({
        'name': f'VTAB-1k, {backbone}', 'answer': _answer(summary, ()),
        'protocol': 'Published (Tables 1 and 4): test accuracy in percent, '
                    'median of 3 seeds.'} | _table1(summary, False))
  made = [(output, output.published()) for output in catalogue.OUTPUTS.values()
          if output.published and output.name != 'table1']
  sections.append({'name': 'Other tables and figures', 'answer': 'From what '
                   'the paper prints; nothing here was measured.'}
                  | _shown(made, published.SOURCE))
  return _render('Head2Toe, as published', sections, toys)


def _render(title: str, sections: Sequence[Mapping[str, Any]],
            toys: Mapping[str, pd.DataFrame]) -> str:
  import jinja2
  environment = jinja2.Environment(
      autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
  template = environment.from_string(
      importlib.resources.files(__package__).joinpath('page.html').read_text(
          encoding='utf-8'))
  return template.render(
      title=title, runs=[_EMPTY | section for section in sections],
      toys=_html(claims.toy_table(toys)),
      contradictions=[
          {'text': c.text, 'tables': c.tables,
           'value': None if c.check is None else f'{c.check():.3g}'}
          for c in contradictions.CONTRADICTIONS])


def _html(table: pd.DataFrame):
  """A table as safe HTML; missing numbers are blank, others have 4 digits."""
  import markupsafe
  text = table.to_html(
      index=False, border=0, na_rep='',  # Whole numbers may be long.
      float_format=lambda v: f'{v:.4g}' if abs(v) < 1e4 else f'{v:.0f}')
  return markupsafe.Markup(text)


def _section(run: Run, units: Sequence[ledger_lib.Unit]) -> dict[str, Any]:
  rows = run.rows[_ACCURACY]
  summary = statistics.summarise(rows)
  own = [u for u in units if _belongs(u, run)]
  measured = cost.measured(u for u in own if _of_grid(u, run))
  comparable = catalogue.comparable(rows[0])
  judged = [claims.judge(c, run.rows) for c in claims.CLAIMS]
  found_claims = pd.concat([
      claims.table(judged), pd.DataFrame([claims.cost_row(measured)])])
  section = {
      'name': run.name, 'answer': _answer(summary, judged),
      'comparison': _comparison(summary), 'published': comparable,
      'protocol': tables.title(summary) + '.',
      'claims': [_claim(c) for c in found_claims.to_dict('records')],
      'cost': _html(measured.drop(columns=[
          c for c in measured if c.endswith('wall_seconds')]))
              if len(measured) else '',
      'failures': [
          f'{r["method"]} on {r["task"]}, {r["split"]}, seed {r["seed"]}: '
          f'{r["failed"]}' for job in run.rows.values() for r in job
          if 'failed' in r],
      'provenance': _provenance(own, run.rows)}
  return section | _table1(summary, comparable) | _outputs(run)


def _belongs(unit, run) -> bool:
  row = next(iter(unit.rows.values()))[0]
  backbone = row['backbone'].partition('+')[0]
  return (row['suite'], backbone, row['image_size'], row['normalization'],
          row['protocol']) == (run.key[0], run.key[1], run.key[3], run.key[5],
                               run.key[6]) and (
              row['weights'].partition('+')[0] == run.key[2])


def _of_grid(unit, run) -> bool:
  row = next(iter(unit.rows.values()))[0]
  return row['grid'] == run.key[-1] and 'train_fraction' not in row


def _answer(summary, judged) -> str:
  """Does Head2Toe beat Linear, where, and by how much."""
  wide = statistics.wide(summary, task_lib.GROUPS)
  if not {'linear', 'head2toe'} <= set(wide.index):
    return 'Head2Toe and Linear were not both measured here.'
  gain = wide.loc['head2toe'] - wide.loc['linear']
  by_task = gain[[c for c in gain.index if c[1] != 'mean']]
  interval = next((v.interval for v in judged
                   if v.claim.id == 'head2toe_above_linear'), None)
  groups = ', '.join(f'{group} {gain[group, "mean"]:+.1f}'
                     for group in dict.fromkeys(g for g, _ in gain.index)
                     if group != 'all')
  best, worst = by_task.idxmax(), by_task.idxmin()
  spread = (f' (95 % interval {interval.low:+.1f} to {interval.high:+.1f})'
            if interval else '')
  return (
      f'Head2Toe against Linear: {gain["all", "mean"]:+.1f} points on average'
      f'{spread}, better on {int((by_task > 0).sum())} of {len(by_task)} '
      f'tasks. By group: {groups}. Most on {best[1]} ({by_task[best]:+.1f}), '
      f'least on {worst[1]} ({by_task[worst]:+.1f}).')


def _comparison(summary) -> str:
  """Whether that is the paper's story."""
  ours = frames.group_means(
      {m: t.set_index('task').accuracy_percent
       for m, t in summary.groupby('method')},
      summary.drop_duplicates('task').set_index('task').group)
  ours = ours.set_index('method')
  if not {'linear', 'head2toe'} <= set(ours.index):
    return ''
  theirs = frames.published_accuracies('resnet50')
  means = theirs.groupby(['method', 'group']).percent.mean()
  story = means['head2toe'] - means['linear']
  published = ', '.join(f'{g} {v:+.1f}' for g, v in story.items())
  everything = theirs.groupby('method').percent.mean()
  text = (f'The paper, with other tasks and a ResNet-50: '
          f'{everything.head2toe - everything.linear:+.1f} on average; '
          f'{published}: most where tasks are far from ImageNet, hardly any on '
          'natural ones but SVHN.')
  common = [g for g in story.index if g in ours.columns]
  if len(common) > 1:
    gains = ours.loc['head2toe', common] - ours.loc['linear', common]
    largest = gains.idxmax()
    text += (f' Here the largest gain is on the {largest} group, '
             + ('as there.' if largest == story[common].idxmax()
                else f'there on the {story[common].idxmax()} one.'))
  return text


def _table1(summary, comparable) -> dict[str, Any]:
  """Head and lines of Table 1: a line a task, a column a method."""
  wide = statistics.wide(summary, task_lib.GROUPS)
  spread = statistics.wide(summary, task_lib.GROUPS, 'std_percent')
  affinity = statistics.domain_affinity(wide)
  head = ['task', 'group', *(['affinity'] if len(affinity) else []),
          *(tables.LABELS.get(m, m) for m in wide.index)]
  printed = {}
  if comparable:
    table = frames.published_accuracies(summary.backbone.iloc[0])
    printed = table.set_index(['method', 'task']).percent
  lines = []
  for group, task in wide.columns:
    mean = task == 'mean'
    cells = [_cell(f'mean of {group}' if mean else task), _cell(group)]
    if len(affinity):
      cells.append(_number(affinity[group, task]))
    for method in wide.index:
      cell = _number(wide.loc[method, (group, task)])
      if cell['sort'] != '':
        cell['best'] = wide.loc[method, (group, task)] == wide[
            group, task].max()
        deviation = spread.loc[method, (group, task)]
        if not mean and not pd.isna(deviation):
          cell['below'] = f'± {deviation:.1f}'
        if (method, task) in printed:
          theirs = printed[method, task]
          cell['below'] = (f'{theirs:.1f} '
                           f'{wide.loc[method, (group, task)] - theirs:+.1f}')
      cells.append(cell)
    lines.append({'mean': mean, 'cells': cells})
  return {'head': head, 'lines': lines}


def _cell(text) -> dict[str, Any]:
  return {'text': text, 'sort': text, 'below': '', 'best': False}


def _number(value: float) -> dict[str, Any]:
  if pd.isna(value):
    return _cell('')
  return _cell(f'{value:.1f}') | {'sort': f'{value:.4f}'}


def _claim(line: Mapping[str, Any]) -> dict[str, Any]:
  def number(value):
    return '' if value is None or pd.isna(value) else f'{value:.2f}'
  interval = '' if pd.isna(line['low']) else (
      f'{line["low"]:.2f} to {line["high"]:.2f}')
  return {
      'claim': line['claim'], 'where': line['where'],
      'statistic': line['statistic'], 'published': number(line['published']),
      'measured': number(line['measured']), 'interval': interval,
      'verdict': line['verdict'], 'tasks': line['tasks'], 'rows': line['rows'],
      'mark': {claims.HOLDS: 'holds', claims.FAILS: 'fails'}.get(
          line['verdict'], 'open')}


def _outputs(run: Run) -> dict[str, Any]:
  """Tables and figures of the catalogue that the run has the rows for."""
  present = {r['method'] for r in run.rows[_ACCURACY]}
  is_vit = run.key[1].startswith('vit')
  return _shown(
      [(output, output.measured(run.rows))
       for output in catalogue.OUTPUTS.values()
       if output.name != 'table1' and output.measured
       and output.vit in (None, is_vit)
       and all(run.rows.get(job) for job in output.jobs)
       and set(output.methods) <= present], f'measured: {run.name}')


def _shown(outputs: Iterable[tuple[output_lib.Output, output_lib.Frames]],
           source: str) -> dict[str, Any]:
  """Tables and figures for the template, from where their numbers come."""
  found: dict[str, Any] = {'tables': [], 'figures': []}
  for output, made in outputs:
    if output.draw:
      buffer = io.BytesIO()
      output.picture(made, source).savefig(buffer, format='png', dpi=110)
      found['figures'].append({
          'name': output.name, 'title': output.title,
          'png': base64.b64encode(buffer.getvalue()).decode('ascii'),
          'tables': [_html(t) for t in made.values()]})
    else:
      found['tables'] += [{'title': output.title, 'html': _html(t)}
                          for t in made.values()]
  return found


def _provenance(units, rows):
  """What was run, when there is provenance that names its rows."""
  first = rows[_ACCURACY][0]
  lines = [{'what': 'weights sha256', 'value': first['weights_sha256']}]
  if units:
    facts = [u.facts for u in units]
    commits = sorted({
        f['git']['commit'][:12] + ('+changes' if f['git']['dirty'] else '')
        if f['git'] else 'unknown' for f in facts})
    seconds = {clock: sum(stage[clock] for f in facts
                          for stage in f['seconds'].values())
               for clock in ('wall', 'cpu')}
    lines += [
        {'what': 'commit', 'value': ', '.join(commits)},
        {'what': 'seconds, wall / cpu',
         'value': f'{seconds["wall"]:,.0f} / {seconds["cpu"]:,.0f}'},
        {'what': 'peak memory, GiB', 'value': '{:.1f}'.format(
            max(f['peak_memory_bytes'] for f in facts) / 2 ** 30)},
        # Those of before processors were noted have none.
        {'what': 'machine', 'value': ', '.join(
            facts[0][k] for k in ('processor', 'machine') if k in facts[0])},
        {'what': 'versions', 'value': ', '.join(
            f'{p} {v}' for p, v in facts[0]['packages'].items())},
        {'what': 'command', 'value': ' '.join(facts[0]['command'])}]
  return _html(pd.DataFrame(lines))
