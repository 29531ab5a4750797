"""What runners need to run in seconds: a tiny plugin and one setting."""

import pathlib

from tests import testing

PLUGIN = pathlib.Path(__file__).parent / 'tiny_plugin.py'
HPARAMS = (
  'lr=0.1,steps=5,target_size=30,fraction=0.5,l1=1e-4,l2=1e-4,'
  'l21=1e-4,ft_lr=0.01,ft_steps=2,epochs=1,batch=16,tau=1'
)
NETWORK = [
  '--suite=own',
  '--backbone=tiny',
  '--weights=noise',
  '--control=tiny2:noise',
]
FLAGS = [
  f'--plugins={PLUGIN}',
  *NETWORK,
  '--grid=fixed',
  f'--hparams={HPARAMS}',
]


def run(name, workdir, *arguments):
  """Runs a runner with the tiny setting; it must succeed."""
  done = testing.run_runner(name, *FLAGS, f'--workdir={workdir}', *arguments)
  assert done.returncode == 0, done.stderr
  return done


def folders(workdir):
  """The folders of a work directory's runs that are not derived, by name."""
  return sorted(
    p.parent
    for p in pathlib.Path(workdir).glob('*/run.json')
    if '"parent": null' in p.read_text()
  )
