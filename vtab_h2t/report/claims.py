"""The paper's checkable statements, in its order; `judging` says what holds."""

from vtab_h2t.report import claim
from vtab_h2t.report import claims_ablations
from vtab_h2t.report import claims_accuracy
from vtab_h2t.report import claims_layers
from vtab_h2t.report import claims_method
from vtab_h2t.report import claims_overlap
from vtab_h2t.report import claims_overview
from vtab_h2t.report import claims_selection

CLAIMS: tuple[claim.Claim, ...] = (
  *claims_overview.AVERAGE,
  *claims_overview.COST,
  *claims_overview.AFFINITY,
  *claims_method.TAYLOR,
  *claims_layers.ONE_LAYER,
  *claims_method.METHOD,
  *claims_accuracy.BETTER,
  *claims_accuracy.TUNED,
  *claims_selection.FEATURES,
  *claims_selection.TRANSFER,
  *claims_selection.CANDIDATES,
  *claims_accuracy.DEVIATIONS,
  *claims_overlap.DEPTH,
  *claims_overlap.OVERLAP,
  *claims_ablations.ABLATIONS,
)
