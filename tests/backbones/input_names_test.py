import dataclasses

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import preprocessing


def test_what_is_not_named_stays_as_the_weights_want_it():
  usual = preprocessing.Input.of(mean=0.4, std=0.2, crop=0.9)
  assert input_names.scaled_input(usual) == usual
  found = input_names.scaled_input(usual, 'vtab', crop='square')
  assert (found.scale, found.offset) == (1 / 255, 0)
  assert found.resize == usual.resize and found.crop is preprocessing.SQUARE
  with pytest.raises(errors.InputError, match='unknown input scaling'):
    input_names.scaled_input(usual, 'x')


def test_a_scaling_is_found_by_its_levels_under_the_name_of_runs():
  for name in input_names.INPUT_SCALINGS[1:]:
    usual = preprocessing.Input.of(mean=0.4, std=0.2)
    fed = input_names.scaled_input(usual, name)
    found = input_names.scaling_of(fed.scale, fed.offset)
    # 'unit' is another name for VTAB's.
    assert found == (input_names.VTAB_INPUT if name == 'unit' else name)
  assert input_names.scaling_of(7.0, 0.0) is None


@pytest.mark.parametrize('text', ['0', '1.1', 'wide', 'nan'])
def test_crops_are_a_part_or_all(text):
  assert input_names.crop_of('0.875') == 0.875
  with pytest.raises(errors.InputError, match='a crop is'):
    input_names.crop_of(text)


def test_photographs_are_shrunk_with_antialias_unless_weights_want_another():
  usual = preprocessing.Input.of(mean=0.4, std=0.2, crop=0.9)
  found = input_names.for_photographs(usual)
  assert found == dataclasses.replace(usual, resize='bilinear_antialias')
  for resize in set(preprocessing.RESIZES) - {preprocessing.BILINEAR}:
    named = dataclasses.replace(usual, resize=resize)
    assert input_names.for_photographs(named) == named
  # Grain that is finer than what the network sees does not reach it.
  grain = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
  seen = found.apply(grain, 8).numpy()
  aliased = usual.apply(grain, 8).numpy()
  assert seen.std() < 0.3 * aliased.std()
