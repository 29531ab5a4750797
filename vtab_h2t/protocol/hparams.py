"""A setting as text, as `--hparams` takes it.

Those of heads are 'lr', 'steps', 'target_size', 'fraction', 'l1', 'l2' and
'l21'; of the methods after Head2Toe 'ridge', 'logistic', 'k', 'last_blocks',
'patch_mean', 'weight_decay', 'dropout' and 'queries'; of the methods that train
the backbone 'ft_lr', 'ft_steps' or 'epochs', 'batch', 'block' and 'tau'.
"""

from vtab_h2t import errors

_POSITIVE = {
  'lr': float,
  'steps': int,
  'target_size': int,
  'fraction': float,
  'ridge': float,
  'logistic': float,
  'k': int,
  'last_blocks': int,
  'queries': int,
  'ft_lr': float,
  'ft_steps': int,
  'epochs': int,
  'batch': int,
}
_NOT_NEGATIVE = {
  'l1': float,
  'l2': float,
  'l21': float,
  'patch_mean': int,
  'weight_decay': float,
  'dropout': float,
  'tau': int,
}
_AT_MOST_1 = 'fraction', 'patch_mean'
_BELOW_1 = ('dropout',)


def parse(text: str) -> dict[str, float | str]:
  """Parses 'lr=0.01,steps=500,...'; the keys are listed in docs/protocol.md.

  Raises:
    errors.InputError: an unknown key, a value that is no number or out of its
      range, or a key given twice.
  """
  values: dict[str, float | str] = {}
  kinds: dict[str, type] = _POSITIVE | _NOT_NEGATIVE | {'block': str}
  for item in filter(None, text.split(',')):
    key, _, value = item.partition('=')
    if key not in kinds or key in values:
      raise errors.InputError(
        f'--hparams: {item!r} is unknown or given twice; the keys are '
        f'{", ".join(kinds)}'
      )
    if key == 'block':
      values[key] = value
      continue
    try:
      number = kinds[key](value)
    except ValueError:
      number = -1
    low_enough = key not in _AT_MOST_1 or number <= 1
    low_enough &= key not in _BELOW_1 or number < 1
    above = number > 0 if key in _POSITIVE else number >= 0
    if not (low_enough and above and number < float('inf')):
      raise errors.InputError(
        f'--hparams: {item!r} is out of range; for example lr=0.01,'
        'steps=500,target_size=768,fraction=0.05,l21=1e-5'
      )
    values[key] = number
  return values
