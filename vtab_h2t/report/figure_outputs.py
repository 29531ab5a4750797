"""The paper's figures as outputs, and a figure of what its text says."""

from typing import TYPE_CHECKING

from vtab_h2t import published
from vtab_h2t.report import figures
from vtab_h2t.report import jobs
from vtab_h2t.report import making_figures as making
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import study_figures
from vtab_h2t.report import study_frames
from vtab_h2t.report import tap_figures
from vtab_h2t.report import tap_frames

if TYPE_CHECKING:
  from matplotlib import figure as figure_lib

_ACCURACY = jobs.ACCURACY
_Output = output_lib.Output


def _draw8(frames: output_lib.Frames) -> 'figure_lib.Figure':
  printed = frames.get('spearman')
  return figures.figure8(
    frames['figure8'],
    frames.get('layers'),
    None if printed is None else printed.spearman.iloc[1],
  )


def _draw11(frames: output_lib.Frames) -> 'figure_lib.Figure':
  rest = dict(frames)
  overlap, offset = rest.pop('overlap', None), rest.pop('offset', None)
  return figures.figure11(rest, overlap, offset)


_BASELINES = making.BASELINES
_SINGLY_OR_NOT = (
  'features are kept. Feature-wise they are chosen one by one, as Head2Toe '
  'does. Layer-wise they are chosen as whole layers, either those of the '
  'highest mean relevance of their features, or (group) those of the largest '
  'weights under a group lasso whose groups are the layers.'
)
_GROUPS = (
  "The groups of VTAB's tasks are the paper's. Of other tasks group 1 has "
  'those whose accuracy with all layers is higher at the largest target size '
  'than at the smallest: the groups follow from the curves, so that they '
  'describe these and prove nothing.'
)

OUTPUTS = (
  _Output(
    name='figure2',
    title='Figure 2: what Head2Toe gains over Linear, tasks by domain affinity',
    shows='Each bar is one task, and its length is what Head2Toe gains over '
    'Linear, in points, which stands at its end. Tasks stand from left to '
    'right by their domain affinity, which is the accuracy of Linear less that '
    'of Scratch. Colours and hatches tell the groups of tasks, and where a bar '
    'is too short for them a point does.',
    jobs=(_ACCURACY,),
    methods=('linear', 'scratch', 'head2toe'),
    measured=lambda r: making.figure2(making.affinity(r)),
    published=lambda: making.figure2(making.affinity_of_the_paper()),
    draw=figures.figure2,
  ),
  _Output(
    name='figure3',
    title='Figure 3: Linear, fine-tuning and Scratch, tasks and groups by '
    'domain affinity',
    shows='Tasks stand from left to right by their domain affinity, and the '
    'groups of tasks after them. Each of the three curves is the test '
    'accuracy of one method.',
    jobs=(_ACCURACY,),
    methods=_BASELINES,
    measured=lambda r: making.figure3(making.affinity(r)),
    published=lambda: making.figure3(making.affinity_of_the_paper()),
    draw=figures.figure3,
  ),
  _Output(
    name='figure4',
    title='Figure 4: what one additional layer gains over Linear, by domain '
    'affinity and by layer; Linear, Control and Oracle',
    shows='Each point is one task, with its domain affinity to the right '
    'and upwards what the best additional layer gains over Linear. Curves '
    'show the accuracy of two tasks by which layer Linear also reads. Bars '
    'compare the averages of Linear, of the Control, which reads a second '
    'network in place of the layer, and of the Oracle, which reads the layer '
    'that is best on the test images. The paper prints numbers for the bars '
    'only.',
    jobs=(_ACCURACY, 'one_tap', jobs.CONTROL),
    methods=_BASELINES[:2],
    measured=making.figure4,
    published=lambda: {
      'averages': published.table('figure4_averages_resnet50')
    },
    draw=lambda f: tap_figures.figure4(
      f['averages'], f.get('gains'), f.get('taps'), f.get('control')
    ),
  ),
  _Output(
    name='figure6',
    title='Figure 6: selecting features or whole layers, and of which layers '
    'they are',
    shows=f'Curves show the mean test accuracy by how many {_SINGLY_OR_NOT} '
    'The star is the Oracle, which reads the embedding and, of each task, the '
    'one layer that is best on the test images, so that it is no method; it '
    'stands at the mean number of the features that it reads. Bars show of '
    'which layers the features are that one task keeps, feature-wise and '
    'layer-wise.',
    jobs=('granularity',),
    also=('one_tap',),
    measured=making.figure6,
    draw=lambda f: study_figures.figure6(
      f['figure6'], f.get('layers'), f.get('oracle')
    ),
    extracts={
      'curves': lambda f: study_figures.figure6_curves(
        f['figure6'], f.get('oracle')
      )
    },
  ),
  _Output(
    name='figure7',
    title='Figure 7: features that other tasks selected; accuracy by the '
    'number of candidate features, in two groups of tasks',
    shows='In the matrix each row is a task that selected features, each '
    'column a task that uses them, and the number is the change against the '
    "task's own features, in points. Curves show the mean accuracy of two "
    'groups of tasks by the target size of each layer, one line for each share '
    'of the layers that is read: the larger both are, the more features there '
    f'are to choose from. {_GROUPS}',
    jobs=(jobs.TRANSFER, 'scaling'),
    measured=making.figure7,
    draw=lambda f: study_figures.figure7(
      f['transfer'], f['scaling'], f['groups']
    ),
  ),
  _Output(
    name='figure8',
    title='Figure 8: domain affinity under two backbones, and its correlation '
    'with what each layer gains over Linear',
    shows='One point is one task, with its domain affinity under one '
    'network to the right and under the other upwards. Bars show, layer by '
    'layer of the first network, the rank correlation (Spearman) of its domain '
    'affinity with what the layer gains over Linear, in percent of the '
    'accuracy of Linear. The paper prints numbers for the points only.',
    jobs=(_ACCURACY, jobs.SECOND),
    also=('one_tap',),
    methods=_BASELINES[:2],
    measured=making.figure8,
    published=making.figure8_published,
    draw=_draw8,
  ),
  _Output(
    name='figure9',
    title='Figure 9: accuracy with one additional layer, for each task',
    shows='Each panel is one task. The curve shows its test accuracy when '
    'Linear also reads one intermediate layer, from the first layer to the '
    'last. The dashed line is Linear alone.',
    jobs=('one_tap',),
    measured=lambda r: {'figure9': tap_frames.one_tap(r.of('one_tap'))},
    draw=lambda f: tap_figures.figure9(f['figure9']),
  ),
  _Output(
    name='figure10',
    title='Figure 10: selecting features or whole layers, for each task',
    shows='Each panel is one task. Curves show its test accuracy by how '
    f'many {_SINGLY_OR_NOT}',
    jobs=('granularity',),
    measured=lambda r: {
      'figure10': study_frames.granularity(r.of('granularity'))
    },
    draw=lambda f: study_figures.figure10(f['figure10']),
  ),
  _Output(
    name='figure11',
    title='Figure 11: gain of Head2Toe over fine-tuning by domain affinity; '
    'overlap of selections; accuracy by place in the ranking',
    shows='Points show, task by task, what Head2Toe gains over fine-tuning '
    'by domain affinity. A matrix shows which share of their selected '
    'features two tasks have in common, and on its diagonal two seeds of one '
    'task. A curve shows the mean accuracy over tasks of heads that each read '
    'the same number of features, from the first place in the ranking on, from '
    'the place after those, and so on; fewer than that number are left at the '
    'end, and no head reads them. The paper prints numbers for the points '
    'only.',
    jobs=(_ACCURACY, jobs.RELEVANCE, 'offset'),
    methods=(*_BASELINES, 'head2toe'),
    measured=making.figure11,
    published=lambda: making.gains(
      making.affinity_of_the_paper(), 'finetune', ('head2toe',)
    ),
    draw=_draw11,
  ),
  _Output(
    name='figure12',
    title='Figure 12: of which blocks the features are that Head2Toe uses, for '
    'each task',
    shows='Each panel is one task. Bars show of which blocks of the network '
    'the features are that Head2Toe selected, from the first block to the '
    'last.',
    jobs=(_ACCURACY,),
    methods=('head2toe',),
    fields=('selected_by_tap',),
    measured=lambda r: {'figure12': making.units(r)},
    draw=lambda f: tap_figures.figure12(f['figure12']),
    vit=False,
  ),
  _Output(
    name='figure13',
    title='Figure 13: accuracy with fewer training images',
    shows='Curves show the accuracy of Head2Toe, of Linear and, where it was '
    'measured, of fine-tuning by the share of the training images that is '
    'used, as a mean over tasks and for each task.',
    jobs=(_ACCURACY, jobs.REDUCED),
    methods=('linear', 'head2toe'),
    measured=making.figure13,
    draw=lambda f: study_figures.figure13(f['figure13'], f['tasks']),
  ),
  _Output(
    name='figure14',
    title='Figure 14: accuracy by the number of candidate features of a ViT, '
    'in two groups of tasks',
    shows='Curves show the mean accuracy of two groups of tasks by the '
    'target size of each layer, one line for each share of the layers that '
    'is read: the larger both are, the more features there are to choose '
    f'from. {_GROUPS}',
    jobs=('scaling',),
    measured=making.figure14,
    draw=lambda f: study_figures.figure14(f['figure14'], f['groups']),
    vit=True,
  ),
  _Output(
    name='figure15',
    title="Figure 15: of which of a ViT's blocks the features are that "
    'Head2Toe uses, for each task',
    shows='Each panel is one task. Bars show of which blocks of the network '
    'the features are that Head2Toe selected, from the first block to the '
    'last.',
    jobs=(_ACCURACY,),
    methods=('head2toe',),
    fields=('selected_by_tap',),
    measured=lambda r: {'figure15': making.units(r)},
    draw=lambda f: tap_figures.figure12(f['figure15']),
    vit=True,
  ),
  _Output(
    name='figure16',
    title='Figure 16: accuracy by the number of candidate features, for each '
    'task',
    shows='Each panel is one task. Curves show its accuracy by the target '
    'size of each layer, one line for each share of the layers that is '
    'read: the larger both are, the more features there are to choose from.',
    jobs=('scaling',),
    measured=lambda r: {'figure16': study_frames.scaling(r.of('scaling'))},
    draw=lambda f: study_figures.figure16(f['figure16']),
  ),
  _Output(
    name='coefficient',
    title='Coefficient (section 3.3): accuracy by the coefficient of the '
    'group lasso that selects',
    shows='The curve shows the mean accuracy by the coefficient of the '
    'group lasso that selects features; a coefficient of 0 is no '
    'regularisation.',
    jobs=('coefficient',),
    measured=making.coefficient,
    draw=lambda f: study_figures.coefficient(f['coefficient']),
  ),
  _Output(
    name='scores',
    title="Scores: accuracy by relevance score, the group lasso's and others",
    shows='Each point is the mean accuracy with the features that one '
    'relevance score selects.',
    jobs=('scores',),
    measured=making.scores,
    draw=lambda f: study_figures.scores(f['scores']),
  ),
)
