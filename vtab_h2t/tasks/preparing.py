"""Lets TensorFlow Datasets (TFDS) download and prepare data of VTAB-1k.

TFDS takes a file from `<data_dir>/downloads/manual` instead of its host if it
has the name that the data set's list of checksums gives it, for every data set
that has such a list (`DownloadManager._get_manually_downloaded_path` of TFDS
4.9.10), and raises an error unless size and SHA-256 are those of the list.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import importlib.util
import io
import os
import pathlib
import threading

from vtab_h2t import errors
from vtab_h2t.tasks import tfds_source

Progress = Callable[[str, int, int], None]  # Stage, how much is done, in all.

INSTALL = "pip install 'vtab_h2t[vtab]'"

_SECONDS = 1.0  # Between two looks at what is fetched.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trouble:
  """What is known of the host of a data set.

  Attributes:
    what: happens there.
    seen: where that is said.
    is_gone: whether it is down for good, as far as is known.
  """

  what: str
  seen: str
  is_gone: bool = False


_OXFORD = Trouble(
  what='its host, www.robots.ox.ac.uk, has been down',
  seen='https://github.com/pytorch/vision/issues/5925',
)
TROUBLES = {
  'sun397/tfds': Trouble(
    what='its address is gone',
    seen='https://github.com/pytorch/vision/issues/9348',
    is_gone=True,
  ),
  'smallnorb': Trouble(
    what='its host, cs.nyu.edu, has refused downloads',
    seen='https://github.com/tensorflow/datasets/issues/5336',
  ),
  'oxford_flowers102': _OXFORD,
  'oxford_iiit_pet': dataclasses.replace(
    _OXFORD, what='another host of robots.ox.ac.uk has been down'
  ),
  'dtd': _OXFORD,
  'eurosat/rgb': Trouble(
    what='its host, madm.dfki.de, has been down, and torchvision fetches the '
    'same file from elsewhere',
    seen='https://github.com/pytorch/vision/pull/8563',
  ),
  'cifar100': Trouble(
    what='its host, cs.toronto.edu, has been down',
    seen='https://github.com/pytorch/glow/issues/5811',
  ),
  'svhn_cropped': Trouble(
    what='its host, ufldl.stanford.edu, has been down',
    seen='https://github.com/deeplearning4j/deeplearning4j/issues/5169',
  ),
}

# In the lists of checksums, but of earlier versions or other configurations.
_UNUSED = {'caltech101': ('view',), 'eurosat/rgb': ('EuroSATallBands.zip',)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
  """A file that TFDS fetches.

  Attributes:
    name: under which TFDS takes it from `downloads/manual`.
    url: where TFDS fetches it.
    size: in bytes.
    sha256: of its content.
  """

  name: str
  url: str
  size: int
  sha256: str

  def __str__(self) -> str:
    return f'{self.name} ({self.size} bytes, SHA-256 {self.sha256})'


def files_of(source: tfds_source.Source) -> list[File]:
  """The files that TFDS fetches to prepare a data set, by its own list."""
  import tensorflow_datasets as tfds

  listed = tfds.builder_cls(source.name).url_infos or {}
  return [
    File(name=i.filename, url=url, size=int(i.size), sha256=i.checksum)
    for url, i in listed.items()
    if i.filename not in _UNUSED.get(source.spec, ())
  ]


def to_fetch(source: tfds_source.Source, data_dir: pathlib.Path) -> list[File]:
  """Those of the files that are not there yet, by hand or from earlier."""
  from tensorflow_datasets.core.download import resource

  downloads = data_dir / 'downloads'

  def is_there(file: File) -> bool:
    name = resource.get_dl_fname(file.url, file.sha256)
    given = downloads / 'manual' / file.name
    if given.is_file():  # TFDS takes no other; the checksum is left to it.
      return given.stat().st_size == file.size
    return any(
      (folder / name).exists() and (folder / f'{name}.INFO').exists()
      for folder in (downloads / source.name, downloads)
    )

  return [file for file in files_of(source) if not is_there(file)]


def missing_modules(source: tfds_source.Source) -> list[str]:
  """What TFDS's builder of a data set imports and this machine lacks."""
  return [m for m in source.modules if importlib.util.find_spec(m) is None]


def _rest(source: tfds_source.Source, data_dir: pathlib.Path) -> str:
  """A folder that is no prepared data set, but that TFDS takes for one."""
  folder = data_dir / source.spec / source.version
  is_rest = folder.exists() and not tfds_source.find(source, data_dir)
  return str(folder) if is_rest else ''


def _put(wanted: Sequence[File], data_dir: pathlib.Path) -> str:
  """Says which files to put into place by hand."""
  return (
    f'put {", ".join(map(str, wanted))} into {data_dir / "downloads/manual"}'
  )


def by_hand(source: tfds_source.Source, data_dir: pathlib.Path) -> list[str]:
  """What the user has to do before TFDS can prepare a data set, if anything."""
  steps = []
  rest = _rest(source, data_dir)
  if rest:
    steps.append(f'delete {rest}, which has no dataset_info.json')
  modules = missing_modules(source)
  if modules:
    steps.append(f'{INSTALL}, as TFDS needs {", ".join(modules)} for it')
  needed = tfds_source.missing_files(source, data_dir)
  if needed:
    steps.append(f'put {", ".join(needed)} there, from {source.manual_from}')
  trouble = TROUBLES.get(source.spec)
  if trouble and trouble.is_gone:
    wanted = to_fetch(source, data_dir)
    if wanted:
      steps.append(f'{_put(wanted, data_dir)} ({trouble.what}: {trouble.seen})')
  return steps


def outlook(source: tfds_source.Source, data_dir: pathlib.Path) -> str:
  """What a run with --download does, where nothing has to be done before."""
  wanted = to_fetch(source, data_dir)
  if files_of(source) and not wanted:
    return 'a run with --download prepares it from the files that are there'
  text = 'a run with --download fetches and prepares it'
  trouble = TROUBLES.get(source.spec)
  if trouble:
    text += (
      f'; {trouble.what} ({trouble.seen}): should that fail, '
      f'{_put(wanted, data_dir)}'
    )
  return text


def download(
  source: tfds_source.Source,
  data_dir: pathlib.Path,
  progress: Progress | None = None,
) -> bool:
  """Lets TFDS download and prepare a data set, unless it is there.

  Args:
    source: the data set.
    data_dir: TFDS's directory.
    progress: is told how many megabytes are fetched, from another thread too.

  Returns:
    Whether there was anything to do.

  Raises:
    errors.InputError: files that the user must fetch are missing, or a package
      that TFDS needs, a folder is in the way, or downloading or preparing
      failed.
  """
  if tfds_source.find(source, data_dir):
    return False
  rest = _rest(source, data_dir)
  if rest:
    raise errors.InputError(
      f'{rest} is no data set, as it has no dataset_info.json; delete it and '
      'run again'
    )
  needed = tfds_source.missing_files(source, data_dir)
  if needed:
    raise errors.InputError(
      f'{source.spec} needs {", ".join(needed)}; get them from '
      f'{source.manual_from}'
    )
  modules = missing_modules(source)
  if modules:
    raise errors.InputError(
      f'{source.spec} cannot be prepared without {", ".join(modules)}; '
      f'{INSTALL}, then run again'
    )
  import requests
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import download_manager

  tfds.disable_progress_bar()  # Its bars would mingle with the runner's.
  wanted = to_fetch(source, data_dir)
  total = sum(file.size for file in wanted)
  try:
    builder = tfds.builder(f'{source.spec}:{source.version}', data_dir=data_dir)
    with (
      _told(data_dir / 'downloads' / source.name, total, progress),
      contextlib.redirect_stdout(io.StringIO()),  # It prints what it does.
    ):
      builder.download_and_prepare()
  except (
    requests.exceptions.RequestException,
    tfds.download.DownloadError,
  ) as e:
    trouble = TROUBLES.get(source.spec)
    known = f' ({trouble.what}: {trouble.seen})' if trouble else ''
    raise errors.InputError(
      f'{source.spec} could not be downloaded ({_line(e)}){known}; check the '
      'connection and run again'
      + (f', or {_put(wanted, data_dir)}' if wanted else '')
    ) from e
  except download_manager.NonMatchingChecksumError as e:
    raise errors.InputError(
      f'{source.spec} cannot be prepared ({_line(e)}); delete that file or '
      'replace it, and run again'
    ) from e
  # TFDS and what it imports raise anything, and others may still succeed.
  except Exception as e:
    if _is_of_import(e):
      raise errors.InputError(
        f'{source.spec} cannot be prepared ({_line(e)}); {INSTALL}, then run '
        'again'
      ) from e
    raise errors.InputError(
      f'{source.spec} could not be prepared ({type(e).__name__}: {_line(e)}); '
      'mend that and run again'
    ) from e
  return True


def _line(error: BaseException) -> str:
  return ' '.join(str(error).split())


def _is_of_import(error: BaseException | None) -> bool:
  """Whether an ImportError is behind an error, which TFDS may have wrapped."""
  while error is not None:
    if isinstance(error, ImportError):
      return True
    error = error.__cause__
  return False


@contextlib.contextmanager
def _told(
  folder: pathlib.Path, total: int, progress: Progress | None
) -> Iterator[None]:
  """Tells in the meantime how much of what is to be fetched is there.

  TFDS has no call for that, so that the sizes of its files are looked at.

  Args:
    folder: where TFDS puts a data set's files.
    total: bytes to be fetched.
    progress: is told, if there is any.
  """
  if progress is None:
    yield
    return
  before = _size(folder)
  ended = threading.Event()

  def tell() -> None:
    done = _size(folder) - before
    if done < total:
      progress('fetch (MB)', max(done, 0) // 10**6, max(total // 10**6, 1))
    else:
      progress('prepare', 0, 1)

  def watch() -> None:
    while not ended.wait(_SECONDS):
      tell()

  tell()
  thread = threading.Thread(target=watch, daemon=True)
  thread.start()
  try:
    yield
  finally:
    ended.set()
    thread.join()


def _size(folder: pathlib.Path) -> int:
  """Bytes in a folder's files, some of which may vanish meanwhile."""
  found = 0
  for parent, _, names in os.walk(folder):
    for name in names:
      with contextlib.suppress(OSError):
        found += os.stat(os.path.join(parent, name)).st_size
  return found
