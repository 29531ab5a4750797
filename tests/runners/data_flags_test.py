from runners import data_flags
from vtab_h2t.tasks import registry


def test_defaults_read_what_tfds_prepared_and_download_nothing():
  assert data_flags.DATA_SOURCE.default == registry.TFDS
  assert data_flags.DATA_DIR.default is None
  assert data_flags.DOWNLOAD.default is False
  assert data_flags.TASKS.default is None
