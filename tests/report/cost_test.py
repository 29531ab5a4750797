import numpy as np
import pytest
from safetensors import numpy as safetensors

from tests import testing
from vtab_h2t import published
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.report import cost
from vtab_h2t.report import measured_cost


@pytest.fixture(scope='module')
def table():
  return cost.published_table()


def test_sizes_are_the_published_to_their_last_digit(table):
  ours = cost.table3(cost.fit(table), table)
  assert len(ours) == 19
  for column in ('size_vs_linear', 'size_vs_finetune'):
    assert np.abs(ours[f'residual_{column}']).max() <= 0.5e-6


def test_operations_are_the_published_to_their_last_digit(table):
  ours = cost.table3(cost.fit(table), table)
  # Half a unit of the sixth digit is 5e-7.
  assert np.abs(ours.residual_flops_vs_finetune).max() < 5.5e-7


def test_averages_are_the_published(table):
  printed = published.table('table3_cost_resnet50')
  printed = printed[printed.task == 'average'].iloc[0]
  ours = cost.table3(cost.fit(table), table)
  for column in ('flops_vs_finetune', 'size_vs_finetune', 'size_vs_linear'):
    assert ours[f'ours_{column}'].mean() == pytest.approx(
      printed[column], abs=1e-6
    )


@pytest.mark.soak
def test_fitted_constants_are_a_resnet_50s(table):
  """A v2 ResNet-50 at 224 pixels with strides in the last unit."""
  fitted = cost.fit(table)
  measured = measured_cost.measure(resnet_v2.resnet50('random', 224))
  assert fitted.forward == pytest.approx(measured.forward, rel=0.01)
  assert fitted.parameters == pytest.approx(measured.parameters, rel=0.005)
  assert fitted.embedding == measured.embedding


def test_fit_finds_the_constants_of_a_made_up_table(table):
  network = cost.Network(5e9, 20e6, 2048)
  ours = cost.table3(network, table)
  for column in ('flops_vs_finetune', 'size_vs_finetune', 'size_vs_linear'):
    ours[column] = ours[f'ours_{column}'].round(6)
  fitted = cost.fit(ours)
  assert fitted.forward == pytest.approx(5e9, rel=1e-3)
  assert fitted.parameters == pytest.approx(20e6, rel=1e-4)
  ours['size_vs_finetune'] *= np.linspace(1, 1.1, len(ours))
  with pytest.raises(ValueError, match='no number of parameters'):
    cost.fit(ours)


def test_formulas_by_hand():
  network = cost.Network(forward=10.0, parameters=7.0, embedding=3)
  assert cost.finetune_flops(network, 2, 5) == 128 * 5 * (30 + 36)
  assert cost.linear_flops(network, 2, 5) == 1000 * 10 + 128 * 5 * 24
  assert cost.head2toe_flops(network, 100, 2, 5) == 10_000 + 128 * 5 * 800
  assert cost.finetune_size(network, 2) == 13
  assert cost.head2toe_size(64, 0.1, 2) == 6 * 2 + 2


def test_measured_operations_of_a_small_network():
  """A convolution of 3x3x3 to 6 on 8x8 outputs, a dense layer of 384 to 35."""
  network = measured_cost.measure(testing.tiny_backbone())
  multiplications = 8 * 8 * 6 * 27 + 384 * 35 + 35 * 9
  assert network.forward == pytest.approx(2 * multiplications, rel=0.05)
  assert network.embedding == 9


def test_stored_bytes_are_those_of_a_file(tmp_path):
  arrays = {
    'kernel': np.zeros((5, 70), np.float32),
    'bias': np.zeros(5, np.float32),
    'selected': np.packbits(np.zeros(1001, bool)),
  }
  safetensors.save_file(arrays, tmp_path / 'head')
  size = (tmp_path / 'head').stat().st_size
  assert cost.head_bytes(5, 70, 1001) == size
  # What the model counts is nearly all of it.
  assert 0 < size - 4 * 70 * 5 - 1001 // 8 < 400
  assert cost.head_bytes(5, 70) < size - 120
  for columns in (1, 999, 12345):
    head = {
      'kernel': np.zeros((3, columns), np.float32),
      'bias': np.zeros(3, np.float32),
    }
    assert cost.head_bytes(3, columns) == cost.stored_bytes(head)
    examples = {
      'features': np.zeros((7, columns), np.float32),
      'labels': np.zeros(7, np.int64),
    }
    assert cost.neighbours_bytes(7, columns) == cost.stored_bytes(examples)


def test_validating_fractions_adds_their_sum():
  """Appendix B; 18 % in the text, with the 0.2 of Table 2 39 %."""
  eight = 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1
  assert cost.selection_overhead(eight) == pytest.approx(0.1885, abs=1e-12)
  assert cost.selection_overhead((*eight, 0.2)) == pytest.approx(0.3885)
  assert cost.selection_overhead(()) == 0
