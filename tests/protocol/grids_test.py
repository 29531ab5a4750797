import dataclasses
import json
import pathlib

import pytest

from vtab_h2t import errors
from vtab_h2t.methods import base
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import grids


def test_paper_grid_is_appendix_a():
  grid = grids.paper('resnet50')
  assert grid.folds == (0, 1, 2, 3, 4)
  assert grid.learning_rates == (0.1, 0.01) and grid.steps == (500, 5000)
  assert grid.target_sizes == (512, 8192, 24576)
  assert len(grid.fractions) == 9 and 0.2 in grid.fractions
  assert grid.coefficients('l1') == (1e-5, 1e-4, 1e-3)
  assert grid.selection_coefficients == (1e-5, 1e-3)


def test_quick_grid_differs_in_folds_steps_and_target_sizes_only():
  quick, paper = grids.quick('vit_b16'), grids.paper('vit_b16')
  assert quick.folds == (4,) and quick.steps == (500,)
  assert quick.target_sizes == (768,)
  for field in ('learning_rates', 'fractions', 'penalty_coefficients',
                'selection_coefficients'):
    assert getattr(quick, field) == getattr(paper, field)


def test_published_grid_is_table_2():
  grid = grids.get('published', 'resnet50', 'svhn')
  assert (grid.learning_rates, grid.steps, grid.target_sizes, grid.fractions,
          grid.selection_coefficients) == (
              (0.01,), (500,), (24576,), (0.005,), (1e-5,))
  assert grid.folds == ()
  assert all(isinstance(s, int) for s in grid.steps + grid.target_sizes)
  with pytest.raises(errors.InputError, match='Table 2 has no .*digits'):
    grids.get('published', 'efficientnet_lite0', 'digits')


def test_table_2_lies_on_the_papers_grid():
  from vtab_h2t import published
  table = published.table('table2_hyperparameters')
  for row in table.itertuples():
    chosen, grid = (grids.from_table_2(row.backbone, row.task),
                    grids.paper(row.backbone))
    for field in ('learning_rates', 'steps', 'target_sizes', 'fractions',
                  'selection_coefficients'):
      assert getattr(chosen, field)[0] in getattr(grid, field)


def test_fixed_grid_is_the_setting():
  grid = grids.get('fixed', 'x', 'y',
                   'lr=0.01,steps=500,target_size=768,fraction=0.05,l21=1e-5')
  assert dataclasses.replace(grid, tuning=tuned.Tuning()) == grids.Grid(
      'fixed', (), (0.01,), (500,), (768,), (0.05,),
      {'l1': (), 'l2': (), 'l21': (1e-5,)}, (1e-5,))
  assert grid.tuning.steps == grid.tuning.learning_rates == ()
  grid = grids.get('fixed', 'x', 'y', 'ft_lr=0.1,ft_steps=7,batch=5,tau=0,'
                   'block=block1')
  tuning = grid.tuning
  assert tuning.learning_rates == tuning.surgical_learning_rates == (0.1,)
  assert tuning.steps == tuning.surgical_steps == (7,)
  assert (tuning.batch, tuning.taus, tuning.blocks) == (5, (0,), ('block1',))


@pytest.mark.parametrize('text', [
    'lr', 'lr=', 'lr=x', 'lr=0', 'lr=-1', 'steps=1.5', 'steps=0', 'lr=inf',
    'lr=nan', 'fraction=1.5', 'l1=-1', 'depth=3', 'lr=0.1,lr=0.2'])
def test_bad_hparams_are_one_line(text):
  with pytest.raises(errors.InputError, match='--hparams: '):
    grids.parse_hparams(text)


@pytest.mark.parametrize('name, hparams', [
    ('fixed', ''), ('quick', 'lr=0.1'), ('paper', 'lr=0.1'), ('nope', '')])
def test_grid_and_hparams_go_together(name, hparams):
  with pytest.raises(errors.InputError):
    grids.get(name, 'efficientnet_lite0', 'digits', hparams)


def test_studies_setting_is_the_quick_grids_best_by_validation():
  """Over the embedded suite, from the committed rows."""
  correct = {}
  root = pathlib.Path(__file__).parents[2] / 'results' / 'embedded' / 'rows'
  for path in root.rglob('head2toe-*.jsonl'):
    for row in map(json.loads, path.read_text().splitlines()):
      if (row['weights'], row['grid'], row['split']) == (
          'imagenet', 'quick', 'val'):
        key = tuple(row[k] for k in (
            'learning_rate', 'steps', 'target_size', 'coefficient', 'fraction'))
        correct.setdefault(key, []).append(row['correct'] / row['total'])
  best = max(correct, key=lambda k: sum(correct[k]))
  space = grids.study('efficientnet_lite0')
  assert space.setting == base.Hparams(*best)
  assert space.setting.target_size in space.target_sizes
