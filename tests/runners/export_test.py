import pytest

from tests import testing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.protocol import grids


@pytest.mark.soak
def test_an_adapted_model_is_exported(tmp_path):
  space = grids.get(
    'fixed',
    'efficientnet_lite0',
    ('lr=0.1,steps=5,target_size=256,fraction=0.05,l21=1e-5'),
  )
  adapted = adapting.adapt(
    testing.tiny_task(train=30, test=3).train,
    'abc',
    registry.load('efficientnet_lite0', 'random', 32),
    tmp_path,
    space=space,
    val_fraction=0.3,
  )
  artefact.save(adapted, 'random', tmp_path / 'model')
  arguments = [f'--model={tmp_path}/model', f'--out={tmp_path}/out']
  done = testing.run_runner('export', *arguments)
  assert done.returncode == 0, done.stderr
  assert f'exported: {tmp_path}/out/model.keras' in done.stdout
  done = testing.run_runner('export', *arguments)
  assert done.returncode == 1
  assert 'there already; choose another --out' in done.stderr.splitlines()[-1]
