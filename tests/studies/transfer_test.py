import numpy as np

from vtab_h2t.studies import relevance
from vtab_h2t.studies import transfer


def test_a_head_for_each_tasks_selection_and_seed(measured, layout):
  columns = {('a', 0): [0, 1, 2], ('a', 1): [3, 4], ('b', 0): [5, 60],
             ('b', 1): [7]}
  selections = {}
  for (task, seed), chosen in columns.items():
    selections.setdefault(task, {})[seed] = relevance.pack(
        np.array(chosen), layout.size)
  study = transfer.Transfer(selections)
  found = measured(study)
  assert [(f['source'], f['seed']) for f, _ in found] == list(columns)
  for fields, head in found:
    assert head.columns.tolist() == columns[fields['source'], fields['seed']]
  other = transfer.Transfer(selections | {'b': selections['a']})
  assert study.inputs() != other.inputs()
  assert study.inputs() == transfer.Transfer(dict(selections)).inputs()
