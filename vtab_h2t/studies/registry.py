"""Studies that need nothing but a task, by name."""

from vtab_h2t.studies import base
from vtab_h2t.studies import granularity
from vtab_h2t.studies import offset
from vtab_h2t.studies import one_tap
from vtab_h2t.studies import relevance
from vtab_h2t.studies import scaling
from vtab_h2t.studies import scores

STUDIES: dict[str, base.Study] = {s.name: s for s in (
    one_tap.OneTap(),
    granularity.Granularity(),
    relevance.Relevance(),
    offset.Offset(),
    scores.Scores(),
    scaling.Scaling(),
)}
