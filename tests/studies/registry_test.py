from vtab_h2t.methods import registry as methods
from vtab_h2t.studies import registry


def test_names_are_those_of_the_studies_and_no_methods():
  for name, study in registry.STUDIES.items():
    assert study.name == name and study.inputs() is None
  assert not set(registry.STUDIES) & set(methods.METHODS)
