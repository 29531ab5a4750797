"""What a page has to be: whole by itself, well formed, and readable by all."""

from html import parser
import re

# WCAG 2.1, AA, of text that is not large (1.4.3).
LEAST_CONTRAST = 4.5
_VOID = 'meta', 'img', 'br', 'link', 'hr', 'input', 'wbr'
_NAMED = {'black': '#000000', 'white': '#ffffff'}


class Reader(parser.HTMLParser):
  """What a page has.

  Attributes:
    sources: of its pictures.
    links: where it leads.
    names: of its elements.
    alts: what is said of each picture in its place.
    open: the elements that are not closed.
    boxes: the elements around each table, from the outermost.
  """

  def __init__(self, page):
    super().__init__()
    self.sources, self.links, self.names, self.alts = [], [], [], []
    self.open, self.boxes = [], []
    self._classes = []
    self.feed(page)

  def handle_starttag(self, tag, attrs):
    named = dict(attrs)
    self.sources += [named[k] for k in ('src', 'srcset') if k in named]
    self.links += [named['href']] if 'href' in named else []
    self.names += [named['id']] if 'id' in named else []
    if tag == 'img':
      self.alts.append(named.get('alt') or '')
    if tag == 'table':
      self.boxes.append(list(self._classes))
    if tag not in _VOID:
      self.open.append(tag)
      self._classes.append(named.get('class') or '')

  def handle_endtag(self, tag):
    assert self.open.pop() == tag
    self._classes.pop()


def check(page):
  """Asserts what holds of every page; returns what was read."""
  read = Reader(page)
  assert not read.open
  assert all(s.startswith('data:image/') for s in read.sources)
  assert all(read.alts)
  assert {l[1:] for l in read.links if l[0] == '#'} <= set(read.names)
  assert len(read.names) == len(set(read.names))
  assert not re.search(r'url\(|@import|https?://', page)
  assert '<html lang="en">' in page and '<title>' in page
  pairs = contrasts(page)
  assert pairs
  low = {pair: ratio for pair, ratio in pairs.items() if ratio < LEAST_CONTRAST}
  assert not low
  return read


def contrasts(page):
  """The ratio of each text colour to each ground of a page's style sheet.

  A rule that states both is taken by itself, unless it is the body's; another
  colour may stand on every ground that has no colour of its own.
  """
  style = re.search('<style>(.*?)</style>', page, re.S)[1]
  variables = dict(re.findall(r'(--[\w-]+):\s*([^;}]+)', style))
  colours, grounds, pairs = set(), set(), set()
  for selector, body in re.findall(r'([^{}]*)\{([^{}]*)\}', style):
    own = dict(re.findall(r'(?:^|[;\s])(color|background):\s*([^;}]+)', body))
    found = {what: _hex(value, variables) for what, value in own.items()}
    colour, ground = found.get('color'), found.get('background')
    if colour and ground and selector.strip() != 'body':
      pairs.add((colour, ground))
      continue
    colours |= {colour} - {None}
    grounds |= {ground} - {None}
  pairs |= {(colour, ground) for colour in colours for ground in grounds}
  return {pair: ratio(*pair) for pair in pairs}


def _hex(value, variables):
  """'#rrggbb' of a colour; None of what is none, as 'inherit'."""
  value = value.strip()
  reference = re.fullmatch(r'var\((--[\w-]+)\)', value)
  if reference:
    return _hex(variables[reference[1]], variables)
  value = _NAMED.get(value, value).lower()
  if re.fullmatch('#[0-9a-f]{3}', value):
    return '#' + ''.join(2 * digit for digit in value[1:])
  if re.fullmatch('#[0-9a-f]{6}', value):
    return value
  assert value in ('none', 'inherit', 'transparent'), value
  return None


def ratio(one, other):
  """WCAG's contrast of two colours, 1 to 21."""
  light, dark = sorted(map(_luminance, (one, other)), reverse=True)
  return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
  parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
  linear = [
    p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
  ]
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
