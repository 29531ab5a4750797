import pytest

from vtab_h2t import errors
from vtab_h2t.protocol import hparams


def test_each_number_has_its_type():
  found = hparams.parse('lr=0.1,steps=500,l1=0,fraction=1,block=block1,tau=0')
  assert found == {
    'lr': 0.1,
    'steps': 500,
    'l1': 0.0,
    'fraction': 1.0,
    'block': 'block1',
    'tau': 0,
  }
  assert [type(v) for v in found.values()] == [
    float,
    int,
    float,
    float,
    str,
    int,
  ]
  assert hparams.parse('') == {}


@pytest.mark.parametrize(
  'text',
  [
    'lr',
    'lr=',
    'lr=x',
    'lr=0',
    'lr=-1',
    'steps=1.5',
    'steps=0',
    'epochs=0',
    'epochs=1.5',
    'lr=inf',
    'lr=nan',
    'fraction=1.5',
    'patch_mean=2',
    'ridge=0',
    'k=0',
    'l1=-1',
    'depth=3',
    'lr=0.1,lr=0.2',
  ],
)
def test_bad_hparams_are_one_line(text):
  with pytest.raises(errors.InputError, match='--hparams: '):
    hparams.parse(text)
