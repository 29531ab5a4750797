"""The model card: what somebody should know who is handed a model.

All of it follows from model.json, so a model that is read and written again has
the same card.
"""

from collections.abc import Sequence
import re
from typing import Any

from vtab_h2t.backbones import registry as backbones

FILE = 'README.md'
_SHOWN = 100  # Classes; all of them are in model.json.


def text(facts: dict[str, Any], columns: int, tensor_bytes: int) -> str:
  """The card, in Markdown.

  Args:
    facts: what model.json says, of any format; what an earlier format does not
      say is left out.
    columns: features that the head reads.
    tensor_bytes: size of the head's file.
  """
  parts = [
    _summary(facts, columns, tensor_bytes),
    _data(facts),
    _accuracy(facts),
    _calibration(facts),
    _usage(facts),
    _setting(facts),
    _network(facts),
    _limits(facts),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def _summary(facts: dict[str, Any], columns: int, tensor_bytes: int) -> str:
  names = facts['classes']
  title = ', '.join(map(plain, names[:5])) + (
    f' and {len(names) - 5} more' if len(names) > 5 else ''
  )
  return f"""# Image classifier: {title}

It tells {len(names)} classes of images apart. A linear head reads
{columns:,} of the {facts['num_features']:,} features that the frozen
network `{facts['backbone']}` has of an image (method `{facts['method']}`; see
[Head2Toe](https://arxiv.org/abs/2201.03529)). This folder holds the head alone,
{tensor_bytes:,} bytes; the network is not in it."""


def _data(facts: dict[str, Any]) -> str:
  if 'images' not in facts:
    return ''
  names, counts = facts['classes'], facts['images']
  source = f' from {plain(facts["source"])}' if facts['source'] else ''
  rows = [
    (plain(n), f'{c:,}') for n, c in list(zip(names, counts, strict=True))
  ]
  more = ''
  if len(rows) > _SHOWN:
    more = (
      f'\n\nThese are the first {_SHOWN} of {len(rows)} classes; model.json '
      'has all.'
    )
  return f"""## Data

It was trained on {sum(counts):,} images{source}.

{_table(('class', 'images'), rows[:_SHOWN])}{more}"""


def _accuracy(facts: dict[str, Any]) -> str:
  kinds = dict.fromkeys((facts['method'], 'linear'))
  found = [
    facts['accuracy' if kind == facts['method'] else 'linear'] for kind in kinds
  ]
  if not all(found):
    return ''
  rows = [
    (
      f'`{kind}`',
      f'{100 * f["correct"] / f["total"]:.1f} %',
      f'{100 * f["low"]:.1f} to {100 * f["high"]:.1f} %',
      f'{f["correct"]:,} of {f["total"]:,}',
    )
    for kind, f in zip(kinds, found)
  ]
  better = (
    '\n\nOn these images `linear`, which reads the last layer, was better.'
    if found[-1]['correct'] > found[0]['correct']
    else ''
  )
  header = ('method', 'accuracy', '95 % interval', 'right')
  return f"""## Accuracy

{_judged(facts)}

{_table(header, rows)}{better}

The setting was chosen on the same images, so the numbers are a little too
high.{_apart(facts)}
Where `report.html` is in this folder, it shows the mistakes, the classes that
are confused, and labels that may be wrong."""


def _apart(facts: dict[str, Any]) -> str:
  """The accuracy without the advantage of having been chosen on the images."""
  if not (found := facts.get('apart')):
    return ''
  return f"""
With everything chosen anew without the images that are judged,
{100 * found['correct'] / found['total']:.1f} % are right (95 % interval
{100 * found['low']:.1f} to {100 * found['high']:.1f} %): expect this of new
images of the same kind."""


def _judged(facts: dict[str, Any]) -> str:
  """On which images the accuracy was measured, and with which heads."""
  total = facts['accuracy']['total']
  images = sum(facts.get('images', []))
  if images == total:
    return f"""Each of the {images:,} images was held out in turn: its answer
is of a head that was trained in the same way without it. The head in this
folder was then trained on all of them."""
  of_all = f' of the {images:,}' if images else ''
  return f"""The answers to {total:,}{of_all} images are of heads that were
trained in the same way without them. The head in this folder was then trained
on all images."""


def _calibration(facts: dict[str, Any]) -> str:
  if 'temperature' not in facts:
    return ''
  error = facts['calibration_error']
  chance = f"""On as many images,
true probabilities would show {100 * error['by_chance']:.1f} % by chance"""
  if facts['temperature'] == 1:
    return f"""## Calibration

Probabilities are the softmax of logits as they are; no temperature was known
to make them truer. Their expected calibration error on the held-out images, the
mean distance between the probability of an answer and the share of right
answers, is {100 * error['after']:.1f} %. {chance}."""
  before = ''
  if 'before_by_chance' in error:
    share = 100 * error['before_by_chance']
    before = f' (without the temperature, {share:.1f} %)'
  return f"""## Calibration

Probabilities are the softmax of logits divided by a temperature of
{facts['temperature']:.3f}, which was fitted on the held-out images. Their
expected calibration error there, the mean distance between the probability of
an answer and the share of right answers, is {100 * error['after']:.1f} %
({100 * error['before']:.1f} % without the temperature). {chance}{before}."""


def _usage(facts: dict[str, Any]) -> str:
  named = facts['weights'] in backbones.BACKBONES[facts['backbone']].weights
  flag = '' if named else f' --weights={facts["weights"]}'
  argument = '' if named else f', weights={facts["weights"]!r}'
  sent = (
    ''
    if named
    else f"""
The network's weights, `{facts['weights']}`, are in no package and not in this
folder; they have to be sent along, and that they are the same is checked.
"""
  )
  return f"""## How to use it

It needs Python 3.11 or later and the package vtab_h2t.
{sent}
```
vtab-h2t predict --model=FOLDER --images=photo.jpg{flag}
vtab-h2t export --model=FOLDER --out=exported{flag}
```

```python
import vtab_h2t

model = vtab_h2t.Head2Toe.load('FOLDER'{argument})
model.predict(['photo.jpg'])
```

`FOLDER` is this one. What `export` writes needs neither the package nor the
weights, but TensorFlow, ONNX Runtime or LiteRT."""


def _setting(facts: dict[str, Any]) -> str:
  rows = [
    (plain(k), f'{v:g}' if isinstance(v, (int, float)) else plain(str(v)))
    for k, v in sorted(facts['hparams'].items())
  ]
  if not rows:
    return ''
  return f"""## Setting

{_table(('hyper-parameter', 'value'), rows)}

Features are normalised by the rule `{facts['normalization']}`."""


def _network(facts: dict[str, Any]) -> str:
  crop = facts.get('crop')
  seen = (
    f'the middle, {crop:g} of the shorter side' if crop else 'all, squashed'
  )
  rows = [
    ('name', f'`{facts["backbone"]}`'),
    ('weights', plain(facts['weights'])),
    ('sha256 of the weights', f'`{facts["weights_sha256"]}`'),
    ('taps', f'`{facts["taps"]}`'),
    ('input', f'{facts["image_size"]} by {facts["image_size"]} pixels'),
    ('part of an image that is seen', seen),
    ('resize', f'`{facts["resize"]}`'),
  ]
  return f"""## Network

{_table(('', ''), rows)}"""


def _limits(facts: dict[str, Any]) -> str:
  few = ''
  if min(facts.get('images', [10])) < 10:
    few = (
      '\n- Some classes have fewer than ten images; what is said of them is '
      'worth little.'
    )
  return f"""## Limits

- It always answers with one of its classes, also for an image of none of them.
- The accuracy holds for images like those that it was trained on. Of another
  camera, place or season it is not known.
- Images that are nearly alike, such as frames of one scene, make the accuracy
  look better than it is.{few}
- What the network learned before, and from which images, is not known here; its
  weights have a licence of their own."""


def plain(name: str) -> str:
  """A name that Markdown shows as it is, on one line."""
  return re.sub(r'([\\`*_{}\[\]<>()#|~&])', r'\\\1', ' '.join(name.split()))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  lines = [header, ['---'] * len(header), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
