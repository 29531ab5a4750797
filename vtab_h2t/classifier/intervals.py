"""How far a share may be off that was measured on a few images."""

import numpy as np

# Of a standard normal: 95 % lie within it on both sides of 0.
_Z = 1.959963984540054
_DRAWS = 10_000


def wilson(
  correct: np.ndarray | int, total: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
  """The 95 % score interval of shares (Wilson, JASA 1927).

  Args:
    correct: counts, any shape.
    total: of how many, 0 or more, the same shape.

  Returns:
    Lower and upper ends, 0 to 1; NaN where the total is 0.
  """
  count = np.asarray(correct, float)
  n = np.where(np.asarray(total) > 0, total, np.nan).astype(float)
  share = count / n
  middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
  reach = (
    _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
  )
  return np.clip(middle - reach, 0, 1), np.clip(middle + reach, 0, 1)


def of_mean(correct: np.ndarray, total: np.ndarray) -> tuple[float, float]:
  """The 95 % interval of the mean of shares that were measured apart.

  From draws of each share's posterior under Jeffreys' prior, with a fixed seed.

  Args:
    correct: counts `[k]`.
    total: of how many `[k]`, 1 or more.

  Returns:
    Lower and upper end, 0 to 1.
  """
  rng = np.random.default_rng(0)
  sums = np.zeros(_DRAWS)
  for c, n in zip(correct, total, strict=True):
    sums += rng.beta(c + 0.5, n - c + 0.5, _DRAWS)
  low, high = np.quantile(sums / len(total), (0.025, 0.975))
  return float(low), float(high)


def student(values: np.ndarray) -> tuple[float, float]:
  """The 95 % interval of a mean (Student, Biometrika 1908).

  Args:
    values: `[n]`, 2 or more.

  Returns:
    Lower and upper end.
  """
  from scipy import stats

  n = len(values)
  reach = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
  return float(np.mean(values) - reach), float(np.mean(values) + reach)
