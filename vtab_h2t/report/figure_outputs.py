"""The paper's figures as outputs, and a figure of what its text says."""

from typing import TYPE_CHECKING

from vtab_h2t import published
from vtab_h2t.report import figures
from vtab_h2t.report import frames as frames_lib
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

OUTPUTS = (
  _Output(
    name='figure2',
    title='Figure 2: Head2Toe gains more over Linear where domain affinity is '
    'low',
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
    jobs=(_ACCURACY, 'one_tap', jobs.CONTROL),
    methods=_BASELINES[:2],
    measured=making.figure4,
    published=lambda: {
      'averages': published.table('figure4_averages_resnet50')
    },
    draw=lambda f: figures.figure4(
      f['averages'], f.get('gains'), f.get('taps')
    ),
  ),
  _Output(
    name='figure6',
    title='Figure 6: selecting features or whole layers, and of which layers '
    'they are',
    jobs=('granularity',),
    also=('one_tap',),
    measured=making.figure6,
    draw=lambda f: study_figures.figure6(
      f['figure6'], f.get('layers'), f.get('oracle')
    ),
  ),
  _Output(
    name='figure7',
    title='Figure 7: features that other tasks selected; accuracy by the '
    'number of candidate features, in two groups of tasks',
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
    jobs=('one_tap',),
    measured=lambda r: {'figure9': tap_frames.one_tap(r.of('one_tap'))},
    draw=lambda f: tap_figures.figure9(f['figure9']),
  ),
  _Output(
    name='figure10',
    title='Figure 10: selecting features or whole layers, for each task',
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
    jobs=(_ACCURACY,),
    methods=('head2toe',),
    fields=('selected_by_tap',),
    measured=lambda r: {'figure12': making.units(r)},
    draw=lambda f: tap_figures.figure12(f['figure12']),
    vit=False,
  ),
  _Output(
    name='figure13',
    title='Figure 13: Head2Toe, Linear and fine-tuning with fewer training '
    'images',
    jobs=(_ACCURACY, jobs.REDUCED),
    methods=frames_lib.REDUCED,
    measured=making.figure13,
    draw=lambda f: study_figures.figure13(f['figure13'], f['tasks']),
  ),
  _Output(
    name='figure14',
    title='Figure 14: accuracy by the number of candidate features of a ViT, '
    'in two groups of tasks',
    jobs=('scaling',),
    measured=making.figure14,
    draw=lambda f: study_figures.figure14(f['figure14'], f['groups']),
    vit=True,
  ),
  _Output(
    name='figure15',
    title="Figure 15: of which of a ViT's blocks the features are that "
    'Head2Toe uses, for each task',
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
    jobs=('scaling',),
    measured=lambda r: {'figure16': study_frames.scaling(r.of('scaling'))},
    draw=lambda f: study_figures.figure16(f['figure16']),
  ),
  _Output(
    name='coefficient',
    title='Coefficient (section 3.3): accuracy by the coefficient of the '
    'group lasso that selects',
    jobs=('coefficient',),
    measured=making.coefficient,
    draw=lambda f: study_figures.coefficient(f['coefficient']),
  ),
  _Output(
    name='scores',
    title="Scores: accuracy by relevance score, the group lasso's and others",
    jobs=('scores',),
    measured=making.scores,
    draw=lambda f: study_figures.scores(f['scores']),
  ),
)
