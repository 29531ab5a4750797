from vtab_h2t.methods import registry as methods
from vtab_h2t.studies import registry
from vtab_h2t.studies import transfer


def test_names_are_those_of_the_studies_and_no_methods():
  for name, study in registry.STUDIES.items():
    assert study.name == name == study.file and study.folder == 'studies'
    assert not study.trains_network
  assert not set(registry.STUDIES) & set(methods.METHODS)


def test_every_study_has_options():
  assert set(registry.OPTIONS) == {*registry.STUDIES, transfer.Transfer.name}
  for name, study in registry.STUDIES.items():
    assert registry.OPTIONS[name] is study.options_type
