"""Names of ImageNet's classes, in the order of published networks' logits."""

CLASSES = 1000


def names() -> tuple[str, ...]:
  """The names of the 1000 classes, the first word or words of each synset.

  TensorFlow Datasets has them beside one of its data sets.
  """
  from tensorflow_datasets.datasets.siscore import labels

  return tuple(name.partition(',')[0] for name in labels.IMAGENET_LABELS_LIST)
