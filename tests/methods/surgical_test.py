import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.heads import adam
from vtab_h2t.methods import interface
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import surgical
from vtab_h2t.training import trainer as trainer_lib

_METHODS = surgical.Surgical(), surgical.AutoRgn(), surgical.AutoSnr()


def test_relative_gradient_norms():
  values = [np.array([3.0, 4.0]), np.ones((2, 2)), np.zeros(3)]
  one = [np.array([0.0, 10.0]), np.full((2, 2), 0.5), np.ones(3)]
  two = [np.array([6.0, 8.0]), np.full((2, 2), 1.5), np.ones(3)]
  # |g| / |v|: 10 / 5 twice; 1 / 2 and 3 / 2; a zero tensor has none.
  np.testing.assert_allclose(
    surgical.relative_gradient_norms([one, two], values), [1, 0.5, 0]
  )
  assert not surgical.relative_gradient_norms(
    [[np.zeros(2)]], [np.ones(2)]
  ).any()


def test_signal_to_noise_of_the_paper():
  batches = [
    [np.array([1.0, 1.0]), np.array([1.0, -1.0])],
    [np.array([3.0, 3.0]), np.array([-1.0, 1.0])],
  ]
  # Mean 2 and variance 2: 4 / 2. Mean 0: none. Divided by the largest.
  np.testing.assert_allclose(
    surgical.signal_to_noise(batches, 'paper', [(0,), (0,)]), [1, 0], atol=1e-6
  )


def test_of_one_batch_the_papers_ratio_freezes_nothing():
  """It has no noise: the variance over batches was NaN, and all was frozen."""
  batch = [np.array([1.0, -2.0]), np.zeros((2, 3))]
  axes = [(0,), (1,)]
  assert surgical.signal_to_noise([batch], 'paper', axes).tolist() == [1, 1]
  options = surgical.SnrOptions(snr='paper')
  assert surgical.AutoSnr()._scales(options, [batch], batch, axes).tolist() == [
    1,
    1,
  ]


def _released(gradient):
  """The released code's ratio, of a gradient in torch's layout."""
  variance = gradient.var(axis=0, ddof=1, keepdims=True)  # As torch.var.
  return (gradient**2 / (variance + 1e-8)).mean()


@pytest.mark.parametrize(
  'shape, axes, to_torch',
  [
    ((4, 5), (1,), lambda g: g.T),
    ((3, 3, 4, 5), (3,), lambda g: g.transpose(3, 2, 0, 1)),
    (
      (3, 3, 6, 1),
      (2, 3),
      lambda g: g.transpose(2, 3, 0, 1).reshape(6, 1, 3, 3),
    ),
    (
      (3, 3, 4, 2),
      (2, 3),
      lambda g: g.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3),
    ),
    ((7, 2, 3), (1, 2), lambda g: g.reshape(7, 6).T),
    ((2, 3, 7), (2,), lambda g: g.reshape(6, 7).T),
    ((9,), (0,), lambda g: g),
    ((5, 4), (0,), lambda g: g),
  ],
  ids=[
    'dense',
    'convolution',
    'depthwise',
    'depthwise with a multiplier of 2',
    "attention's projection",
    "attention's output",
    'bias',
    'head',
  ],
)
def test_signal_to_noise_of_the_code(shape, axes, to_torch):
  """The formula written out on torch's layout, averaged over batches."""
  rng = np.random.default_rng(0)
  gradients = rng.normal(1, 0.5, (5, *shape))
  (found,) = surgical.signal_to_noise([[g] for g in gradients], 'code', [axes])
  wanted = np.mean([_released(to_torch(g)) for g in gradients])
  assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize('shape', [(1, 1, 6), (1, 5, 6)])
def test_a_first_axis_of_length_1_has_no_ratio_and_is_tuned(shape):
  """As a class token: torch's variance is NaN, which is not below 0.95."""
  gradient = np.ones(shape)
  ratios = surgical.signal_to_noise([[gradient]], 'code', [(0,)])
  assert np.isnan(ratios).all()
  options = surgical.SnrOptions()
  assert surgical.AutoSnr()._scales(
    options, [[gradient]], [gradient], [(0,)]
  ).tolist() == [1]


_SETTING = lp_ft.Setting(
  learning_rate=1e-2, epochs=2, epoch=2, batch=32, coefficient=1.0
)


def _block(name):
  return surgical.Setting(
    learning_rate=1e-2,
    epochs=2,
    epoch=2,
    batch=32,
    coefficient=1.0,
    block=name,
  )


def _moved(tunable):
  network = tunable.networks.network()
  pretrained = network.backbone.model.get_weights()
  return {
    w.path
    for w, old, new in zip(
      network.backbone.model.weights, pretrained, network.state()
    )
    if (old != new).any()
  }


def test_one_block_moves(tunable, train):
  train(surgical.Surgical(), _block('second'))
  assert _moved(tunable) == {'b_conv/kernel', 'b_norm/gamma', 'b_norm/beta'}
  train(surgical.Surgical(), _block('first'))
  assert _moved(tunable) == {'a_conv/kernel', 'a_norm/gamma', 'a_norm/beta'}


def test_the_head_alone_and_everything_may_move(tunable, examples, train):
  trainer = train(surgical.Surgical(), _block('last')).trainer
  assert not _moved(tunable)
  ((kernel, _),) = trainer.head
  assert (kernel != lp_ft.probe(tunable, examples, 1.0).kernel).any()
  train(surgical.Surgical(), _block('all'))
  assert _moved(tunable) == {
    f'{part}_{name}'
    for part in 'ab'
    for name in ('conv/kernel', 'norm/gamma', 'norm/beta')
  }


def test_block_is_chosen_among_all_by_validation(tunable, space, folds):
  """Of what ties, the head alone comes first and everything last."""
  method = surgical.Surgical()
  results = method.validate(tunable, folds, space, 0)
  assert [(s.epoch, s.block) for s in results] == [
    (epoch, block)
    for epoch in (0, 1, 2)
    for block in ('last', 'first', 'second', 'all')
  ]
  assert all(s.as_row()['block'] == s.block for s in results)
  one = space.changed({'surgical': {'blocks': ('second',)}})
  results = method.validate(tunable, folds, one, 0)
  assert {s.block for s in results} == {'second'}
  none = space.changed({'surgical': {'blocks': ('third',)}})
  with pytest.raises(
    errors.InputError,
    match='no block third; choose from last, first, second, all',
  ):
    method.validate(tunable, folds, none, 0)


def test_a_block_of_everything_is_not_tried_twice(tunable, space, folds):
  network = tunable.networks.network()
  backbone = network.backbone
  network.backbone = dataclasses.replace(backbone, blocks={'whole': '.*'})
  try:
    found = surgical.Surgical().complete(tunable, folds, space, 0)
  finally:
    network.backbone = backbone
  assert {s.block for s in found} == {'last', 'all'}


def test_names_of_other_choices_are_no_blocks(tunable, space, folds):
  network = tunable.networks.network()
  backbone = network.backbone
  network.backbone = dataclasses.replace(backbone, blocks={'last': 'b_'})
  try:
    with pytest.raises(errors.InputError, match="calls a block 'last'"):
      surgical.Surgical().complete(tunable, folds, space, 0)
  finally:
    network.backbone = backbone
  twice = space.changed({'surgical': {'blocks': ('second', 'second')}})
  found = surgical.Surgical().complete(tunable, folds, twice, 0)
  assert len(found) == len(set(found))


def test_without_folds_one_block_has_to_be_named(tunable, space, examples):
  method = surgical.Surgical()

  def plan(**options):
    changed = space.changed({'surgical': options})
    changed = dataclasses.replace(changed, folds=())
    return interface.Plan(
      folds=(), examples=examples, space=changed, seed=0, seeds=(0,)
    )

  with pytest.raises(errors.InputError, match='^surgical has 4 settings and'):
    list(method.measure(tunable, plan()))
  ((fields, _),) = method.measure(tunable, plan(blocks=('second',)))
  assert fields['block'] == 'second' and 'coefficient' not in fields
  assert fields['epoch'] == fields['epochs'] == 2


@pytest.mark.parametrize(
  'method', [surgical.AutoRgn(), surgical.AutoSnr()], ids=lambda m: m.name
)
def test_automatic_ones_move_all_but_batch_norms(tunable, train, method):
  free = {'threshold': 0.0} if method.name == 'auto_snr' else {}
  train(method, _SETTING, **free)
  assert _moved(tunable) == {'a_conv/kernel', 'b_conv/kernel'}


def test_rgn_factors_are_computed_anew_each_epoch(train, monkeypatch):
  seen = []
  good = surgical.relative_gradient_norms

  def record(gradients, values):
    seen.append((len(gradients), good(gradients, values)))
    return seen[-1][1]

  monkeypatch.setattr(surgical, 'relative_gradient_norms', record)
  train(surgical.AutoRgn(), _SETTING)
  # Two epochs of 300 images in batches of 32, ten of them.
  assert [count for count, _ in seen] == [5, 5]
  for _, factors in seen:
    assert len(factors) == 4  # Two kernels, the head's kernel and bias.
    assert factors.max() == 1 and factors.min() >= 0
  assert (seen[0][1] != seen[1][1]).any()


def test_snr_freezes_below_the_threshold(tunable, train):
  train(surgical.AutoSnr(), _SETTING, threshold=1e30)
  assert not _moved(tunable)


def test_five_batches_are_looked_at_or_what_there_is(
  tunable, space, monkeypatch
):
  """The last batch with what is left, as in training."""
  sizes = []
  good = trainer_lib.Trainer.gradients

  def record(self, x, y):
    sizes.append(len(x))
    return good(self, x, y)

  monkeypatch.setattr(trainer_lib.Trainer, 'gradients', record)
  setting = dataclasses.replace(_SETTING, epochs=1, epoch=1)
  for count, wanted in ((300, [32] * 5), (80, [32, 32, 16])):
    (later,) = surgical.AutoSnr().fit(
      tunable, np.arange(count), setting, space, [0]
    )
    later()
    assert sizes == wanted
    sizes.clear()


def test_ratios_are_over_the_networks_outputs(train, monkeypatch):
  asked = []

  def record(gradients, definition, output_axes):
    asked.append([(g.ndim, a) for g, a in zip(gradients[0], output_axes)])
    return np.ones(len(gradients[0]))

  monkeypatch.setattr(surgical, 'signal_to_noise', record)
  train(surgical.AutoSnr(), _SETTING)
  # Two convolutions, and the head, `[out, in]` with its bias.
  assert asked == [[(4, (3,)), (4, (3,)), (2, (0,)), (1, (0,))]] * 2


@pytest.mark.parametrize('method', _METHODS, ids=lambda m: m.name)
def test_adams_epsilon_is_torchs(tunable, examples, space, method):
  setting = _block('first') if method.name == 'surgical' else _SETTING
  started = method.start(tunable, examples, setting, space.of(method.name), 0)
  recipe = started.trainer.recipe
  assert recipe.epsilon == adam.TORCH and recipe.weight_decay == 1e-4


@pytest.mark.parametrize(
  'definition, ratios', [('code', [0.94, 0.96]), ('paper', [0.19, 1.0])]
)
def test_each_definition_has_its_threshold(monkeypatch, definition, ratios):
  asked = []
  monkeypatch.setattr(
    surgical,
    'signal_to_noise',
    lambda gradients, d, axes: asked.append(d) or np.array(ratios),
  )
  options = surgical.SnrOptions(snr=definition)
  assert surgical.AutoSnr()._scales(options, [], [], []).tolist() == [0, 1]
  own = surgical.SnrOptions(snr=definition, threshold=2.0)
  assert surgical.AutoSnr()._scales(own, [], [], []).tolist() == [0, 0]
  assert asked == [definition] * 2
