"""Fine-tuning of the network's first-order Taylor expansion.

Section 3.1 starts from what other works observed (Maddox et al., 2021; Mu et
al., 2020): fine-tuning changes the weights very little. So long as it does, the
network is nearly linear in their change. Here it is exactly that: all weights,
the head's included, move from the start `w0` of fine-tuning to `w`, and the
logits of an image `x` are `F(x; w0) + J(x; w0) (w - w0)`. As in those works the
change `w - w0` is trained; the paper's formula is about that of fine-tuning.
Start, budget, seeds and order of the images are those of `finetune`. One thing
differs: batch norms use their pretrained statistics and keep them, because with
those of a batch the logits are not a function of one image.
"""

import dataclasses

from vtab_h2t.methods import finetune
from vtab_h2t.methods import tuned
from vtab_h2t.training import trainer as trainer_lib


class Linearized(finetune.Finetune):
  """`linearized`."""

  def __init__(self) -> None:
    super().__init__('linearized', scratch=False)

  def recipe(
    self, setting: tuned.StepSetting, options: finetune.Options
  ) -> trainer_lib.Recipe:
    return dataclasses.replace(
      super().recipe(setting, options), frozen_statistics=True, linearized=True
    )
