"""The run: everything that determines numbers, and nothing else.

Rows belong together if and only if they are of one run. Which tasks, methods
and seeds are measured or shown, where files are and how many devices compute,
is no part of it.
"""

from collections.abc import Mapping
import dataclasses
import functools
import pathlib
import re
from typing import Any

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import pair
from vtab_h2t.backbones import precision as precision_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import normalization as normalization_lib
from vtab_h2t.features import pooling
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import accuracy
from vtab_h2t.protocol import companions
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import space_json
from vtab_h2t.tasks import registry as tasks

ACCURACY = 'accuracy'  # The job of methods in a run that is not derived.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
  """Which network, with which weights.

  Attributes:
    backbone: registry id.
    weights: their name; of a file, its name without the folder.
    sha256: of the weights themselves.
    scale: the network is fed `pixel * scale + offset`; a number, or three where
      channels differ.
    offset: as `scale`.
  """

  backbone: str
  weights: str
  sha256: str
  scale: preprocessing.Level
  offset: preprocessing.Level

  @property
  def input_scaling(self) -> str:
    """Of `input_names.INPUT_SCALINGS`: what scale and offset make."""
    return backbones.input_scaling(self.backbone, self.scale, self.offset)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
  """What determines numbers.

  Attributes:
    suite: of the tasks.
    data_source: form of the data of VTAB-1k; None for the other suites.
    network: whose features are read, or that is trained.
    second: a network whose embedding stands beside the first's, in place of the
      first's other taps (the Control of Figure 4); or None.
    image_size: side in pixels of what the network sees.
    resize: of `preprocessing.RESIZES`; for all networks.
    crop: of `preprocessing.Input`; for all networks.
    taps: which of the network's sets of taps.
    cls_pooling: what becomes of a class token; of `pooling.CLS_POOLINGS`.
    precision: of `backbone.PRECISIONS`; what networks compute in, frozen or
      trained. Features are kept, and heads on them trained, in float32.
    normalization: of `normalization.RULES`.
    protocol: of accuracy; of `accuracy.PROTOCOLS`.
    space: what every method and study tries.
    train_fraction: how much of the training set is used, class by class.
    seed: of everything that is trained in order to choose.
    parent: the id of the run that this one was derived from, or None.
    job: what it was derived for; `ACCURACY` where it was not.
    chosen_name: the name that the user gave it, if any. It determines nothing.
  """

  suite: str
  data_source: str | None
  network: Network
  second: Network | None = None
  image_size: int
  resize: str = preprocessing.BILINEAR
  crop: float | None = preprocessing.SQUARE
  taps: str = backbone_lib.ALL_TAPS
  cls_pooling: str = pooling.CLS_POOLED
  precision: str = backbone_lib.FLOAT32
  normalization: str = normalization_lib.SELECTED
  protocol: str = accuracy.EXACT
  space: space_lib.Space
  train_fraction: float = 1.0
  seed: int = 0
  parent: str | None = None
  job: str = ACCURACY
  chosen_name: str | None = dataclasses.field(default=None, compare=False)

  def as_json(self) -> dict[str, Any]:
    """All of it but its name, as a JSON value.

    The crop is left out where there is none: no run had one before it could be
    chosen, and a run's id is that of this value.
    """
    value = dataclasses.asdict(self)
    del value['chosen_name']
    if self.crop is preprocessing.SQUARE:
      del value['crop']
    value['space'] = space_json.as_json(self.space, self.network.backbone)
    return value

  @functools.cached_property
  def id(self) -> str:
    """Sixteen hexadecimal digits; the same for equal runs only."""
    return files.fingerprint(self.as_json())[:16]

  def __hash__(self) -> int:
    return hash(self.id)

  @functools.cached_property
  def name(self) -> str:
    """Short and readable; names the run's folder.

    It ends in a part of the id, unless the rest of the name and this version's
    defaults say all.
    """
    if self.chosen_name:
      return self.chosen_name
    short = self.network.backbone.removeprefix('efficientnet_')
    parts = [self.suite, short, f'{self.image_size}px']
    weights = pathlib.Path(self.network.weights).stem.lower()
    parts += [
      re.sub('[^a-z0-9_.]+', '_', part)
      for part, usual in (
        (weights, 'imagenet'),
        (
          f'{self.network.input_scaling}_input',
          f'{input_names.USUAL_INPUT}_input',
        ),
        (self.taps, backbone_lib.ALL_TAPS),
        (self.precision, backbone_lib.FLOAT32),
        (self.space.name, 'quick'),
      )
      if part != usual
    ]
    return '-'.join(parts) + ('' if self._is_usual() else f'-{self.id[:8]}')

  def _is_usual(self) -> bool:
    """Whether suite, network, input, size, taps, precision and grid say all."""
    entry = backbones.BACKBONES.get(self.network.backbone)
    if (
      entry is None
      or self.network.weights not in entry.weights
      or self.space.name not in (*grids.SEARCHES, *companions.SPACES)
    ):
      return False
    return self == Run(
      suite=self.suite,
      network=self.network,
      data_source=tasks.TFDS if self.suite == tasks.VTAB else None,
      image_size=self.image_size,
      taps=self.taps,
      precision=self.precision,
      # Without what is registered: its options are no defaults of this version.
      space=companions.SPACES.get(self.space.name)
      or grids.SEARCHES[self.space.name](self.network.backbone),
    )

  def derived(self, job: str, label: str = '', **changes: Any) -> 'Run':
    """What an analysis needs of another network, other taps or fewer images.

    Args:
      job: the analysis.
      label: tells the runs of one job apart.
      **changes: the fields that differ.
    """
    name = '.'.join(filter(None, (self.name, job, label)))
    return dataclasses.replace(
      self, parent=self.id, job=job, chosen_name=name, **changes
    )

  def job_of(self, method: str, is_study: bool) -> str:
    """The job that rows of a method or study are of."""
    return method if is_study and self.parent is None else self.job

  @property
  def backbone(self) -> str:
    """The network's id, or both of a pair."""
    return self.network.backbone + (
      f'+{self.second.backbone}' if self.second else ''
    )

  @property
  def weights(self) -> str:
    """The weights' name, or both of a pair."""
    return self.network.weights + (
      f'+{self.second.weights}' if self.second else ''
    )

  @property
  def is_vit(self) -> bool:
    """Whether the network's tokens begin with a class token."""
    entry = backbones.BACKBONES.get(self.network.backbone)
    return entry is not None and entry.cls_token

  @property
  def has_usual_taps(self) -> bool:
    """Whether taps and class token are those of the paper's main results.

    The released code's taps are, as well as those that the paper describes.
    """
    return (
      self.taps in backbones.PAPER_TAPS
      and self.cls_pooling == pooling.CLS_POOLED
    )


def _network(value: Mapping[str, Any]) -> Network:
  """Of JSON, which has lists."""
  levels = {
    name: tuple(value[name])
    for name in ('scale', 'offset')
    if isinstance(value[name], list)
  }
  return Network(**{**value, **levels})


def from_json(value: Mapping[str, Any], name: str | None) -> Run:
  """The run that `Run.as_json` gave, under a name.

  Raises:
    KeyError, TypeError: it is not a run of this version.
  """
  second = value['second']
  return Run(
    **{
      **value,
      'network': _network(value['network']),
      'second': _network(second) if second else None,
      'space': space_json.from_json(
        value['space'], value['network']['backbone']
      ),
      'chosen_name': name,
    }
  )


def differences(one: Run, other: Run) -> list[str]:
  """What differs between two runs, as 'space.options.linear.steps: 5, 6'."""
  found = []

  def compare(path: str, a: Any, b: Any) -> None:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
      for key in sorted({*a, *b}):
        compare(f'{path}.{key}' if path else key, a.get(key), b.get(key))
    elif a != b:
      found.append(f'{path}: {a} and {b}')

  def whole(run: Run) -> dict[str, Any]:
    return {
      k: v for k, v in dataclasses.asdict(run).items() if k != 'chosen_name'
    }

  compare('', whole(one), whole(other))
  return found


def network(
  backbone: str,
  weights: str,
  image_size: int,
  taps: str = backbone_lib.ALL_TAPS,
  input_scaling: str = input_names.USUAL_INPUT,
) -> Network:
  """A network by its id and its weights' name or file.

  Args:
    backbone: its id.
    weights: their name or path.
    image_size: side in pixels of what it sees.
    taps: a set that the weights have; a SavedModel need not have all others.
    input_scaling: of `input_names.INPUT_SCALINGS`.

  Raises:
    errors.InputError: one of them is unknown or cannot be read, or the weights
      lack the taps.
  """
  found = _usual(backbone, weights, image_size, taps)
  fed = input_names.scaled_input(found.input, input_scaling)
  return Network(
    backbone=backbone,
    weights=pathlib.Path(weights).name,
    sha256=found.weights_sha256,
    scale=fed.scale,
    offset=fed.offset,
  )


def usual_input(
  backbone: str, weights: str, image_size: int, taps: str
) -> preprocessing.Input:
  """How images become the input of a network, as its weights want it.

  Args:
    backbone, weights, image_size, taps: as of `network`.

  Raises:
    errors.InputError: as `network` raises.
  """
  return _usual(backbone, weights, image_size, taps).input


def _usual(
  backbone: str, weights: str, image_size: int, taps: str
) -> backbone_lib.Backbone:
  return _load(
    backbone,
    weights,
    image_size,
    taps,
    pooling.CLS_POOLED,
    backbone_lib.FLOAT32,
  )


# A network takes seconds to build, and several runs have the same.
@functools.lru_cache(maxsize=4)
def _load(
  name: str,
  weights: str,
  image_size: int,
  taps: str,
  cls_pooling: str,
  precision: str,
) -> backbone_lib.Backbone:
  return precision_lib.compute_in(
    backbones.load(name, weights, image_size, taps, cls_pooling),
    precision,
  )


def load(run: Run, weights: Mapping[str, str]) -> backbone_lib.Backbone:
  """Builds the network that a run reads.

  Args:
    run: names it.
    weights: path or address of weights that are not packaged, by their name.

  Raises:
    errors.InputError: weights cannot be read, are not those of the run, or do
      not compute in its precision.
  """

  def one(
    network: Network, taps: str, cls_pooling: str
  ) -> backbone_lib.Backbone:
    found = _load(
      network.backbone,
      weights.get(network.weights, network.weights),
      run.image_size,
      taps,
      cls_pooling,
      run.precision,
    )
    if found.weights_sha256 != network.sha256:
      raise errors.InputError(
        f'the weights {network.weights} of {network.backbone} are not those '
        f'of the run {run.name}: their sha256 is {found.weights_sha256[:16]},'
        f' not {network.sha256[:16]}; give those with --weights or --control'
      )
    fed = preprocessing.Input(
      scale=network.scale,
      offset=network.offset,
      resize=run.resize,
      crop=run.crop,
    )
    return dataclasses.replace(found, input=fed)

  first = one(run.network, run.taps, run.cls_pooling)
  if run.second is None:
    return first
  return pair.pair(
    first, one(run.second, backbone_lib.ALL_TAPS, pooling.CLS_POOLED)
  )
