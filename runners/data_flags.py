"""Flags that say where the data of --suite=vtab are."""

from absl import flags

from vtab_h2t.tasks import registry

DATA_SOURCE = flags.DEFINE_enum(
    'data_source', registry.TFDS, registry.SOURCES, 'Form of the data of '
    '--suite=vtab. tfds: as TensorFlow Datasets prepared them. archive: folders '
    'with train800.txt, val200.txt, test.txt.')
DATA_DIR = flags.DEFINE_string(
    'data_dir', None, 'Where the data of --suite=vtab are; for tfds by default '
    'TFDS_DATA_DIR or ~/tensorflow_datasets.')
DOWNLOAD = flags.DEFINE_bool(
    'download', False, 'Let TensorFlow Datasets download what is not prepared.')
TASKS = flags.DEFINE_list(
    'tasks', None, 'Comma-separated tasks; all of the suite by default.')
