"""READMEs of folders that are of no run: printed numbers, toy problems."""

from collections.abc import Iterable, Sequence
import pathlib

from vtab_h2t import files
from vtab_h2t.report import catalogue
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import run_readme
from vtab_h2t.report import toy_figures

_IS_THERE = 'The figure is there'
_MARK = '<!-- Made by the commands below, which write over changes. -->'


def write(folder: pathlib.Path, text: str) -> pathlib.Path:
  """Writes the README of a folder; returns its path."""
  path = folder / run_readme.NAME
  with files.atomic_write(path) as f:
    f.write(text)
  return path


def of_the_paper(folder: pathlib.Path) -> str:
  """What a folder has of the tables and figures of printed numbers.

  Args:
    folder: where `python -m runners.reproduce --source=published` and that of
      `runners.companions` leave them.
  """
  made = {
    program: [o for o in outputs.values() if o.published and o.is_at(folder)]
    for program, outputs in (
      ('reproduce', catalogue.OUTPUTS),
      ('companions', catalogue.COMPANIONS),
    )
  }
  outputs = [o for some in made.values() for o in some]
  return _markdown(
    "The papers' tables and figures, made of printed numbers",
    'Nothing here was measured. These are the tables and figures of Head2Toe '
    'and of the companion papers that the numbers printed in the papers '
    'suffice for, and what those numbers say of the claims.',
    [
      f'python -m runners.{program} --source=published'
      for program, some in made.items()
      if some
    ],
    [
      run_readme.figure(o.title, o.shows, _place(o, folder), _IS_THERE)
      for o in outputs
      if o.draw is not None
    ],
    [f'[{o.title}]({_place(o, folder)}.md)' for o in outputs if o.draw is None],
  )


def of_toys() -> str:
  """What `runners.toys` leaves in a folder."""
  return _markdown(
    "The companion papers' toy problems",
    'Three papers on fine-tuning (LP-FT, surgical fine-tuning and head '
    'probing) have toy problems, networks of two linear layers of which '
    'everything is known exactly. This is what was found when they were '
    'solved, each on some random problems (seeds). `docs/companions.md` says '
    "what the papers claim, and the report's first page what is to be said of "
    'the claims on these problems.',
    ['python -m runners.toys'],
    [
      run_readme.figure(f.title, f.shows, f.name, _IS_THERE)
      for f in toy_figures.FIGURES
    ],
    [
      '[What is predicted beside what was measured](predictions.csv), where '
      'a paper gives it in closed form: LP-FT, SURG and HP are the three '
      'papers, with the number of the problem',
      *(
        f'[{f.title}]({f.name}.csv), the numbers of the figure by seed'
        for f in toy_figures.FIGURES
      ),
    ],
  )


def _place(output: output_lib.Output, folder: pathlib.Path) -> str:
  """The path of an output's files from their folder, without an ending."""
  place = output.folder(folder) / output.name
  return place.relative_to(folder).as_posix()


def _markdown(
  title: str,
  about: str,
  commands: Sequence[str],
  figures: Iterable[str],
  tables: Sequence[str],
) -> str:
  """A README; its tables are links."""
  parts = [
    f'# {title}',
    _MARK,
    about,
    'Made by\n\n' + '\n'.join(f'    {command}' for command in commands),
    *figures,
    '## Tables' if tables else '',
    '\n'.join(f'- {table}.' for table in tables),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'
