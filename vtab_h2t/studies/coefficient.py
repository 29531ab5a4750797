"""Head2Toe with other coefficients of the group lasso (section 3.3).

The paper remarks that the method is robust to the coefficient, which "simply
needs to be large enough to distinguish the contributions of individual
features". Here each coefficient ranks the candidates of Figure 6, and a head is
trained on the `kept` best.
"""

import dataclasses

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(study.SelectingOptions):
  """Of the study; its single coefficient is not read.

  Attributes:
    coefficients: of the group lasso that selects; 0 for no penalty.
  """

  coefficients: tuple[float, ...] = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


class Coefficient(study.Study):
  """A head for each coefficient."""

  name = 'coefficient'
  options_type = Options

  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Options
  ) -> study.Pairs:
    size = options.target_size
    candidates = study.Candidates.of(data.features.layouts[size])
    columns, count = candidates.columns, candidates.num_kept(options)
    sets = []
    for seed in plan.seeds:
      heads = [
        sweep.HeadSpec(options.learning_rate, (seed, interface.FIRST), c)
        for c in options.coefficients
      ]
      problem = data.heads.problem(size, plan.examples, heads, columns)
      ((_, trained),) = data.heads.train([problem], options.steps, 'l21')
      for coefficient, head in zip(options.coefficients, trained, strict=True):
        scores = fraction_lib.relevance_scores(head.kernel)
        sets.append(
          study.FeatureSet(
            {'coefficient': coefficient},
            size,
            columns[fraction_lib.highest(scores, count)],
            seed,
          )
        )
    yield from study.train(data, plan.examples, sets, options)
