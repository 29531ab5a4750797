"""Flags that say where data are; a runner defines those that it reads."""

from absl import flags

from vtab_h2t.tasks import registry

# The flags then belong to the runner that calls these, and are in its --help.
flags.disclaim_key_flags()


def data_source() -> flags.FlagHolder[str]:
  return flags.DEFINE_enum(
      'data_source', registry.TFDS, registry.SOURCES, 'Form of the data of '
      'VTAB-1k. tfds: as TensorFlow Datasets prepared them. archive: folders '
      'with train800.txt, val200.txt, test.txt.')


def data_dir() -> flags.FlagHolder[str | None]:
  return flags.DEFINE_string(
      'data_dir', None, 'Where the data of VTAB-1k are; for tfds by default '
      'TFDS_DATA_DIR or ~/tensorflow_datasets.')


def download() -> flags.FlagHolder[bool]:
  return flags.DEFINE_bool(
      'download', False, 'Let TensorFlow Datasets fetch what is not prepared.')


def tasks() -> flags.FlagHolder[list[str] | None]:
  return flags.DEFINE_list('tasks', None, 'Comma-separated tasks; all by '
                           'default.')
