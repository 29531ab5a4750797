"""Runs runners as users do, each in a process of its own, without the wait.

A process that has imported TensorFlow, and not used it, forks for each call, so
what a user's call spends most of its time on is done once a test worker.

  python -m tests.zygote      # reads calls as JSON lines, answers with statuses
"""

import json
import os
import runpy
import sys
import traceback


def main() -> None:
  """Serves calls until there are no more."""
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  said = os.dup(2)  # Not what TensorFlow says as it starts.
  os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
  # What a runner's call would import; nothing of it is used here.
  import keras  # noqa: F401
  import matplotlib.figure  # noqa: F401
  import pandas as pd  # noqa: F401
  import sklearn.linear_model  # noqa: F401
  import tensorflow as tf  # noqa: F401

  os.dup2(said, 2)
  answers = os.fdopen(os.dup(1), 'w')
  for line in sys.stdin:
    call = json.loads(line)
    child = os.fork()
    if not child:
      _run(call)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _run(call: dict) -> None:
  """Runs a module as a program; never returns."""
  os.environ.update(call['env'])
  for number, path in ((1, call['stdout']), (2, call['stderr'])):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
  os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
  sys.argv = [call['module'], *call['arguments']]
  status = 0
  try:
    runpy.run_module(call['module'], run_name='__main__', alter_sys=True)
  except SystemExit as e:
    if isinstance(e.code, str):
      print(e.code, file=sys.stderr)
    status = e.code if isinstance(e.code, int) else int(e.code is not None)
  except BaseException:
    traceback.print_exc()
    status = 1
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == '__main__':
  main()
