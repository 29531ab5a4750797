"""What is known of the main run's rounding, and of which runs it is said."""

import pathlib

import pandas as pd
import pytest

from tests.report import made
from vtab_h2t import errors
from vtab_h2t.report import claims
from vtab_h2t.report import rounding

_ROOT = pathlib.Path(__file__).parents[2]


def test_it_is_said_of_the_main_runs_settings_alone():
  assert rounding.is_known(made.main_run())
  assert rounding.is_known(made.main_run(chosen_name='mine'))
  for change in (
    {'image_size': 96},
    {'backbone': 'efficientnet_lite1'},
    {'taps': 'units'},
    {'seed': 1},
    {'space': made.fixed(lr=0.1, steps=500), 'chosen_name': rounding.RUN},
  ):
    assert not rounding.is_known(made.main_run(**change)), change


def test_its_claims_are_known():
  assert set(rounding.UNDECIDED) <= {c.id for c in claims.CLAIMS}


def test_ranges_stand_by_method_and_task():
  cells = pd.DataFrame(
    [
      ('head2toe', 'sprites_loc'),
      ('head2toe', 'scan_patches'),
      ('finetune', 'sprites_loc'),
      ('linear', 'sprites_loc'),
      ('head2toe', 'mine'),
    ],
    columns=['method', 'task'],
  )
  table = rounding.by_task(cells)
  assert list(table) == ['method', 'sprites_loc', 'scan_patches']
  # What the main run has, 64.6, is the highest of the four.
  assert table.to_numpy().tolist() == [
    ['head2toe', '58.6 to 64.6', '100.0'],
    ['linear', '44.0', ''],
  ]
  assert rounding.by_task(cells[cells.method == 'finetune']).empty


def test_a_file_that_is_missing_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(rounding, '_RANGES', tmp_path / 'arithmetics.csv')
  with pytest.raises(errors.InputError, match='arithmetics.csv is missing'):
    rounding.ranges()


def test_links_lead_to_the_measurement():
  text = f'A tie ({rounding.WHERE}).'
  for folder in ('results', 'results/some_run', 'docs'):
    linked = rounding.linked(text, _ROOT / folder)
    path, _, section = linked.partition('](')[2][:-2].partition('#')
    page = (_ROOT / folder / path.rstrip(')')).resolve()
    assert page == _ROOT / rounding.WHERE
    assert section.rstrip(')') == 'what-rounding-alone-does'
    assert '## What rounding alone does' in page.read_text()


def test_outside_of_the_checkout_it_is_named(tmp_path):
  text = f'A tie ({rounding.WHERE}).'
  assert rounding.linked(text, tmp_path) == text
