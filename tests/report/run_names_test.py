import dataclasses

import pytest

from tests.report import made
from vtab_h2t.heads import scores
from vtab_h2t.protocol import grids
from vtab_h2t.report import jobs
from vtab_h2t.report import run_names


@pytest.mark.parametrize(
  ('backbone', 'name'),
  [
    ('resnet50', 'ResNet-50'),
    ('vit_b16', 'ViT-B/16'),
    ('vit_ti16', 'ViT-Ti/16'),
    ('efficientnet_lite0', 'EfficientNet-Lite0'),
    ('my_own', 'my_own'),
  ],
)
def test_networks_have_the_names_of_their_papers(backbone, name):
  assert run_names.network(backbone) == name


def test_a_run_is_told_by_network_weights_tasks_and_size():
  assert run_names.label(made.run('vit_b16', suite='vtab', image_size=224)) == (
    'ViT-B/16 pretrained on ImageNet, VTAB-1k, 224 pixels, input scaling pixels'
  )


def test_weights_of_a_file_have_its_name():
  network = dataclasses.replace(made.network(), weights='mine.npz')
  assert run_names.label(made.run(network=network)).startswith(
    'made with weights of mine, embedded suite, 32 pixels'
  )


def test_both_networks_of_a_pair_are_named():
  other = dataclasses.replace(made.SECOND, weights='random')
  assert run_names.label(made.run(second=other)).startswith(
    'made pretrained on ImageNet and other with random weights, '
  )


def test_what_is_unusual_is_said():
  vtab = dataclasses.replace(made.network(), scale=1 / 255, offset=0.0)
  of = made.run(
    network=vtab,
    taps='released',
    cls_pooling='only',
    resize='legacy',
    crop=0.875,
    precision='mixed_bfloat16',
    train_fraction=0.1,
    normalization='once',
    protocol='official',
    space=grids.paper('made'),
  )
  assert run_names.label(of).endswith(
    "32 pixels, the released code's taps, class token only, resize legacy, "
    'crop 0.875, input scaling vtab, precision mixed_bfloat16, 10% of the '
    'training images, unit norm before the selection, official accuracy (the '
    "released code's average), the paper's search"
  )


def test_a_single_setting_tells_runs_apart():
  first, second = (
    run_names.label(
      made.run(
        space=made.fixed(lr=0.01, steps=500, l21=1e-5, fraction=fraction)
      )
    )
    for fraction in (0.05, 0.2)
  )
  assert first.endswith(
    ', one setting (fraction 0.05, group lasso 1e-05, learning rate 0.01)'
  )
  assert second == first.replace('0.05', '0.2')
  tuned = made.run(space=made.fixed(ft_lr=0.1, ft_steps=5))
  assert run_names.label(tuned).endswith(', one given setting')


def test_every_job_has_words():
  for name in set(jobs.JOBS) - {jobs.ACCURACY}:
    assert run_names.job(name) != name, name
  assert run_names.job('mine') == 'mine'


def test_every_score_has_a_name():
  assert set(run_names.SCORES) == set(scores.SCORES)
