import dataclasses

import pandas as pd

from vtab_h2t.classifier import diagnosis_tables


def test_each_table_has_a_name_and_the_columns_that_users_read():
  frames = {
    field.name: pd.DataFrame({field.name: [1]})
    for field in dataclasses.fields(diagnosis_tables.Tables)
  }
  frames['confusion'] = pd.DataFrame({'a': [1]}, pd.Index(['a'], name='given'))
  frames['duplicates'] = pd.DataFrame(
    {'first': [0], 'second': [1], 'similarity': [1.0]}
  )
  found = diagnosis_tables.Tables(**frames).tables()
  assert {name: list(table) for name, table in found.items()} == {
    'confusion': ['given', 'a'],
    'classes': ['classes'],
    'confused_pairs': ['pairs'],
    'suspects': ['suspects'],
    'duplicates': ['similarity'],
    'unusual': ['unusual'],
    'calibration': ['reliability'],
    'min_confidence': ['coverage'],
    'taps': ['taps'],
    'learning_curve': ['learning_curve'],
  }
