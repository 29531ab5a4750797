"""A plugin: the companion papers' studies on tiny tasks and networks."""

import dataclasses
import functools
import os

from tests import testing
from tests.studies import trained
from vtab_h2t.backbones import registry
from vtab_h2t.methods import lp_ft
from vtab_h2t.protocol import companions
from vtab_h2t.report import catalogue
from vtab_h2t.report import claims_lp_ft
from vtab_h2t.report import judging
from vtab_h2t.studies import registry as studies
from vtab_h2t.tasks import shifted

_TASKS = {
  'digits.to.mnist_5k': trained.task(
    'digits.to.mnist_5k', group='real', further=trained.further('mnist_5k')
  ),
  'mnist_5k.flipped': trained.task(
    'mnist_5k.flipped',
    group='output',
    source=trained.task('mnist_5k.source', seed=1),
  ),
  'mnist_5k': trained.task('mnist_5k', group='natural', seed=2),
}
_CHANGES = {
  'lp_ft_shift': {'learning_rates': (0.03, 0.3), 'epochs': 1},
  'surgical_shift': {
    'learning_rates': (1e-2,),
    'epochs': 1,
    'shots': (4,),
    'validation_shots': 6,
    'source_epochs': 1,
    'automatic': ('auto_rgn',),
    'modes': ('inference',),
  },
  'head_probe_energy': {'steps': 2, 'taus': (0, 1, 2), 'hidden': (0,)},
}


@functools.cache
def _build(name, seed):
  return dataclasses.replace(testing.normed_backbone(seed), name=name)


def _space(name):
  return dataclasses.replace(
    trained.space(studies.COMPANIONS['lp_ft_shift']),
    name=name,
    options={
      n: study.options_type(**_CHANGES[n])
      for n, study in studies.COMPANIONS.items()
    },
  )


for number, backbone in enumerate(('tiny', 'tiny_small')):
  registry.BACKBONES[backbone] = registry.Entry(
    functools.partial(
      lambda weights, size, taps, name, seed: _build(name, seed),
      name=backbone,
      seed=number,
    ),
    ('noise', 'random'),
    image_size=16,
  )
_real = shifted.task
shifted.task = lambda name: _TASKS[name] if name in _TASKS else _real(name)
lp_ft.C_PATH = (1e-2, 1.0)
companions.space = _space
companions.small_space = dataclasses.replace
companions.SMALL_NETWORK = 'tiny_small'
companions.TASKS = companions.QUICK_TASKS = dict(
  zip(companions.NAMES, [(name,) for name in _TASKS], strict=True)
)
# Then verdicts, and the outputs that show them, are not worked out.
if os.environ.get('TINY_VERDICT'):
  catalogue.COMPANIONS.clear()
  judging.verdicts = lambda results: (
    judging.Verdict(
      claim=claims_lp_ft.CLAIMS[0],
      interval=None,
      verdict=os.environ['TINY_VERDICT'],
      tasks=1,
      rows='',
    ),
  )
