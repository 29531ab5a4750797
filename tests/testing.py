"""Small stand-ins: a backbone and a task that run in a second."""

import atexit
import csv
import dataclasses
import functools
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import pytest

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.tasks import task as task_lib

SHARED = pathlib.Path(__file__).parents[2] / 'shared'
_PHOTOS = SHARED / 'images' / 'imagenet17'
needs_photos = pytest.mark.skipif(
  not _PHOTOS.exists(), reason='../shared/images/imagenet17 is not there'
)

# Of the small networks.
INPUT = preprocessing.Input(scale=1 / 128, offset=-1.0)
SHAPES = {'early': (8, 8, 6), 'tokens': (5, 7), 'pooled': (9,)}


def training_data(folder, task, target_sizes, backbone=None):
  """A task's features of the tiny backbone, as methods are given them."""
  from vtab_h2t.features import extraction
  from vtab_h2t.features import store
  from vtab_h2t.methods import data

  features = store.open_or_compute(
    folder,
    extraction.Extractor(backbone or tiny_backbone(), target_sizes),
    task.train,
    no_progress,
  )
  return data.TrainingData(
    features, task.train.labels, task.num_classes, 'selected', 2**30
  )


def tiny_backbone(name='tiny', seed=0) -> backbone_lib.Backbone:
  """16-pixel images; a map, tokens and a vector as taps."""
  import keras

  init = keras.initializers.RandomNormal(seed=seed)
  inputs = keras.Input((16, 16, 3))
  early = keras.layers.Conv2D(
    6, 3, 2, 'same', activation='relu', kernel_initializer=init
  )(inputs)
  tokens = keras.layers.Reshape((5, 7))(
    keras.layers.Dense(35, kernel_initializer=init)(
      keras.layers.Flatten()(early)
    )
  )
  pooled = keras.layers.Dense(9, activation='relu', kernel_initializer=init)(
    keras.layers.Flatten()(tokens)
  )
  model = keras.Model(
    inputs, {'early': early, 'tokens': tokens, 'pooled': pooled}
  )
  return backbone_lib.Backbone(
    name,
    model,
    tuple(SHAPES),
    'pooled',
    16,
    INPUT,
    backbone_lib.hash_weights(model),
  )


def normed_backbone(seed=0) -> backbone_lib.Backbone:
  """16-pixel images; two convolutions with batch norm, in two blocks."""
  import keras

  layers = keras.layers
  init = keras.initializers.HeNormal(seed=seed)
  x = inputs = keras.Input((16, 16, 3))
  taps = {}
  for name, width in (('a', 6), ('b', 8)):
    x = layers.Conv2D(
      width,
      3,
      2,
      'same',
      use_bias=False,
      name=f'{name}_conv',
      kernel_initializer=init,
    )(x)
    x = layers.BatchNormalization(name=f'{name}_norm')(x)
    x = taps[name] = layers.ReLU(name=f'{name}_relu')(x)
  taps['pooled'] = layers.GlobalAveragePooling2D()(x)
  model = keras.Model(inputs, taps)
  model.trainable = False
  return backbone_lib.Backbone(
    'normed',
    model,
    tuple(taps),
    'pooled',
    16,
    INPUT,
    backbone_lib.hash_weights(model),
    blocks={'first': 'a_', 'second': 'b_'},
  )


def with_operation(operation) -> backbone_lib.Backbone:
  """16-pixel images; a convolution, an operation on it, and their mean.

  Args:
    operation: of a tensor, which keeps its shape.
  """
  import keras

  layers = keras.layers
  init = keras.initializers.HeNormal(seed=0)
  inputs = keras.Input((16, 16, 3))
  early = layers.Conv2D(
    6, 3, 2, activation='relu', name='early', kernel_initializer=init
  )(inputs)
  x = layers.Lambda(operation, lambda shape: shape, name='operation')(early)
  return backbone_lib.Backbone.of_model(
    keras.Model(inputs, layers.GlobalAveragePooling2D(name='pooled')(x)),
    ('early', 'operation', 'pooled'),
    input=INPUT,
  )


def positions(seed=0):
  """What `tiny_vit` adds to its tokens."""
  return np.random.default_rng(seed).normal(0, 0.5, (5, 8)).astype(np.float32)


def tiny_vit(seed=0) -> backbone_lib.Backbone:
  """16-pixel images; two blocks of five tokens, the first a class token.

  Layers are called as those of the ViTs.
  """
  import keras

  layers, width = keras.layers, 8

  def dense(size, name, activation=None):
    init = keras.initializers.RandomNormal(stddev=0.3, seed=seed)
    return layers.Dense(
      size,
      activation,
      name=name,
      kernel_initializer=init,
      bias_initializer=init,
    )

  def norm(name):
    init = keras.initializers.RandomUniform(0.5, 1.5, seed=seed)
    return layers.LayerNormalization(
      epsilon=1e-6, name=name, gamma_initializer=init, beta_initializer=init
    )

  init = keras.initializers.RandomNormal(stddev=0.3, seed=seed)
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(width, 8, 8, name='patches', kernel_initializer=init)(
    inputs
  )
  x = layers.Reshape((4, width))(x)
  first = keras.ops.mean(x, axis=1, keepdims=True)
  x = keras.ops.concatenate([keras.ops.tanh(first), x], axis=1)
  x += positions(seed)
  taps = {}
  for name in ('block00', 'block01'):
    y = norm(f'{name}_norm')(x)
    y = taps[f'{name}_attention'] = layers.MultiHeadAttention(
      2,
      4,
      name=f'{name}_attention',
      kernel_initializer=init,
      bias_initializer=init,
    )(y, y)
    x = layers.Add(name=f'{name}_add1')([x, y])
    y = dense(16, f'{name}_mlp1', 'gelu')(norm(f'{name}_norm2')(x))
    y = taps[f'{name}_mlp2'] = dense(width, f'{name}_mlp2')(y)
    x = layers.Add(name=f'{name}_add2')([x, y])
  x = taps['norm'] = norm('norm')(x)
  taps['pre_logits'] = x[:, 0]
  model = keras.Model(inputs, taps)
  model.trainable = False
  return backbone_lib.Backbone(
    'tiny_vit',
    model,
    tuple(taps),
    'pre_logits',
    16,
    INPUT,
    backbone_lib.hash_weights(model),
    blocks={'first': '(patches|block00_)', 'second': '(block01_|norm)'},
  )


def images(count, seed=0, size=16):
  """Noise, `[count, size, size, 3]` uint8."""
  return np.random.default_rng(seed).integers(
    0, 256, (count, size, size, 3), np.uint8
  )


def tiny_task(
  name='tiny', train=300, test=90, classes=3, seed=0
) -> task_lib.Task:
  """Images whose bright quarter is their class, in noise."""

  def split(part, count, part_seed):
    rng = np.random.default_rng([seed, part_seed])
    labels = np.arange(count) % classes
    pixels = rng.integers(0, 130, (count, 16, 16, 3))
    for i, label in enumerate(labels):
      y, x = divmod(int(label), 2)
      pixels[i, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] += 90
    order = rng.permutation(count)
    return task_lib.array_split(
      f'{name}/{part}',
      pixels[order].astype(np.uint8),
      labels[order],
      range(count),
    )

  return task_lib.Task(
    'embedded',
    name,
    'structured',
    classes,
    lambda: task_lib.Examples.in_order(
      split('train', train, 0), split('test', test, 1)
    ),
  )


def no_progress(*unused):
  pass


def check_backbone(make, sizes, tmp_path, exact_reload=True):
  """Asserts what every backbone must do.

  Args:
    make: builds it for an image size.
    sizes: two image sizes; the first is also saved, loaded and built again.
    tmp_path: where to save.
    exact_reload: whether it may be saved to one file.
  """
  import keras
  import tensorflow as tf

  pixels = images(2, size=40)
  for size in sizes:
    backbone = make(size)
    assert backbone.image_size == size
    _check_taps(backbone)
    outputs = backbone.model(backbone.preprocess(pixels), training=False)
    assert set(outputs) == set(backbone.taps)
    for tap, shape in backbone.tap_shapes().items():
      assert outputs[tap].shape == (2, *shape)
      assert outputs[tap].dtype == tf.float32
      assert np.isfinite(outputs[tap]).all()
  backbone = make(sizes[0])
  x = backbone.preprocess(pixels)
  wanted = backbone.model(x, training=False)
  again = make(sizes[0])
  assert again.weights_sha256 == backbone.weights_sha256
  assert again.taps == backbone.taps
  _assert_equal(again.model(x, training=False), wanted)
  if exact_reload:
    backbone.model.save(tmp_path / 'model.keras')
    loaded = keras.models.load_model(tmp_path / 'model.keras')
    _assert_equal(loaded(x, training=False), wanted)
  policy = keras.config.dtype_policy()
  keras.config.set_dtype_policy('mixed_bfloat16')
  try:
    mixed = make(sizes[0])
  finally:
    keras.config.set_dtype_policy(policy)
  assert all(w.dtype == 'float32' for w in mixed.model.weights)
  for tap, value in mixed.model(x, training=False).items():
    value = tf.cast(value, tf.float32).numpy().ravel()
    reference = wanted[tap].numpy().ravel()
    # bfloat16 has 8 bits: the direction stays, the last digits do not.
    assert value @ reference > 0.9 * np.linalg.norm(value) * np.linalg.norm(
      reference
    )


def _check_taps(backbone):
  """Names are unique, nothing is trainable, no tap depends on a later one."""
  assert len(set(backbone.taps)) == len(backbone.taps)
  assert not backbone.model.trainable_weights
  number = {l.name: i for i, l in enumerate(backbone.model.layers)}
  depth = [
    number[backbone.model.output[t]._keras_history.operation.name]
    for t in backbone.taps
  ]
  assert depth == sorted(depth)


def _assert_equal(outputs, wanted):
  assert set(outputs) == set(wanted)
  for tap, value in wanted.items():
    np.testing.assert_array_equal(outputs[tap], value)


def result_rows():
  """Test and validation rows of two methods, three tasks, three seeds."""
  base = {
    'run': 'r',
    'job': 'accuracy',
    'suite': 's',
    'backbone': 'b',
    'protocol': 'exact',
    'split': 'test',
    'total': 200,
  }
  rows = []
  for method, shift in (('linear', 0), ('head2toe', 20)):
    for task, group in (
      ('x', 'natural'),
      ('y', 'structured'),
      ('z', 'structured'),
    ):
      for seed, correct in enumerate((100, 90, 104)):
        rows.append(
          base
          | {
            'method': method,
            'task': task,
            'group': group,
            'seed': seed,
            'correct': correct + shift + (40 if task == 'z' else 0),
          }
        )
      rows.append(rows[-1] | {'split': 'val', 'correct': 0})
  return rows


def top_1(backbone):
  """Correct answers on the 17 photographs: shorter side 256, centre crop."""
  from PIL import Image

  size, correct = backbone.image_size, 0
  with open(_PHOTOS / 'labels.csv', encoding='utf-8') as f:
    photos = list(csv.DictReader(f))
  for photo in photos:
    with Image.open(_PHOTOS / photo['file']) as file:
      image = file.convert('RGB')
      scale = 256 / 224 * size / min(image.size)
      image = image.resize(
        [round(s * scale) for s in image.size], Image.Resampling.BICUBIC
      )
      left, top = ((s - size) // 2 for s in image.size)
      pixels = np.asarray(image.crop((left, top, left + size, top + size)))
    logits = backbone.model(backbone.preprocess(pixels[None]))['logits']
    correct += int(np.argmax(logits)) == int(photo['imagenet_index'])
  return correct, len(photos)


def write_archive(folder, names=()):
  """A VTAB-1k archive of 8 train, 4 val and 5 test images of 3 classes."""
  from PIL import Image

  for part, name, count, kind in (
    ('train', 'train800', 8, 'png'),
    ('val', 'val200', 4, 'jpg'),
    ('test', 'test', 5, 'png'),
  ):
    (folder / 'images' / part).mkdir(parents=True)
    lines = []
    for i, pixels in enumerate(images(count, size=20)):
      pixels = np.concatenate([pixels, pixels[:, : 10 * (i % 2)]], axis=1)
      Image.fromarray(pixels).save(folder / 'images' / part / f'{i}.{kind}')
      lines.append(f'images/{part}/{i}.{kind} {i % 3}\n')
    (folder / f'{name}.txt').write_text(''.join(lines))
  if names:
    (folder / 'label_names.txt').write_text('\n'.join(names) + '\n')
  return folder


def write_example(name, folder):
  """Writes a plugin that docs/extending.md shows; returns its path."""
  text = (_ROOT / 'docs' / 'extending.md').read_text()
  (code,) = re.findall(f'```python\n(# {name}\n.*?)```', text, re.DOTALL)
  path = folder / name
  path.write_text(code)
  return path


def write_photographs(folder, count=12, seed=0):
  """Two classes that differ in hue, of several sizes and kinds."""
  from PIL import Image

  rng = np.random.default_rng(seed)
  for name, hue in (('warm', (200, 60, 30)), ('cold', (30, 60, 200))):
    (folder / name).mkdir(parents=True)
    for i in range(count):
      pixels = rng.integers(0, 50, (20 + i, 30, 3)) + np.array(hue)
      Image.fromarray(pixels.astype(np.uint8)).save(
        folder / name / f'{i}.{"jpg" if i % 2 else "png"}'
      )
  return folder


def export(backbone, names, folder, signature):
  """Writes a backbone as a SavedModel with a signature of endpoints.

  Args:
    backbone: the backbone.
    names: tap to the endpoint's name.
    folder: where to.
    signature: its name.
  """
  import tensorflow as tf

  size = backbone.image_size

  class Module(tf.Module):
    def __init__(self):
      super().__init__()
      self.model = backbone.model

    @tf.function(
      input_signature=[
        tf.TensorSpec((None, size, size, 3), tf.float32, 'images')
      ]
    )
    def call(self, images):
      outputs = self.model(images, training=False)
      return {names[tap]: outputs[tap] for tap in names}

  module = Module()
  tf.saved_model.save(module, str(folder), {signature: module.call})


_ROOT = pathlib.Path(__file__).parents[1]


@functools.cache
def _zygote():
  """The process that runs runners for this test worker."""
  process = subprocess.Popen(
    [sys.executable, '-m', 'tests.zygote'],
    cwd=_ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdin is not None
  atexit.register(process.stdin.close)
  return process


def run_runner(name, *arguments, **env):
  """Runs a runner in a process of its own, as a user does.

  Args:
    name: of `runners`.
    *arguments: flags.
    **env: additions to the environment.

  Returns:
    What `subprocess.run` would, with stdout and stderr as text.
  """
  zygote = _zygote()
  with tempfile.TemporaryDirectory() as folder:
    out, err = (pathlib.Path(folder, n) for n in ('stdout', 'stderr'))
    out.touch()
    err.touch()
    call = {
      'module': f'runners.{name}',
      'arguments': list(map(str, arguments)),
      'env': env,
      'stdout': str(out),
      'stderr': str(err),
    }
    print(json.dumps(call), file=zygote.stdin, flush=True)
    status = int(zygote.stdout.readline())
    return subprocess.CompletedProcess(
      [name, *arguments], status, out.read_text(), err.read_text()
    )


def start_runner(name, *arguments, **options):
  """Starts a runner in a fresh process, to be killed or waited for."""
  return subprocess.Popen(
    [sys.executable, '-m', f'runners.{name}', *map(str, arguments)],
    cwd=_ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    **options,
  )


def results(workdir):
  """Every row, table and figure file of a work directory's runs, by path."""
  return {
    p.relative_to(workdir): p.read_bytes()
    for p in sorted(workdir.glob('*/**/*'))
    if p.is_file()
    and p.relative_to(workdir).parts[0] != 'features'
    and p.relative_to(workdir).parts[1] not in ('provenance', 'unfinished')
  }


def rows_files(workdir):
  """Every rows file of a work directory's runs, by path."""
  return {
    path: content
    for path, content in results(workdir).items()
    if path.suffix == '.jsonl'
  }


def read_rows(workdir):
  """All rows of a work directory's runs."""
  from vtab_h2t.protocol import ledger

  return [
    row for folder in ledger.Ledger(workdir).folders() for row in folder.rows()
  ]


def tiny_network(backbone):
  """What a run says of a backbone that is not registered."""
  from vtab_h2t.protocol import run

  return run.Network(
    backbone=backbone.name,
    weights='noise',
    sha256=backbone.weights_sha256,
    scale=backbone.input.scale,
    offset=backbone.input.offset,
  )


def tiny_run(backbone=None, **changes):
  """A run of a tiny backbone on the embedded suite, with a small space."""
  from vtab_h2t.protocol import run

  backbone = backbone or tiny_backbone()
  return run.Run(
    **{
      'suite': 'embedded',
      'data_source': None,
      'network': tiny_network(backbone),
      'image_size': backbone.image_size,
      'space': tiny_space(),
    }
    | changes
  )


def tiny_space(folds=(0, 4), **changes):
  """Few settings of every method.

  Args:
    folds: numbers.
    **changes: for a method, some of its options.
  """
  from vtab_h2t.protocol import grids

  pooled: dict[str, Any] = {
    'learning_rates': (0.1, 0.01),
    'steps': (20,),
    'target_sizes': (30,),
    'coefficients': (1e-5, 1e-3),
  }
  tuned = {'learning_rates': (0.1,), 'batch': 64}
  study = {'learning_rate': 0.1, 'steps': 10, 'target_size': 30}
  options = (
    dict.fromkeys(('all_l2', 'all_l1', 'all_l21'), pooled)
    | {
      'linear': {'learning_rates': (0.1, 0.01), 'steps': (20,)},
      'head2toe': pooled | {'fractions': (0.1, 0.5)},
      'head_probe': tuned | {'epochs': (2,), 'taus': (0, 2)},
      'ridge': {'coefficients': (1.0, 1e-3)},
      'all_ridge': {'coefficients': (1.0, 1e-3), 'target_sizes': (30,)},
      'logistic': {'coefficients': (1e-2, 1.0)},
      'all_logistic': {'coefficients': (1e-2, 1.0), 'target_sizes': (30,)},
      'knn': {'neighbours': (3, 20)},
      'dino_linear': {'learning_rates': (0.1, 0.01), 'steps': (20,)},
      'alf': {
        'learning_rates': (0.01,),
        'weight_decays': (0.1, 1e-3),
        'dropouts': (0.0,),
        'steps': (20,),
      },
      'vqt': {
        'learning_rates': (0.1, 1.0),
        'weight_decays': (1e-4,),
        'queries': (1, 2),
        'kept_fractions': (0.5,),
        'epochs': 3,
        'warmup': 1,
      },
    }
    | dict.fromkeys(
      ('scratch', 'finetune', 'linearized', 'head2toe_ft'),
      tuned | {'steps': (6,)},
    )
    | dict.fromkeys(
      ('lp_ft', 'surgical', 'auto_rgn', 'auto_snr'),
      tuned | {'learning_rates': (1e-2,), 'epochs': (2,)},
    )
    | dict.fromkeys(('relevance', 'offset', 'transfer'), study | {'kept': 20})
    | {
      'one_tap': study | {'learning_rates': (0.1, 0.01)},
      'granularity': study | {'kept': 20, 'fractions': (0.1, 0.5)},
      'coefficient': study | {'kept': 20, 'coefficients': (0.0, 1e-3)},
      'scores': study,
      'scaling': study | {'target_sizes': (6, 30), 'fractions': (0.1, 0.5)},
    }
  )
  space = grids.paper('tiny').changed(options).changed(changes)
  return dataclasses.replace(space, name='test', folds=folds)


def measure(
  workdir,
  run,
  tasks,
  backbone,
  methods=(),
  studies=(),
  seeds=(0, 1),
  progress=None,
):
  """Measures with a run and returns all its rows."""
  from vtab_h2t.features import extraction
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.protocol import unit

  ledger = ledger_lib.Ledger(workdir)
  work = unit.Unit(
    run=run,
    tasks=tuple(t.name for t in tasks),
    methods=tuple(methods),
    studies=tuple(studies),
    seeds=seeds,
  )
  unit.run(
    work,
    tasks,
    backbone,
    functools.cache(lambda sizes: extraction.Extractor(backbone, sizes)),
    ledger,
    2**30,
    progress or no_progress,
  )
  folder = ledger.find(run)
  assert folder is not None
  return folder.rows()
