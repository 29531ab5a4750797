import pytest

from tests.report import made
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
    'ViT-B/16, ImageNet weights, VTAB-1k, 224 pixels'
  )
