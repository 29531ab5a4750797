"""Studies by id."""

from vtab_h2t.studies import base
from vtab_h2t.studies import coefficient
from vtab_h2t.studies import companion
from vtab_h2t.studies import granularity
from vtab_h2t.studies import head_probe_energy
from vtab_h2t.studies import lp_ft_shift
from vtab_h2t.studies import offset
from vtab_h2t.studies import one_tap
from vtab_h2t.studies import relevance
from vtab_h2t.studies import scaling
from vtab_h2t.studies import scores
from vtab_h2t.studies import surgical_shift
from vtab_h2t.studies import transfer

# Those that need nothing but a task.
STUDIES: dict[str, base.Study] = {
  s.name: s
  for s in (
    one_tap.OneTap(),
    granularity.Granularity(),
    relevance.Relevance(),
    offset.Offset(),
    coefficient.Coefficient(),
    scores.Scores(),
    scaling.Scaling(),
  )
}
# What each study's options are, those of other tasks' features too.
OPTIONS: dict[str, type[base.Options]] = {
  s.name: s.options_type for s in STUDIES.values()
} | {transfer.Transfer.name: transfer.Transfer.options_type}
# Of the companion papers, on tasks with shifts; in no grid of Head2Toe's.
COMPANIONS: dict[str, companion.Study] = {
  s.name: s
  for s in (
    lp_ft_shift.LpFtShift(),
    surgical_shift.SurgicalShift(),
    head_probe_energy.HeadProbeEnergy(),
  )
}
