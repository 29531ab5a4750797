"""Result rows on disk: JSON lines that hold only what the inputs determine.

A work directory has

  schema.json                                     which schema wrote it
  features/<key>/                                 feature stores
  runs/<key>/                                     single runs, while unfinished
  rows/<suite>/<backbone>/<task>/<method>-<fingerprint>.jsonl
  provenance/<suite>/<backbone>/<task>-<fingerprint>.json
  manifests/<suite>/<task>-<fingerprint>.json     which examples; see `manifest`

A rows file appears whole, by a rename, and is never changed; its fingerprint
covers everything that determines its rows.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

from vtab_h2t import errors
from vtab_h2t import files

SCHEMA = 2

Row = dict[str, Any]

# What every row has; hyper-parameters are added as the method has them.
FIELDS = ('schema', 'protocol', 'suite', 'backbone', 'weights',
          'weights_sha256', 'image_size', 'resize', 'taps',
          'cls_pooling', 'task', 'group', 'manifest_sha256', 'normalization',
          'grid', 'method', 'fold', 'seed', 'split', 'correct', 'total')


@dataclasses.dataclass(frozen=True, eq=False)
class Unit:
  """What one run of a work unit left.

  Attributes:
    facts: its provenance.
    rows: those of each method that it measured.
    manifest: the examples; see `tasks.manifest.describe`.
  """

  facts: dict[str, Any]
  rows: dict[str, list[Row]]
  manifest: dict[str, Any]


class Ledger:
  """The rows of a work directory."""

  def __init__(self, workdir: str | os.PathLike[str]):
    """Opens or makes a work directory.

    Raises:
      errors.InputError: another schema wrote it, or it cannot be made.
    """
    self.workdir = pathlib.Path(workdir)
    marker = self.workdir / 'schema.json'
    try:
      with open(marker, encoding='utf-8') as f:
        found = json.load(f)['schema']
    except FileNotFoundError:
      found = SCHEMA
      try:
        with files.atomic_write(marker) as f:
          json.dump({'schema': SCHEMA}, f)
      except (FileExistsError, NotADirectoryError) as e:
        raise errors.InputError(
            f'work directory {workdir} is not a directory; choose another '
            '--workdir') from e
    except (ValueError, KeyError, TypeError, NotADirectoryError) as e:
      raise errors.InputError(
          f'{marker} is not this project\'s; choose another --workdir') from e
    if found != SCHEMA:
      raise errors.InputError(
          f'work directory {workdir} was written by schema {found}, this '
          f'version writes {SCHEMA}; choose another --workdir')

  @property
  def features(self) -> pathlib.Path:
    """Where feature stores are kept."""
    return self.workdir / 'features'

  @property
  def runs(self) -> pathlib.Path:
    """Where methods that train the backbone keep unfinished work."""
    return self.workdir / 'runs'

  def rows_path(self, inputs: Mapping[str, Any]) -> pathlib.Path:
    """The file of the rows that `inputs` determine.

    Args:
      inputs: everything that determines them, JSON values, with at least
        'suite', 'backbone', 'task' and 'method'.
    """
    name = f'{inputs["method"]}-{files.fingerprint(inputs)[:16]}.jsonl'
    return (self.workdir / 'rows' / inputs['suite'] / inputs['backbone']
            / inputs['task'] / name)

  def read(self, inputs: Mapping[str, Any]) -> list[Row] | None:
    """The rows that `inputs` determine, or None if they are not there."""
    try:
      return self._read(self.rows_path(inputs))
    except FileNotFoundError:
      return None

  def _read(self, path) -> list[Row]:
    try:
      with open(path, encoding='utf-8') as f:
        rows = [json.loads(line) for line in f]
    except ValueError as e:
      raise errors.InputError(
          f'{path} is damaged ({e}); delete it to measure again') from e
    for row in rows:
      missing = [k for k in FIELDS if k not in row]
      if missing:
        raise errors.InputError(
            f'{path} lacks {missing[0]}; delete it to measure again')
      named = tuple(row[k] for k in ('suite', 'backbone', 'task', 'method'))
      if named != (*path.parts[-4:-1], path.name.rpartition('-')[0]):
        raise errors.InputError(
            f'{path} holds rows of {"/".join(map(str, named))}; delete it to '
            'measure again')
    return rows

  def write(self, inputs: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Writes the rows that `inputs` determine, all or none."""
    with files.atomic_write(self.rows_path(inputs)) as f:
      for row in rows:
        f.write(files.canonical_json(row) + '\n')

  def write_provenance(self, inputs: Mapping[str, Any],
                       facts: Mapping[str, Any]) -> None:
    """Writes what a run of a work unit was: times, versions, command."""
    path = (self.workdir / 'provenance' / inputs['suite'] / inputs['backbone']
            / f'{inputs["task"]}-{files.fingerprint(inputs)[:16]}.json')
    with files.atomic_write(path) as f:
      json.dump(facts, f, indent=1, sort_keys=True)
      f.write('\n')

  def rows(self) -> list[Row]:
    """All rows of the work directory, in the order of their files' paths.

    Raises:
      errors.InputError: a file is damaged.
    """
    return [row for path in sorted((self.workdir / 'rows').rglob('*.jsonl'))
            for row in self._read(path)]

  def units(self) -> Iterator[Unit]:
    """All runs whose provenance names its rows, in the order of their paths.

    Raises:
      errors.InputError: a file is damaged, or one that it names is missing.
    """
    root = self.workdir / 'provenance'
    for path in sorted(root.rglob('*.json')):
      try:
        yield from self._unit(path, path.parent.relative_to(root))
      except (FileNotFoundError, ValueError) as e:
        raise errors.InputError(
            f'what {path} belongs to cannot be read ({e}); delete it to leave '
            'it out') from e

  def _unit(self, path, folder):
    with open(path, encoding='utf-8') as f:
      facts = json.load(f)
    task = path.name.rpartition('-')[0]
    folder = self.workdir / 'rows' / folder / task
    rows = {method: self._read(folder / name) for method, name in zip(
        facts['methods'], facts.get('rows', ()))}
    if rows:
      first = next(iter(rows.values()))[0]
      with open(self._manifest_path(
          first['suite'], task, first['manifest_sha256']),
                encoding='utf-8') as f:
        yield Unit(facts, rows, json.load(f))

  def _manifest_path(self, suite, task, sha256):
    return self.workdir / 'manifests' / suite / f'{task}-{sha256[:16]}.json'

  def write_manifest(self, manifest: Mapping[str, Any]) -> None:
    """Writes what `tasks.manifest.describe` gave, unless it is there."""
    path = self._manifest_path(
        manifest['suite'], manifest['task'], manifest['sha256'])
    if not path.exists():
      with files.atomic_write(path) as f:
        f.write(files.canonical_json(manifest) + '\n')
