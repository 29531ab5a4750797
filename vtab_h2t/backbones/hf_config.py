"""What Hugging Face's configuration beside a weights file says of its network.

Tensors do not tell epsilon, activation, heads and strides. transformers writes
them into `config.json` in the folder of the weights; `hf_input` reads its other
file. A configuration that contradicts the tensors is refused, as it is of other
weights. A file of this name that transformers did not write is not looked at.
"""

from collections.abc import Mapping
import dataclasses
import json
import pathlib
from typing import Any, NoReturn

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names

CONFIG = 'config.json'
_MAX_BYTES = 4 * 2**20  # Names of 21,843 classes take a tenth of it.
_ACTIVATIONS = {
  'gelu': vit_names.GELU,
  'gelu_new': vit_names.GELU_TANH,
  'gelu_pytorch_tanh': vit_names.GELU_TANH,
  'quick_gelu': vit_names.QUICK_GELU,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """A configuration.

  Attributes:
    path: of its file.
    weights: path of the weights that it is beside.
    values: what it says, by name; of CLIPs, what it says of images.
  """

  path: pathlib.Path
  weights: str
  values: Mapping[str, Any]

  def is_true(self, name: str, default: bool) -> bool:
    """A truth value.

    Raises:
      errors.InputError: it is said, but no truth value.
    """
    value = self.values.get(name, default)
    if type(value) is not bool:
      self.fail(f'{name} {shown(value)} is neither true nor false')
    return value

  def check(self, name: str, found: Any) -> None:
    """Raises InputError if it says something else than the tensors do."""
    value = self.values.get(name, found)
    if value != found:
      self.fail(
        f'{name} is {shown(value)}, but {found} of the tensors in '
        f'{self.weights}'
      )

  def fail(self, what: str) -> NoReturn:
    """Raises InputError."""
    raise errors.InputError(
      f'{self.path}: {what}; put the configuration of these weights beside '
      'them, or move it away, to have what is usual for their names'
    )


def beside(file: str, model_types: tuple[str, ...]) -> Config | None:
  """The `config.json` of transformers beside a weights file, if there is one.

  Args:
    file: the path of the weights.
    model_types: those that networks with their names have.

  Raises:
    errors.InputError: it cannot be read, or is of another type of model.
  """
  found = read(file, CONFIG)
  if found is None or 'model_type' not in found.values:
    return None
  kind = found.values['model_type']
  if kind not in model_types:
    found.fail(
      f'model_type is {shown(kind)}, but the names of tensors in {file} are '
      f'those of {" or ".join(model_types)}'
    )
  images = found.values.get('vision_config')
  if images is None:
    return found
  if not isinstance(images, dict):
    found.fail('vision_config is no object')
  return dataclasses.replace(found, values=images)


def of_vit(
  config: Config, network: vit_architecture.Architecture, activation: str
) -> vit_architecture.Architecture:
  """A ViT with the epsilon, the activation and the heads of its configuration.

  Args:
    config: of the network.
    network: as its tensors tell it; 0 heads if they do not tell them.
    activation: of `vit_names`; what a configuration means that says none.

  Raises:
    errors.InputError: it contradicts the tensors, or says what is not computed.
  """
  for name, found in (
    ('hidden_size', network.width),
    ('num_hidden_layers', network.depth),
    ('intermediate_size', network.mlp),
    ('patch_size', network.patch),
    ('image_size', network.patch * network.grid),
    ('num_channels', 3),
  ):
    config.check(name, found)
  if network.representation:
    config.check('pooler_act', 'tanh')
  heads = config.values.get('num_attention_heads', network.heads)
  if type(heads) is not int or heads < 1 or network.width % heads:
    config.fail(
      f'num_attention_heads {shown(heads)} does not divide {network.width}'
    )
  stated = config.values.get('hidden_act')
  if stated is not None:
    if not isinstance(stated, str) or stated not in _ACTIVATIONS:
      config.fail(
        f'hidden_act {shown(stated)} is none of {", ".join(_ACTIVATIONS)}'
      )
    activation = _ACTIVATIONS[stated]
  epsilon = config.values.get('layer_norm_eps', network.epsilon)
  if type(epsilon) not in (int, float) or not 0 <= epsilon < 1:
    config.fail(f'layer_norm_eps {shown(epsilon)} is no number from 0 to 1')
  return dataclasses.replace(
    network, heads=heads, activation=activation, epsilon=float(epsilon)
  )


def of_resnet(
  file: str, network: resnet_v1_names.Architecture
) -> resnet_v1_names.Architecture:
  """A ResNet v1 with the strides of the configuration beside it, if any is.

  Args:
    file: the path of the weights.
    network: as its tensors tell it.

  Raises:
    errors.InputError: it contradicts the tensors, or says what is not computed.
  """
  config = beside(file, (resnet_v1_names.HUGGING_FACE_TYPE,))
  if config is None:
    return network
  kind = 'bottleneck' if network.bottleneck else 'basic'
  for name, found in (
    ('layer_type', kind),
    ('embedding_size', network.stem),
    ('hidden_sizes', [stage.output for stage in network.stages]),
    ('depths', [stage.units for stage in network.stages]),
    ('num_channels', 3),
    ('hidden_act', 'relu'),
  ):
    config.check(name, found)
  if config.is_true('downsample_in_first_stage', False):
    config.fail('downsample_in_first_stage is true, which is not computed here')
  return dataclasses.replace(
    network,
    stride_first=network.bottleneck
    and config.is_true('downsample_in_bottleneck', False),
  )


def sha256(weights: str, told: Any, configured: Any) -> str:
  """What stands for weights and, where it matters, their configuration.

  Args:
    weights: the sha256 of the weights.
    told: the architecture that tensors alone tell, a dataclass.
    configured: the same with what the configuration says.

  Returns:
    That of the weights if both are equal; else a hash of it and of what
    differs.
  """
  before, after = dataclasses.asdict(told), dataclasses.asdict(configured)
  changed = {n: value for n, value in after.items() if value != before[n]}
  return files.fingerprint([weights, changed]) if changed else weights


def read(file: str, name: str) -> Config | None:
  """A JSON object beside a weights file, if there is one.

  What it has as null, which transformers writes of what was not set, it does
  not say.

  Args:
    file: the path of the weights.
    name: of the file with the object.

  Raises:
    errors.InputError: it cannot be read, or is none.
  """
  path = pathlib.Path(file).parent / name
  if not path.is_file():
    return None
  config = Config(path=path, weights=file, values={})
  try:
    if path.stat().st_size > _MAX_BYTES:
      raise ValueError('it is too long')
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
      raise ValueError('it is no object')
  except (OSError, ValueError, RecursionError) as e:
    config.fail(f'it is no configuration in JSON ({importing.reason(e)})')
  said = {name: v for name, v in value.items() if v is not None}
  return dataclasses.replace(config, values=said)


def shown(value: Any) -> str:
  """A value of a configuration in a message."""
  return importing.one_line(json.dumps(value))
