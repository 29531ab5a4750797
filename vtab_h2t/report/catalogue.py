"""Every table and figure of the papers: what it needs, how it is made.

An output has frames (its numbers, each written as CSV), and a drawing or a
Markdown table of them. Measured frames come from a run's results (`jobs`,
`results`), published ones from what the paper prints; see `making` and
`making_figures`.
"""

from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import companion_outputs
from vtab_h2t.report import companion_rows
from vtab_h2t.report import figure_outputs
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import table_outputs

OUTPUTS: dict[str, output_lib.Output] = {
  o.name: o for o in (*table_outputs.OUTPUTS, *figure_outputs.OUTPUTS)
}
# Those of the companion papers, which are made of runs under shifts only.
COMPANIONS: dict[str, output_lib.Output] = {
  o.name: o for o in companion_outputs.OUTPUTS
}
# The domain-affinity plots; the other outputs have no runner of their own.
AFFINITY = 'figure2', 'figure3', 'figure4', 'figure8', 'figure11'


def of(run: run_lib.Run) -> dict[str, output_lib.Output]:
  """The outputs that a run is measured for."""
  return COMPANIONS if run.suite == companion_rows.SUITE else OUTPUTS
