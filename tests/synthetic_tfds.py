"""Small synthetic data sets under the real TFDS builders' names and schemas."""

import pathlib

import numpy as np

from vtab_h2t.tasks import vtab

# Pairs that share images, grey ones, distances, a split of its own.
FEW = 'dtd', 'clevr_count', 'clevr_dist'  # Quickly written.
SOME = (
  'dtd',
  'clevr_count',
  'clevr_dist',
  'dmlab',
  'kitti_dist',
  'dsprites_loc',
  'dsprites_ori',
  'snorb_azim',
  'snorb_elev',
)
TEST = 25  # Examples of a test split of its own.


def sizes(name):
  """Examples of each split: as few as VTAB-1k's slices leave disjoint."""
  source = vtab.ENTRIES[name].source
  found = dict.fromkeys(source.sizes, TEST)
  found[source.val[0]] = max(200, 2 * TEST)
  found['train'] = 1000
  if source.val[0] == 'train':
    found['train'] = {60: 1700, 80: 1400, 90: 2000}[source.val[1]]
    if source.test == ('train', 90):
      found['train'] = 2000
  if source.val[0] == source.test[0] == 'test':
    found['test'] = 400
  return found


def pixels(number, shape):
  """One colour, which tells the number; 0 and 1 where TFDS stores those."""
  height, width, channels = (
    side or default for side, default in zip(shape, (24, 30, 3))
  )
  if channels == 1:
    return np.random.default_rng(number).integers(
      0, 2, (height, width, 1), np.uint8
    )
  colour = [number % 251, number // 251 * 20, 7 * number % 256]
  return np.full((height, width, channels), colour, np.uint8)


def _example(feature, number):
  """Example `number` in the form of a feature connector."""
  import tensorflow_datasets as tfds

  if isinstance(feature, tfds.features.Image):
    return pixels(number, feature.shape)
  if isinstance(feature, tfds.features.ClassLabel):
    return number % feature.num_classes
  if isinstance(feature, tfds.features.Text):
    return f'text {number}'
  if isinstance(feature, tfds.features.BBoxFeature):
    return tfds.features.BBox(0.0, 0.0, 1.0, 1.0)
  if isinstance(feature, tfds.features.Sequence):
    # Each entry has its own number. CLEVR has 3 to 10 objects, KITTI may have
    # none.
    fewest = 0 if 'type' in dict(feature.feature.items()) else 3
    return [
      _example(feature.feature, number + 3 * i)
      for i in range(fewest + number % 8)
    ]
  if isinstance(feature, tfds.features.FeaturesDict):
    return {k: _example(f, number) for k, f in feature.items()}
  # Distances: 7 to 57, so every class of CLEVR's and KITTI's has some.
  value = 7 + number % 40 / 10 if number % 3 else 10 + number % 48
  return np.full(feature.shape, value).astype(feature.np_dtype)


def prepare(name: str, data_dir: pathlib.Path, **config) -> None:
  """Prepares a task's data set, synthetic, in a TFDS directory.

  Args:
    name: task id.
    data_dir: TFDS's directory.
    **config: for `tfds.download.DownloadConfig`.
  """
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core import registered

  tfds.disable_progress_bar()
  source = vtab.ENTRIES[name].source
  real = tfds.builder_cls(source.name)
  wanted = sizes(name)
  with registered.skip_registration():

    class Synthetic(real):
      """The real builder with other examples."""

      name = real.name
      pkg_dir_path = real.pkg_dir_path
      MANUAL_DOWNLOAD_INSTRUCTIONS = None

      def _split_generators(self, dl_manager):
        return {
          split: self._examples(split, count) for split, count in wanted.items()
        }

      def _examples(self, split, count):
        for i in range(count):
          yield f'{split}{i}', _example(self.info.features, i)

  builder = Synthetic(
    data_dir=data_dir, config=source.config, version=source.version
  )
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(**config)
  )
