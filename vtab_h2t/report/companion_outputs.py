"""Tables, figures and claims of the companion papers, under shifts.

What the papers and others printed stands in frames of its own, which say so,
and is never joined with what was measured, but for ranks beside ranks.
"""

from vtab_h2t.report import claim_tables
from vtab_h2t.report import companion_rows
from vtab_h2t.report import head_probe_figures
from vtab_h2t.report import head_probe_frames
from vtab_h2t.report import judging
from vtab_h2t.report import lp_ft_figures
from vtab_h2t.report import lp_ft_frames
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import surgical_figures
from vtab_h2t.report import surgical_frames

_Output = output_lib.Output
_SURGICAL = companion_rows.SURGICAL_SMALL, companion_rows.SURGICAL

_LP_FT_HEADINGS = {
  'lp_ft': 'Accuracy in percent in distribution (id) and out of it (ood, the '
  'mean over the shifted sets of a pair), median over seeds',
  'deviations': 'Standard deviation of the same over seeds, in points',
  'differences': 'Differences on the same seeds, in points, median over seeds',
  'chosen': 'What validation in distribution chose: a learning rate, or the '
  "probe's C (coefficient); at_edge says where it is the smallest or the "
  'largest of those that were tried',
  'movement': 'How far features moved: mean l2 distance, median over seeds; '
  'how many times farther in distribution, and than under LP-FT',
  'published': "Published, not measured here: the paper's networks and data "
  'sets (secondary: quoted by other texts)',
}
_SURGICAL_HEADINGS = {
  'surgical': 'Accuracy on the target in percent, median over seeds; chosen is '
  "the block with the best validation accuracy, and how much it is above 'all' "
  'on the same seeds, with the standard deviation',
  'ranks': 'Average rank over targets with a shift, with the fewest labelled '
  'images, 1 being best; '
  "published_rank is the paper's, of six methods on its seven tasks, of which "
  'L1 is not measured; Auto-SNR is measured in two forms',
  'batch_norm': 'Ablation: accuracy in percent with batch norms in inference '
  'and in training mode',
  'edges': 'Of how many trainings, over targets and seeds, validation chose '
  'the smallest or the largest rate that was tried, and the last epoch',
  'sources': 'The networks before the shift, on the test images of the source',
  'replications': 'Independent replications of the paper, not measured here '
  'and not by its authors: accuracy in percent by tuned block',
  'published_ranks': "Published, not measured here: the paper's average ranks",
}
# Of the table of head probing what a reader looks for first, in words.
_HEAD_PROBE_SHORT = {
  'task': 'task',
  'hidden': 'hidden units of the head',
  'tau': 'epochs of probing',
  'aie': 'energy then',
  'probe_percent': 'accuracy then, training images (%)',
  'train_adaptation_l2': 'l2 distance that features move, training images',
  'percent': 'test accuracy at the end (%)',
  'best': 'best of these',
  'reached': 'seeds at the common loss',
  'seeds': 'seeds',
}
_HEAD_PROBE_HEADINGS = {
  'short': 'Medians over seeds. Energy is how wrong the head still is when '
  'fine-tuning begins; best is by test accuracy. Distances of features are of '
  'all seeds; claims on them count those alone whose training loss came down '
  'to a common one',
  'head_probe': 'All that was measured, medians over seeds: tau is the number '
  'of epochs of probing and aie the energy; reached says how many seeds ended '
  'at the common training loss, best is by test accuracy',
}


def _claims_terminal(frames: output_lib.Frames, source: str) -> str:
  return claim_tables.claims(frames['companion_claims'], f'Judged on {source}.')


def _surgical_markdown(frames: output_lib.Frames, source: str) -> str:
  """The chosen block in bold."""
  bold = {}
  if 'surgical' in frames:
    bold['surgical'] = surgical_frames.chosen(frames['surgical'])
  return output_lib.plain(frames, source, _SURGICAL_HEADINGS, bold)


def _head_probe_markdown(frames: output_lib.Frames, source: str) -> str:
  """What is looked for first, and all of it."""
  table = frames['head_probe']
  kept = [name for name in _HEAD_PROBE_SHORT if name in table]
  short = table[kept].rename(columns=_HEAD_PROBE_SHORT)
  return output_lib.plain(
    {'short': short} | frames, source, _HEAD_PROBE_HEADINGS
  )


OUTPUTS = (
  _Output(
    name='lp_ft',
    title='LP-FT: accuracy in and out of distribution, and how far features '
    'move',
    jobs=(companion_rows.LP_FT,),
    measured=lambda r: lp_ft_frames.frames(r.of(companion_rows.LP_FT)),
    published=lp_ft_frames.of_the_paper,
    headings=_LP_FT_HEADINGS,
  ),
  _Output(
    name='lp_ft_figure',
    title='LP-FT, figure: accuracy in and out of distribution by pair, how far '
    'features move, and accuracy by severity of corruptions',
    shows='A network was trained on the first data set of each pair. At the '
    'left stands its accuracy on test images of that data set (in '
    'distribution, ID), in the middle that on the shifted images of the second '
    '(out of distribution, OOD), and at the right how far training moved the '
    'features of both. Linear probing (LP) trains the head alone. Fine-tuning '
    '(FT) trains everything from a random head; with frozen statistics batch '
    'norms use means and variances of the pretraining, as they do under LP-FT, '
    'which fine-tunes from the head of LP. Below, curves show the accuracy '
    'under each corruption by how severe it is.',
    jobs=(companion_rows.LP_FT,),
    measured=lambda r: lp_ft_frames.figure_frames(r.of(companion_rows.LP_FT)),
    draw=lambda f: lp_ft_figures.figure(
      f['lp_ft_figure'], f.get('movement'), f.get('severities')
    ),
  ),
  _Output(
    name='surgical',
    title='Surgical fine-tuning: accuracy by what is tuned, for each target',
    some=_SURGICAL,
    measured=surgical_frames.frames,
    published=surgical_frames.of_others,
    headings=_SURGICAL_HEADINGS,
    markdown=_surgical_markdown,
  ),
  _Output(
    name='surgical_figure',
    title='Surgical fine-tuning, figure: accuracy by tuned block and kind of '
    'shift',
    shows='Each panel is one kind of shift, with one network and number of '
    'images a class. Points show the mean test accuracy over targets (data '
    'sets with this shift) if only one block is tuned, from the first to the '
    'last, or the last layer alone; lines show it if all layers are tuned, or '
    'nothing. Error bars are standard errors over the targets, and of a single '
    'target the standard deviation over seeds.',
    some=_SURGICAL,
    measured=surgical_frames.figure_frames,
    draw=lambda f: surgical_figures.figure(f['surgical_figure']),
  ),
  _Output(
    name='head_probe',
    title='Head probing: energy, features and accuracy for each number of '
    'epochs of probing',
    jobs=(companion_rows.HEAD_PROBE,),
    measured=lambda r: {
      'head_probe': head_probe_frames.table(r.of(companion_rows.HEAD_PROBE))
    },
    headings=_HEAD_PROBE_HEADINGS,
    markdown=_head_probe_markdown,
  ),
  _Output(
    name='head_probe_figure',
    title='Head probing, figure: features and accuracy by the energy when '
    'fine-tuning begins',
    shows='Panels show how fine-tuning changes the features and how accurate '
    'the network becomes, by the energy that is left when it begins, which is '
    'the mean distance of the predicted probabilities from the labels: the '
    'longer the head was trained alone before (probed), the less that is. '
    'Panels above are of a linear head, those below of one with a hidden '
    'layer. Each point is one number of epochs of probing, and the median over '
    'the seeds whose fine-tuning came down to a training loss that is the same '
    'for all. A cross is a number of epochs with which no seed came down to '
    'it, so that its features cannot be compared with those of the points.',
    jobs=(companion_rows.HEAD_PROBE,),
    measured=lambda r: {
      'head_probe_figure': head_probe_frames.figure(
        r.of(companion_rows.HEAD_PROBE)
      )
    },
    draw=lambda f: head_probe_figures.figure(f['head_probe_figure']),
  ),
  _Output(
    name='companion_claims',
    title='Claims of the companion papers, and what rows say of them',
    some=companion_rows.JOBS,
    measured=lambda r: {'companion_claims': judging.of_run(r)},
    terminal=_claims_terminal,
  ),
)
