import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.methods import linear
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids

_LINEAR = linear.Linear()
_L1, _L21 = linear.All('all_l1', 'l1'), linear.All('all_l21', 'l21')


def test_candidates_are_the_grid_cheap_first(space):
  assert _LINEAR.candidates(space) == [
    linear.Setting(learning_rate=0.1, steps=20),
    linear.Setting(learning_rate=0.01, steps=20),
  ]
  assert len(_L1.candidates(space)) == 4 and len(_L21.candidates(space)) == 6
  # Appendix A: 2 learning rates, 2 steps, 3 coefficients, 3 target sizes.
  paper = grids.paper('resnet50')
  for method, count in ((_L21, 36), (_LINEAR, 4)):
    candidates = method.candidates(paper)
    assert len(candidates) == count == len(set(candidates))
    costs = [((c.target_size or 0), c.steps) for c in candidates]
    assert costs == sorted(costs)


def test_a_grid_without_a_coefficient_is_one_line():
  space = grids.get('fixed', 'y', 'lr=0.1,steps=5,target_size=30,l1=1e-3')
  assert _L1.candidates(space) == [
    linear.Setting(learning_rate=0.1, steps=5, target_size=30, coefficient=1e-3)
  ]
  with pytest.raises(errors.InputError, match='no l21 for all_l21'):
    _L21.candidates(space)


@pytest.mark.parametrize('method', [_LINEAR, _L1, _L21], ids=lambda p: p.name)
def test_validation_covers_candidates_and_folds(method, data, folds, space):
  results = method.validate(data, folds, space, 0)
  assert list(results) == method.candidates(space)
  for counts in results.values():
    assert len(counts) == 2 and all(0 <= c <= 60 for c in counts)
  assert max(map(sum, results.values())) > 1.5 * 120 / 3  # Far above chance.


def test_linear_reads_the_embedding_and_all_reads_all(data, space, examples):
  assert _LINEAR.target_sizes(space) == () and _L1.target_sizes(space) == (30,)
  for method, size, features in ((_LINEAR, None, 9), (_L1, 30, None)):
    setting = method.candidates(space)[0]
    heads = list(method.fit(data, examples, setting, space, (0, 1, 2)))
    assert len(heads) == 3
    for head in heads:
      assert head.target_size == size and head.columns is None
      assert head.rule == 'selected'
      assert head.head.kernel.shape == (3, features or data.num_features(30))
    assert not np.allclose(heads[0].head.kernel, heads[1].head.kernel)


def test_penalties_shrink_kernels(data, space, examples):
  norms = []
  for coefficient in (1e-5, 1e-1):
    (head,) = _L21.fit(
      data,
      examples,
      linear.Setting(
        learning_rate=0.01, steps=100, target_size=30, coefficient=coefficient
      ),
      space,
      (0,),
    )
    norms.append(np.linalg.norm(head.head.kernel))
  assert norms[1] < 0.5 * norms[0]


@pytest.mark.parametrize(
  'own, selecting',
  [((1e-5, 1e-4), ()), ((1e-5, 1e-4), (1e-4,)), ((1e-4,), (1e-5,))],
)
def test_all_l21_covers_its_own_coefficients_whatever_head2toes_are(
  own, selecting, data, folds, space
):
  """What it shares with Head2Toe changes neither which nor their order."""
  changed = space.changed(
    {'all_l21': {'coefficients': own}, 'head2toe': {'coefficients': selecting}}
  )
  results = _L21.validate(data, folds[:1], changed, 0)
  assert list(results) == _L21.candidates(changed)
  assert [c.coefficient for c in results] == [c for c in own for _ in range(2)]


def test_without_head2toe_all_l21_is_trained_in_one_go(data, folds, space):
  alone = space_lib.Space(
    name='x', folds=(1,), options={'all_l21': space.of('all_l21')}
  )
  assert list(_L21.validate(data, folds[:1], alone, 0)) == _L21.candidates(
    space
  )
