"""Runs and their rows on disk: JSON lines that hold only what determines them.

A work directory has

  features/<key>/                       feature stores, shared by all runs
  <run's name>/
    run.json                            the run, in full
    rows/<task>/<method>.jsonl          result rows
    studies/<task>/<study>.jsonl        the same of studies
    provenance/<task>-<number>.json     when, where and how long
    manifests/<task>.json               which examples; see `tasks.manifest`
    unfinished/<task>-<method>/         single trainings, while unfinished
    table1.md, figures/ and so on       what was made of the rows

A rows file appears whole, by a rename. Its first line says which run, task and
method it is of, what else its rows follow from, and the checksum of the others.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.methods import interface
from vtab_h2t.protocol import run as run_lib

SCHEMA = 3

Row = dict[str, Any]

FIELDS = interface.FIELDS  # Of every row.
# What the first line of a rows file has.
_HEAD = ('schema', 'run', 'task', 'file', 'inputs', 'sha256')
_AGAIN = 'delete it to measure again'


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
  """What one measurement of a task left.

  Attributes:
    facts: its provenance.
    rows: those of each method that it measured.
    manifest: the examples; see `tasks.manifest.describe`.
  """

  facts: dict[str, Any]
  rows: dict[str, list[Row]]
  manifest: dict[str, Any]


class Folder:
  """The folder of one run.

  Attributes:
    run: the run.
    path: the folder.
  """

  def __init__(self, run: run_lib.Run, path: pathlib.Path) -> None:
    self.run = run
    self.path = path

  def rows_path(self, task: str, kind: str, file: str) -> pathlib.Path:
    """Where rows are, or will be: 'rows' or 'studies', and a method's file."""
    return self.path / kind / task / f'{file}.jsonl'

  def unfinished(self, task: str, method: str) -> pathlib.Path:
    """Where a method that trains the backbone keeps unfinished work."""
    return self.path / 'unfinished' / f'{task}-{method}'

  @property
  def sources(self) -> pathlib.Path:
    """Where networks are kept that were trained on the sources of tasks."""
    return self.path / 'sources'

  def read(self, path: pathlib.Path, inputs: str | None = None) -> list[Row]:
    """The rows of a file; none if it is not there.

    Args:
      path: of `rows_path`.
      inputs: what else rows must follow from, as `write` was given it.

    Raises:
      errors.InputError: the file is damaged or was changed, is of another run,
        or its rows follow from something else.
    """
    try:
      data = path.read_bytes()
    except FileNotFoundError:
      return []
    first, _, rest = data.partition(b'\n')
    try:
      head = json.loads(first)
      found = [head[k] for k in _HEAD]
      is_whole = first.decode() == files.canonical_json(dict(zip(_HEAD, found)))
    except (ValueError, KeyError, TypeError, RecursionError) as e:
      raise errors.InputError(
        f'{path} does not begin as a rows file does; {_AGAIN}'
      ) from e
    schema, run, task, file, found_inputs, checksum = found
    if not is_whole or files.sha256(rest) != checksum:
      raise errors.InputError(
        f'{path} was changed since it was written (another checksum); {_AGAIN}'
      )
    if (schema, run) != (SCHEMA, self.run.id):
      raise errors.InputError(
        f'{path} is of the run {run} (schema {schema}), but its folder is of '
        f'{self.run.id} (schema {SCHEMA}); move it away'
      )
    if (task, file) != (path.parent.name, path.stem):
      raise errors.InputError(f'{path} holds rows of {task}/{file}; {_AGAIN}')
    if inputs not in (None, found_inputs):
      raise errors.InputError(
        f'{path} was measured on other examples or by another version of '
        f'this package; {_AGAIN}, or choose another --workdir'
      )
    return [json.loads(line) for line in rest.splitlines()]

  def write(self, path: pathlib.Path, inputs: str, rows: Sequence[Row]) -> None:
    """Writes rows, all or none.

    Args:
      path: of `rows_path`.
      inputs: a fingerprint of what they follow from besides the run.
      rows: the rows.
    """
    text = ''.join(f'{_json(row)}\n' for row in rows)
    head = {
      'schema': SCHEMA,
      'run': self.run.id,
      'task': path.parent.name,
      'file': path.stem,
      'inputs': inputs,
      'sha256': files.sha256(text.encode()),
    }
    with files.atomic_write(path) as f:
      f.write(f'{files.canonical_json(head)}\n{text}')

  def write_provenance(self, task: str, facts: Mapping[str, Any]) -> None:
    """Writes when, where and how fast a task was measured."""
    name = f'{task}-{files.fingerprint(facts)[:8]}.json'
    with files.atomic_write(self.path / 'provenance' / name) as f:
      json.dump({'task': task, **facts}, f, indent=1, sort_keys=True)
      f.write('\n')

  def write_manifest(self, manifest: Mapping[str, Any]) -> None:
    """Writes what `tasks.manifest.describe` gave."""
    path = self.path / 'manifests' / f'{manifest["task"]}.json'
    text = files.canonical_json(manifest) + '\n'
    if not path.exists() or path.read_text(encoding='utf-8') != text:
      with files.atomic_write(path) as f:
        f.write(text)

  def rows(self) -> list[Row]:
    """All rows of the run, in the order of their files' paths.

    Raises:
      errors.InputError: as `read` raises.
    """
    return [
      row
      for kind in ('rows', 'studies')
      for path in sorted((self.path / kind).rglob('*.jsonl'))
      for row in self.read(path)
    ]

  def measurements(self) -> Iterator[Measurement]:
    """All that provenance tells of, in the order of its files' names.

    Raises:
      errors.InputError: a file is damaged, or one that it names is missing.
    """
    for path in sorted((self.path / 'provenance').glob('*.json')):
      try:
        facts = json.loads(path.read_text(encoding='utf-8'))
        paths = {
          method: self.path / file for method, file in facts['rows'].items()
        }
        rows = {method: self.read(file) for method, file in paths.items()}
        manifest = json.loads(
          (self.path / 'manifests' / f'{facts["task"]}.json').read_text(
            encoding='utf-8'
          )
        )
        for file in paths.values():
          file.stat()
      except (
        FileNotFoundError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
      ) as e:
        raise errors.InputError(
          f'what {path} belongs to cannot be read ({e}); delete it to leave '
          'it out'
        ) from e
      yield Measurement(facts, rows, manifest)


class Ledger:
  """The runs of a work directory."""

  def __init__(self, workdir: str | os.PathLike[str]) -> None:
    """Opens a work directory, which need not be there yet.

    Raises:
      errors.InputError: it is no directory, or an earlier version wrote it.
    """
    self.workdir = pathlib.Path(workdir)
    if self.workdir.exists() and not self.workdir.is_dir():
      raise errors.InputError(
        f'work directory {workdir} is not a directory; choose another --workdir'
      )
    if (self.workdir / 'schema.json').exists():
      raise errors.InputError(
        f'work directory {workdir} was written by an earlier version, whose '
        'rows do not say which run they are of; choose another --workdir'
      )

  @property
  def features(self) -> pathlib.Path:
    """Where feature stores are kept."""
    return self.workdir / 'features'

  def folders(self) -> list[Folder]:
    """The runs that there are, by name.

    Raises:
      errors.InputError: a run.json is damaged.
    """
    return [
      self._folder(path.parent)
      for path in sorted(self.workdir.glob('*/run.json'))
    ]

  def _folder(self, path: pathlib.Path) -> Folder:
    try:
      value = json.loads((path / 'run.json').read_text(encoding='utf-8'))
      run = run_lib.from_json(value['run'], path.name)
      if value['id'] != run.id:
        raise ValueError('another id')
    except (
      ValueError,
      KeyError,
      TypeError,
      AttributeError,
      RecursionError,
    ) as e:
      raise errors.InputError(
        f'{path / "run.json"} is damaged or of another version ({e}); move '
        'the folder away, or choose another --workdir'
      ) from e
    return Folder(run, path)

  def find(self, run: run_lib.Run) -> Folder | None:
    """The folder of an equal run, whatever its name; None if there is none.

    Raises:
      errors.InputError: the run was given another name before, or another run
        has its name.
    """
    folders = self.folders()
    for folder in folders:
      if folder.run == run:
        # That of a derived run follows from its parent's, whatever it was.
        if run.parent is None and run.chosen_name not in (
          None,
          folder.path.name,
        ):
          raise errors.InputError(
            f'this run is in {folder.path} already; leave out '
            f'--run_name={run.chosen_name}, or choose another --workdir'
          )
        return folder
    for folder in folders:
      if folder.path.name == run.name:
        different = run_lib.differences(folder.run, run)
        raise errors.InputError(
          f'{folder.path} is of another run; choose another --run_name. '
          f'Different are {"; ".join(different[:4])}'
          + (f' and {len(different) - 4} more' if different[4:] else '')
        )
    return None

  def open(self, run: run_lib.Run) -> Folder:
    """The folder of a run; it is made if it is not there.

    Raises:
      errors.InputError: as `find` raises.
    """
    found = self.find(run)
    if found is not None:
      return found
    path = self.workdir / run.name
    with files.atomic_write(path / 'run.json') as f:
      json.dump(
        {'id': run.id, 'run': run.as_json()}, f, indent=1, sort_keys=True
      )
      f.write('\n')
    return Folder(dataclasses.replace(run, chosen_name=path.name), path)


def is_study(method: interface.Measured) -> bool:
  """Whether its rows are among the studies'."""
  return method.folder == 'studies'


def _json(row: Row) -> str:
  """A row as JSON with sorted fields; what is in a field keeps its order.

  So taps in it stay in the order of their depth.
  """
  return json.dumps(
    dict(sorted(row.items())), separators=(',', ':'), allow_nan=False
  )
