"""What every runner shares: list flags, errors as one line, a quiet start."""

from collections.abc import Callable, Sequence
import errno
import os
import pathlib
import re
import signal
import sys
import textwrap
from typing import NoReturn, TYPE_CHECKING
import warnings

from absl import app
from absl import flags
from absl import logging

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import published

from . import progress as progress_lib
from . import stopping

if TYPE_CHECKING:
  from vtab_h2t.report import output as output_lib
  from vtab_h2t.report import results as results_lib

PUBLISHED_FOLDER = 'published'  # The paper's numbers, in a work directory.


def run(main: Callable[[], None], first: Sequence[str] = ()) -> None:
  """Runs a program: stray arguments are a usage error, bad input one line.

  `--help` shows the program's docstring and its flags.

  Args:
    main: the program.
    first: the flags that most people need, which --help shows first.

  Warnings of libraries are not shown, unless Python is asked to (-W).

  Exit status 0 if `main` returns, 1 for bad input or a failing disk (a line on
  stderr says which), 128 and the number of the signal when stopped by one.
  """

  def wrapped(argv: Sequence[str]) -> None:
    if len(argv) > 1:
      raise app.UsageError(f'unexpected argument {argv[1]!r}')
    _guarded(main)

  if {'--help', '-h'} & set(sys.argv[1:]):
    _guarded(lambda: print(help_text(main, first)))
    sys.exit(0)
  if not sys.warnoptions:
    warnings.simplefilter('ignore')
  app.run(wrapped, flags_parser=_parse)


def _guarded(main: Callable[[], None]) -> None:
  """Runs a program; what ends it is a line on stderr and an exit status."""
  try:
    with stopping.on_signals():
      main()
      sys.stdout.flush()
  except errors.InputError as e:
    fail(str(e))
  except BrokenPipeError:
    # Who reads has enough. What is still to be written goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)
  except OSError as e:
    if e.errno == errno.ENOSPC:
      fail(
        f'the disk is full while writing {e.filename or "results"}; make '
        f'room; {stopping.kept(e)}'
      )
    fail(
      f'{e.strerror or e}: {e.filename or "?"}; check that the path '
      'exists and is writable'
    )
  except KeyboardInterrupt as e:
    print(f'interrupted; {stopping.kept(e)}', file=sys.stderr)
    sys.exit(128 + signal.SIGINT)
  except stopping.Stopped as e:
    print(f'stopped by {e}; {stopping.kept(e)}', file=sys.stderr)
    sys.exit(128 + e.number)


def _parse(arguments: Sequence[str]) -> list[str]:
  """Reads the flags, plugins included; what is wrong with them is one line."""
  try:
    return flags.FLAGS(arguments)
  except (flags.Error, errors.InputError) as e:
    fail(str(e))


def help_text(main: Callable[[], None], first: Sequence[str]) -> str:
  """What --help shows: each flag of a program in a line or two.

  Args:
    main: the program.
    first: the flags that come first, in this order.
  """
  module = sys.modules[main.__module__]
  name = 'runners.' + (
    os.path.basename(module.__file__ or '').removesuffix('.py')
  )
  key = {
    flag.name: flag
    for flag in flags.FLAGS.get_key_flags_for_module(
      module if main.__module__ != '__main__' else sys.argv[0]
    )
  }
  first = [n for n in first if n in key] or list(key)
  rest = [n for n in key if n not in first]
  parts = [
    (module.__doc__ or '').strip(),
    f'\nFlags of {name}:',
    *(_flag_text(key[n]) for n in first),
  ]
  if rest:
    parts += ['\nSeldom needed:', *(_flag_text(key[n]) for n in rest)]
  text = '\n'.join(parts) + '\n\n--flagfile=FILE reads flags from a file.'
  return as_called(text)


def as_called(text: str) -> str:
  """A text with commands as they are called here.

  Where the package is installed and no checkout is at hand, there is no module
  `runners`, and `vtab-h2t NAME` is what `python -m runners.NAME` is.
  """
  if __package__ == 'runners':
    return text
  return re.sub(r'\bpython -m runners\.(?=\w)', 'vtab-h2t ', text)


def _flag_text(flag: flags.Flag) -> str:
  """A flag, its default, and what it is."""
  default = (
    ''
    if flag.default in (None, '', [])
    else (flag.default_as_str or '').strip("'")
  )
  name = f'--[no]{flag.name}' if flag.boolean else f'--{flag.name}={default}'
  return textwrap.fill(
    ' '.join(f'{name}  {flag.help}'.split(' ')),
    100,
    initial_indent='  ',
    subsequent_indent='      ',
  )


def fail(message: str) -> NoReturn:
  """Prints one error line and exits with status 1."""
  print('error: ' + as_called(' '.join(message.split())), file=sys.stderr)
  sys.exit(1)


def check_choices(flag: str, choices: Sequence[str]) -> None:
  """Every item of a list flag must be one of `choices`."""

  def check(values: Sequence[str] | None) -> bool:
    for value in values or ():
      if value not in choices:
        raise flags.ValidationError(
          f'unknown value {value!r}; choose from {", ".join(choices)}'
        )
    return True

  flags.register_validator(flag, check)


def publish(
  outputs: 'Sequence[output_lib.Output]', workdir: str | os.PathLike[str]
) -> None:
  """Makes outputs of printed numbers, those that they suffice for.

  A README beside them shows all that the folder has.

  Args:
    outputs: which.
    workdir: the work directory.
  """
  from vtab_h2t.report import folder_readme

  folder = pathlib.Path(workdir, PUBLISHED_FOLDER)
  for output in outputs:
    if output.published:
      frames = output.of_paper()
      output.show(frames, published.SOURCE)
      _list(output.name, output.write(frames, folder, published.SOURCE))
  folder_readme.write(folder, folder_readme.of_the_paper(folder))


def show(
  output: 'output_lib.Output',
  view: 'results_lib.Results',
  whole: 'results_lib.Results',
) -> None:
  """Prints an output of what was asked for, and writes it of all there is.

  Args:
    output: which.
    view: what was asked for.
    whole: all that the run has.
  """
  from vtab_h2t.report import run_names

  output.show(output.of_results(view), run_names.label(view.run))
  _list(output.name, output.write_results(whole))


def _list(name: str, paths: Sequence[pathlib.Path]) -> None:
  print('\n'.join(f'{name}: {path}' for path in paths))


def prepare_tensorflow(require_gpu: bool = False) -> None:
  """Imports TensorFlow, without its start-up chatter, and sets determinism.

  Args:
    require_gpu: whether it is an error if no GPU computes.

  Raises:
    errors.InputError: there is none.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  sys.stderr.flush()
  kept = os.dup(2)
  with open(os.devnull, 'w') as nowhere:
    os.dup2(nowhere.fileno(), 2)
  try:
    import tensorflow as tf
  finally:
    os.dup2(kept, 2)
    os.close(kept)
  devices.keep_freed_memory()
  logging.set_verbosity(logging.WARNING)  # TFDS tells of each file it reads.
  # Else it warns of the few retracings by which loops learn to fit all shapes.
  tf.get_logger().setLevel('ERROR')
  tf.config.experimental.enable_op_determinism()
  if require_gpu:
    devices.check_gpu()


def say_devices(text: str | None = None) -> None:
  """Tells on stderr, in a line, what the work that begins is done by.

  Args:
    text: says it; by default the devices that TensorFlow deals work to.
  """
  print(f'computes on {text or devices.summary()}', file=sys.stderr)


def download(
  names: Sequence[str], data_dir: str | os.PathLike[str] | None
) -> list[str]:
  """Lets TFDS prepare the data sets of tasks of VTAB-1k, one after the other.

  Those that are prepared are left alone, and one that fails does not stop the
  others. Prints a line for each at the end.

  Args:
    names: task ids.
    data_dir: TFDS's directory; None for its default.

  Returns:
    The data sets that failed, as TFDS names them.
  """
  from vtab_h2t.tasks import preparing
  from vtab_h2t.tasks import tfds_source
  from vtab_h2t.tasks import vtab

  root = tfds_source.root(data_dir)
  sources = vtab.sources(names)
  found = {}
  with progress_lib.Progress(len(sources), 'data sets') as progress:
    for source in sources:
      progress.start(source.spec)
      try:
        was_made = preparing.download(source, root, progress.stage)
      except errors.InputError as e:
        found[source.spec] = 'failed', str(e)
      else:
        status = 'prepared' if was_made else 'was there'
        found[source.spec] = status, str(tfds_source.find(source, root))
      progress.finish(f'{source.spec}: {found[source.spec][0]}')
  width = max(map(len, found), default=0)
  for spec, (status, text) in found.items():
    print(f'{spec:{width}}  {status:9}  {" ".join(text.split())}')
  return [spec for spec, (status, _) in found.items() if status == 'failed']
