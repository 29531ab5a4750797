"""The checkable statements of the companion papers' abstracts."""

from vtab_h2t.report import claim
from vtab_h2t.report import claims_head_probe
from vtab_h2t.report import claims_lp_ft
from vtab_h2t.report import claims_surgical

CLAIMS: tuple[claim.Claim, ...] = (
  *claims_lp_ft.CLAIMS,
  *claims_surgical.CLAIMS,
  *claims_head_probe.CLAIMS,
)
