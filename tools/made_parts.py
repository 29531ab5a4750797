r"""Parts of pages that are made from results; the rest is written by hand.

python -m tools.made_parts

A part begins with `<!-- made: NAME ARGUMENTS -->`, ends with `<!-- end -->`,
and is made again where it stands. Most arguments are names of runs.
"""

from collections.abc import Callable
import pathlib
import re
from typing import Any

import pandas as pd

from tools import house
from tools import parts_of_method
from tools import parts_on_training
from vtab_h2t import files
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import claim_numbers
from vtab_h2t.report import contradictions
from vtab_h2t.report import headline
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import papers
from vtab_h2t.report import readable
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import summary
from vtab_h2t.report import tables

RESULTS = house.ROOT / 'results'
PAGES = (
  RESULTS / 'README.md',
  house.ROOT / 'docs' / 'findings.md',
  house.ROOT / 'docs' / 'paper.md',
)
_PART = re.compile(
  r'^<!-- made: (.*?) -->\n.*?^<!-- end -->$', re.DOTALL | re.MULTILINE
)


def renewed(
  text: str, measured: results_lib.Measured, place: pathlib.Path
) -> str:
  """A page with its parts made again.

  Args:
    text: the page.
    measured: the results of each run, by its name.
    place: the folder of the page, from which links lead.

  Raises:
    KeyError: a part, or a run, is not known.
  """

  def part(found: re.Match[str]) -> str:
    name, *arguments = found[1].split()
    made = _PARTS[name](measured, place, *arguments).strip()
    return f'<!-- made: {found[1]} -->\n\n{made}\n\n<!-- end -->'

  return _PART.sub(part, text)


def _answer(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """What a run says, a sentence a line of a list."""
  return summary.listed(measured[run], place)


def _key_numbers(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  return summary.key_numbers(measured[run], place)


def _index(measured: results_lib.Measured, place: pathlib.Path) -> str:
  return summary.index(list(measured.values()), place)


def _means(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  del place
  return summary.means(measured[run])


def _paper_claims(measured: results_lib.Measured, place: pathlib.Path) -> str:
  del measured, place
  return summary.paper_claims()


def _claims(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  del place
  return summary.judged_claims(measured[run])


def _successors(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """Later methods beside Head2Toe: points, interval, seconds of the search."""
  del place
  results = measured[run]
  (table,) = catalogue.OUTPUTS['successors'].of_results(results).values()
  # Of a single task the numbers are counts, and rounded they would not add up.
  digits = 2 if table.tasks.max() == 1 else 1
  lines = pd.DataFrame(
    {
      'method': [tables.LABELS.get(m, m) for m in table.method],
      'accuracy (%)': [f'{v:.{digits}f}' for v in table.accuracy_percent],
      'points above Head2Toe': [
        '' if method == standing.REFERENCE else f'{points:+z.{digits}f}'
        for method, points in zip(table.method, table.points)
      ],
      '95 % interval': [
        ''
        if pd.isna(low)
        else f'{numerals.signed(low)} to {numerals.signed(high)}'
        for low, high in zip(table.low, table.high)
      ],
      'CPU seconds of the search': [
        '' if pd.isna(v) else f'{v:.3g}' for v in table.choose_cpu_seconds
      ],
    }
  )
  return lines.to_markdown(index=False, disable_numparse=True)


def _by_task(
  measured: results_lib.Measured, place: pathlib.Path, run: str
) -> str:
  """Methods by the accuracy on each task, and the seconds of the search."""
  del place
  summary = statistics.summarise(measured[run].of('accuracy'))
  wide = summary.pivot(
    index='method', columns='task', values='accuracy_percent'
  )
  (later,) = catalogue.OUTPUTS['successors'].of_results(measured[run]).values()
  seconds = later.set_index('method').choose_cpu_seconds
  methods = [m for m in tables.LABELS if m in wide.index]
  lines = pd.DataFrame(
    {'method': [tables.LABELS[m] for m in methods]}
    | {
      f'{task} (%)': ['' if v != v else f'{v:.2f}' for v in wide[task][methods]]
      for task in summary.task.unique()
    }
    | {
      'CPU seconds of the search': [
        f'{seconds[m]:.3g}' if m in seconds else '' for m in methods
      ]
    }
  )
  return lines.to_markdown(index=False, disable_numparse=True)


def _output(
  measured: results_lib.Measured, place: pathlib.Path, run: str, name: str
) -> str:
  """The numbers of an output of a run, as a table."""
  del place
  frames = catalogue.OUTPUTS[name].of_results(measured[run])
  return readable.markdown(frames[name].drop(columns='tasks', errors='ignore'))


def _verdicts(
  measured: results_lib.Measured, place: pathlib.Path, run: str, *ids: str
) -> str:
  """Claims of the paper with a run's numbers and verdicts, as a list."""
  del place
  found = {v.claim.id: v for v in judging.verdicts(measured[run])}
  said = []
  for one in (found[i] for i in ids):
    assert one.interval is not None
    said.append(
      f'- "{one.claim.sentence[:-1]}" {judging.WORDS[one.verdict][0]}: '
      f'{readable.with_interval(one.interval)}. '
      f'The number is: {one.claim.text}.'
    )
  return '\n'.join(said)


def _ties(measured: results_lib.Measured, place: pathlib.Path, run: str) -> str:
  """How many of the other methods tie with Head2Toe."""
  del place
  found = standing.of_run(measured[run])
  counts = {
    reading: len(standing.read_as(found, reading))
    for reading in (standing.BETTER, standing.TIE, standing.WORSE)
  }
  without = len(found) - sum(counts.values())
  has = 'has' if without == 1 else 'have'
  return (
    f'Of the {len(found)} other methods of this run '
    f'{counts[standing.BETTER] or "none"} came out better than Head2Toe, '
    f'{counts[standing.TIE] or "none"} tie with it, '
    + ('' if without else 'and ')
    + f'{counts[standing.WORSE] or "none"} came out worse'
    + (f', and {without} {has} no verdict.' if without else '.')
  )


def _contradictions(measured: results_lib.Measured, place: pathlib.Path) -> str:
  """All of them: what the text says, and what the tables say."""
  del measured, place
  table = contradictions.table()
  lines = pd.DataFrame(
    {
      'what the text says': table.text,
      'what the tables say': contradictions.answers(table),
    }
  )
  return lines.to_markdown(index=False, disable_numparse=True)


def _refuted(
  measured: results_lib.Measured, place: pathlib.Path, backbone: str
) -> str:
  """Claims that the paper's own tables do not bear out."""
  del measured, place
  judged = judging.of_paper(backbone)
  failing = judged[judged.verdict == judging.FAILS]
  counts = judged.verdict.value_counts()
  said = [
    f'{counts[verdict]} {words[int(counts[verdict] > 1)]}'
    for verdict, words in judging.WORDS.items()
    if verdict in counts
  ]
  return (
    f'Of {len(judged)} claims {headline.enumerated(said)}. '
    'Those that do not hold, in the words of this project, each with its '
    'statistic, which is above 0 where a claim holds:\n\n'
    + '\n'.join(
      f'- {line.claim.rstrip(".")} ({line.where}'
      + (
        ''
        if papers.LABELS[backbone] in line.of.split(', ')
        else f'; the paper says it of the {line.of} only'
      )
      + f'). {line.statistic[0].upper()}{line.statistic[1:]}: '
      f'{_number(line)}.'
      for line in failing.itertuples()
    )
  )


def _number(line: Any) -> str:
  """A claim's statistic, with its 95 % interval where it has one."""
  digits = claim_numbers.digits(line._asdict())
  text = numerals.number(line.measured, digits)
  if not line.low < line.high:
    return text
  low, high = (numerals.number(end, digits) for end in (line.low, line.high))
  return f'{text}, 95 % interval {low} to {high}'


_PARTS: dict[str, Callable[..., str]] = {
  'affinity': parts_on_training.affinity,
  'answer': _answer,
  'by_task': _by_task,
  'changed': parts_of_method.changed,
  'claims': _claims,
  'coefficients': parts_of_method.coefficients,
  'contradictions': _contradictions,
  'fewer_images': parts_of_method.fewer_images,
  'fine_tuning': parts_on_training.fine_tuning,
  'index': _index,
  'key_numbers': _key_numbers,
  'means': _means,
  'one_layer': parts_of_method.one_layer,
  'output': _output,
  'paper_claims': _paper_claims,
  'ranking': parts_of_method.ranking,
  'refuted': _refuted,
  'selection': parts_of_method.selection,
  'successors': _successors,
  'ties': _ties,
  'tuned_after_selection': parts_on_training.tuned_after_selection,
  'verdicts': _verdicts,
}


def main() -> None:
  measured = {
    one.run.name: one
    for one in results_lib.read_all(ledger_lib.Ledger(RESULTS))
  }
  for page in PAGES:
    text = renewed(page.read_text('utf-8'), measured, page.parent)
    with files.atomic_write(page) as f:
      f.write(text)


if __name__ == '__main__':
  main()
