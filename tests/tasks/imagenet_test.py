import csv

from tests import testing
from vtab_h2t.tasks import imagenet


def test_names():
  names = imagenet.names()
  assert len(names) == imagenet.CLASSES
  # Of classes far apart, so that the order is the usual one throughout.
  found = [names[i] for i in (0, 7, 340, 859, 999)]
  assert found == ['tench', 'cock', 'zebra', 'toaster', 'toilet tissue']


@testing.needs_photos
def test_names_are_those_of_the_photographs():
  names = imagenet.names()
  with open(testing._PHOTOS / 'labels.csv') as f:
    rows = list(csv.DictReader(f))
  assert len(rows) == 17
  for row in rows:
    assert names[int(row['imagenet_index'])].lower() == row['label'].lower()
