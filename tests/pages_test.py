import pytest

from tests import pages

_PAGE = (
  '<!doctype html><html lang="en"><head><title>x</title>'
  '<style>:root {{ --ink: #111; }} body {{ color: var(--ink); '
  'background: #fff; }} small {{ color: {}; }}</style></head>'
  '<body><img alt="{}" src="data:image/png;base64,">{}</body></html>'
)


def test_contrast_is_what_the_guideline_says():
  assert pages.ratio('#000000', '#ffffff') == pytest.approx(21)
  assert pages.ratio('#777777', '#ffffff') == pytest.approx(4.48, abs=0.01)


def test_a_page_that_all_can_read_passes():
  assert pages.check(_PAGE.format('#444', 'A chart.', '')).alts == ['A chart.']


@pytest.mark.parametrize(
  'parts',
  [
    ('#999', 'A chart.', ''),
    ('#444', '', ''),
    ('#444', 'A chart.', '<p>'),
    ('#444', 'A chart.', '<a href="#nowhere">x</a>'),
    ('#444', 'A chart.', '<img alt="x" src="x.png">'),
  ],
)
def test_others_do_not(parts):
  with pytest.raises(AssertionError):
    pages.check(_PAGE.format(*parts))
