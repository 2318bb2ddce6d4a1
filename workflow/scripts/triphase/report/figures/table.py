"""The table of figures: what each shows, which studies have it, what it reads, and which function draws it.

A figure is one function, one row here and one caption. The function is called with the row's inputs by their names,
with its settings by the last part of theirs and, where there is one figure for each model, with `model`; it returns a
matplotlib Figure, or a page as text. A plugin (`plugins` of the config) adds a user's own:

    @FIGURES.register(name="mine", inputs=("trajectories",), category="Phases", label="mine", caption="…")
    def draw_mine(trajectories, model): ...

Snakemake reads this module at every start, so functions are named here and imported by the job that draws.
"""

from triphase.config.modality import modality_of
from triphase.core.registry import Registry
from triphase.report.figures.row import Figure, named

FIGURES: Registry[Figure] = Registry("figure", Figure)
# Results that figures read, by the name of the argument that holds them (see `inputs.read_input`). A figure of a model
# is given that model's part of them, and what is of no model.
RESULTS = {
    "trajectories": "trajectories.parquet",  # the tidy table
    "bootstrap": "bootstrap.zarr.zip",  # its paired draws
    "changes": "changes.parquet",  # of alignment between checkpoints, in regions
    "maps": "maps/{model}.zarr.zip",  # gain and q (checkpoint, target), with places and tokens
    "all_maps": "maps/{every_model}.zarr.zip",  # paths, in the order of the models
    "phases": "phases/{model}.json",
    "all_phases": "phases.json",
    "across": "across_models.json",
    "specifications": "specifications/{model}.parquet",
    "power": "power/{model}.parquet",
    "integrity": "integrity.parquet",  # as of `verdict.check_series`
    "distances": "integrity_distances.parquet",  # as of `distances.distance_rows`
    "words": "stimuli/words.parquet",
    "responses": "responses/{subject}.zarr.zip",  # paths, in the order of the subjects
    "ceiling": "responses/ceiling.parquet",  # of every subject and voxel
    "description": "responses/description.json",  # as `describe_data` writes it
    "gap": "responses/gap.json",  # as `measure_gap` writes it
}


def several_models(config: dict) -> bool:
    """Models can be compared."""
    return len(config["models"]) > 1


def on_surface(config: dict) -> bool:
    """Responses have places on the template's surface: in MNI space, or on its own vertices."""
    source = config["dataset"]["source"]
    return source["space"] in ("mni", "fsaverage5") and not modality_of(source).by_word


def in_volume(config: dict) -> bool:
    """Responses have places in the template's volume."""
    source = config["dataset"]["source"]
    return source["space"] == "mni" and not modality_of(source).by_word


def controls_content(config: dict) -> bool:
    """Fits beside static embeddings or surprisal are made."""
    return bool(config["encoding"]["static"] or config["encoding"]["surprisal"])


def blocks_held_out(config: dict) -> bool:
    """Blocks of a single run are held out, so that scans that train have a distance to them."""
    return config["encoding"]["split"]["kind"] == "outer_cv" and len(config["dataset"]["runs"]) == 1


FIGURES.add(
    name="models",
    function=named("triphase.report.figures.models", "draw_models"),
    inputs=("trajectories", "bootstrap", "all_phases", "across"),
    per_model=False,
    when=several_models,
    category="Phases",
    label="models on tokens and compute",
    caption="""
    **All models of {study} on tokens and on compute.** (a, b) Brain alignment as in the figure of each model: mean over
    subjects (n in the legend), bands: 95 % interval of the paired bootstrap. Compute is 6 x parameters x tokens, in
    FLOP (Kaplan et al. 2020); a model whose number of parameters is not known is missing there. The untrained model
    stands left of the axis break. Then, each only where at least two models have it: where the curves turn, with the 95
    % intervals of the breakpoints; black: random-effects mean of the models with its 95 % interval, n models in the
    labels (a turn that is under way at the first checkpoint, or absent, has no place); change of alignment over the
    first rise, the fall and the return, with the interval of a leg (99 %) and the mean of models; how many of n models
    have a rise, a fall or nothing as their first, second and third leg, in brackets the exact 95 % interval of the
    share that agrees with the triple. Models share stimuli and listeners: what is particular to these is in all of
    them.
    """,
)
FIGURES.add(
    name="emergence",
    function=named("triphase.report.figures.emergence", "draw_emergence"),
    inputs=("all_phases", "across"),
    per_model=False,
    category="Phases",
    label="order of emergence",
    caption="""
    **Where tasks, instructions and concepts begin to rise, in {study}.** Onset of the first rise of each fitted curve:
    accuracy of tasks above chance, instruction adherence, selectivity of probes at the headline's layer; the earliest
    by mean rank over models on top, below these what cannot be ranked in every model. Bars: 95 % intervals of refits,
    no finer than one grid step, of bootstrap draws of items for tasks and instructions and by standard errors for
    concepts. Triangles at the left: the rise is under way at the first checkpoint; no mark: no rise. Kendall's W over
    models is 1 where all have one order; by chance: 95 % of values where ranks are permuted within models. Models share
    items and stimuli.
    """,
)
FIGURES.add(
    name="triple",
    function=named("triphase.report.figures.triple", "draw_triple"),
    inputs=("trajectories", "bootstrap", "phases"),
    category="Phases",
    label="three perspectives",
    caption="""
    **Three perspectives on {model} over training tokens.** (a) Brain alignment: Pearson r of the banded encoding model
    on held-out data minus r of the nuisance bands alone, mean over the voxels of the headline region
    ({phases[headline][roi]}), at the layer that training cross-validation chose for each subject. Thin: single
    subjects; thick: their mean; band: 95 % interval of a paired bootstrap over blocks of held-out time (with ten and
    more subjects these are resampled too). Dashed: continuous piecewise-linear fit by generalised least squares on
    log10 tokens, which may run beside its points where the errors of checkpoints go together; bars at the foot: 95 %
    intervals of its breakpoints, no finer than one grid step. (b–d) Internal states: surprisal of the stories,
    intrinsic dimension per layer, balanced accuracy of linear probes minus a control task with random labels per word
    type (each concept at the layer with its highest mean). (e) Accuracy rescaled to 0 = chance and 1 = perfect, and
    instruction adherence, P(label asked for | instruction) minus P(same label | other instruction or none); n items as
    named; bands: 95 % intervals. Shaded: rise (blue), fall (orange) and plateau (grey) of the fit in (a). The untrained
    model stands left of the axis break and is not in the fit. The verdict holds for this training run. Definitions are
    this project's own.
    """,
)
FIGURES.add(
    name="analyses",
    function=named("triphase.report.figures.analyses", "draw_analyses"),
    inputs=("specifications",),
    category="Phases",
    label="other analyses",
    caption="""
    **Every other analysis of {model}.** The headline's question asked under every choice that the study has numbers for
    (after Simonsohn et al. 2020), sorted by verdict and p; n analyses in the legend. Above: p of the rival of a triple
    that is hardest to reject, by parametric bootstrap under that rival; below the dashed line it is rejected. For a
    curve that is no triple, p is that of its nearest rival. Middle: power for the fall declared beforehand
    ({phases[smallest_fall]} of the first rise) where no triple was found; dashed: what *not supported* needs. Below:
    the choices of each analysis, of what was varied; at the right how many of those with a choice support three phases.
    Dotted: the headline, declared before the run. Analyses share the same data: their number is no sample size, and
    shares have no interval.
    """,
)
FIGURES.add(
    name="power",
    function=named("triphase.report.figures.power", "draw_power"),
    inputs=("power",),
    settings=("phases/smallest_fall",),
    category="Phases",
    label="power",
    caption="""
    **What this study could have found in {model}.** Share of simulations, on the study's own checkpoints and with its
    own noise and listeners, in which (a) a fall of this size after the first rise would have led to the verdict
    *supported*, and (b) a lag of behaviour behind alignment would have been told from none. n simulations in the
    figure; bands: exact 95 % interval of the share. Dashed: the power that *not supported* needs; dotted: the smallest
    fall declared before the run. What cannot be simulated is said in words.
    """,
)
FIGURES.add(
    name="rois",
    function=named("triphase.report.figures.rois", "draw_rois"),
    inputs=("trajectories", "bootstrap", "phases"),
    settings=("dataset/rois",),
    category="Brain",
    label="regions",
    caption="""
    **Brain alignment by region, {model}.** Gain in r over the nuisance bands at each subject's headline layer, mean
    over the voxels of a region (their number in each title; a range where subjects differ). Thin: single subjects;
    thick: their mean with the 95 % interval of the paired block bootstrap (with ten and more subjects these are
    resampled too). Orange, where there are two sides: gain of the left minus gain of the right, for regions that are
    named alike or for voxels that mirror each other in MNI space, on draws that both sides share; above zero the left
    is better aligned. Shaded: the phases of the headline curve, the same in every panel. The untrained model stands
    left of the axis break.
    """,
)
FIGURES.add(
    name="content",
    function=named("triphase.report.figures.content", "draw_content"),
    inputs=("trajectories", "bootstrap", "phases"),
    when=controls_content,
    category="Brain",
    label="controls of content",
    caption="""
    **What of the alignment of {model} is more than its words.** Headline region ({phases[headline][roi]}), each
    subject's headline layer, mean over subjects (n in the title); bands: 95 % interval of the paired block bootstrap.
    (a) Gain in r over nuisance sets: N1 (rate and length of words
    and the like); with word identity (N2); with the words' static
    embedding, over which the gain is contextual [ours] (principal components of the training scans, the model's own
    layer 0 at the same checkpoint unless a file of vectors is named; what the components leave out counts as context,
    static_share in trajectories.parquet); with the checkpoint's own surprisal. (b) Unique variance: r², with the sign
    of r, of the fit with layer, word identity and surprisal (those that the study has) beside N1, minus that of the fit
    without the part (difference of nested models; Lescroart et al. 2015, de Heer et al. 2017). What parts share is in
    none of the curves; above 0 for the layer, statistics of tokens do not explain all of its alignment. Shaded: phases
    of the headline curve. The untrained model stands left of the axis break.
    """,
)
FIGURES.add(
    name="brain",
    function=named("triphase.report.figures.brain", "draw_brain"),
    inputs=("maps", "phases", "all_maps", "all_phases"),
    settings=("dataset/source/space",),
    when=on_surface,
    category="Brain",
    label="maps of the phases",
    caption="""
    **Brain maps of the phases of {model}.** Gain in r over the nuisance bands where the phases of the headline curve
    begin and end: glass brain (MNI space, nilearn) and inflated cortical surface (fsaverage5; volumes are interpolated
    between white matter and pial surface, grey was not measured). Every voxel's course is fitted as continuous
    piecewise-linear over log10 tokens with the breakpoints of the headline, so that a map rests on all checkpoints;
    without such a fit the first and the last checkpoint are drawn. n subjects in the figure; voxels that share a place
    are averaged. Faded, and left out of the glass brain: voxels that the model does not predict there (q of r > 0.05,
    Benjamini and Hochberg over the voxels of a fit). On the glass brain each point shows the value that is largest in
    size along the line of sight. One symmetric colour scale for all models and phases: 99 % of absolute values lie
    within it. Maps carry no interval: those of regions are in the figure of regions, those of parcels with their false
    coverage rate in phases.json (breadth).
    """,
)
FIGURES.add(
    name="changes",
    function=named("triphase.report.figures.brain", "draw_changes"),
    inputs=("maps", "phases", "all_maps", "all_phases"),
    settings=("dataset/source/space",),
    when=on_surface,
    category="Brain",
    label="changes between phases",
    caption="""
    **Changes between the phases of {model}.** Gain in r at the end of a phase minus that at its beginning; the last row
    is the end minus the end of the first phase: whether what came back is what had gone. Fitted, drawn and averaged
    over n subjects as the maps of the phases, on one symmetric colour scale of their own (99 % of absolute values of
    all models). Faded: q of r > 0.05 at both ends. Without an interval for single voxels: whether regions change is
    judged with the intervals of parcels in phases.json (breadth).
    """,
)
FIGURES.add(
    name="surface",
    function=named("triphase.report.figures.surface_page", "draw_surface"),
    inputs=("maps", "phases", "all_maps", "all_phases"),
    settings=("dataset/source/space",),
    page=True,
    when=on_surface,
    category="Brain",
    label="changes on a surface to turn",
    caption="""
    **Changes between the phases of {model}, to turn by hand.** The maps of the figure of changes on the inflated
    surface of fsaverage5 (nilearn), one button per phase; n subjects as named there. Grey: not measured, or q of r >
    0.05 at both ends. The page opens on the largest change. All models share one symmetric colour scale, and voxels
    carry no interval. The page holds all that it shows and requests nothing.
    """,
)
FIGURES.add(
    name="layers",
    function=named("triphase.report.figures.layers", "draw_layers"),
    inputs=("trajectories",),
    settings=("phases/headline/roi",),
    category="States",
    label="layers over training",
    caption="""
    **Layers over training, {model}.** One column per checkpoint, one row per layer (0 is the embedding). (a) Gain in r
    over the nuisance bands in the headline regions ({phases[headline][roi]}), mean over subjects (n in the title). (b)
    Intrinsic dimension (TwoNN). (c) Probe selectivity: balanced accuracy minus that of a control task, mean over
    concepts. White is 0 where colours are red and blue. (d) Linear centred kernel alignment with the first checkpoint.
    Behind these, measures that the study adds (plugins). Point estimates; their standard errors are in
    trajectories.parquet.
    """,
)
FIGURES.add(
    name="probes",
    function=named("triphase.report.figures.probes", "draw_probes"),
    inputs=("trajectories", "phases"),
    category="States",
    label="probes by concept",
    caption="""
    **Probes by concept, {model}.** Linear classifiers on hidden states, sentences held out; n words of the stimulus in
    the legend. (a) Selectivity: balanced accuracy minus the mean of control tasks with random labels per word type
    (Hewitt and Liang 2019). (b) Balanced accuracy; triangles at the right: the same probe on word identity, without a
    model. (c) Balanced accuracy with word types held out too. All at the layer where the concept's selectivity is
    highest on average over checkpoints, chosen on the same data; of more than seven concepts the first seven. Bands: 95
    % interval, standard errors clustered by sentence and widened for training words that folds share. (d) Selectivity
    at every layer and checkpoint on one symmetric colour scale (white: no better than the control task); point
    estimates. Shaded: phases of brain alignment. The untrained model stands left of the axis break.
    """,
)
FIGURES.add(
    name="tasks",
    function=named("triphase.report.figures.tasks", "draw_tasks"),
    inputs=("trajectories", "phases"),
    category="Tasks",
    label="tasks",
    caption="""
    **Tasks over training, {model}.** Accuracy with each task's chance (dotted); instruction adherence with the strict
    (solid) and the lenient parser (dashed); share of answers that are one of the labels asked for (solid), and
    probability mass on them (dashed); entropy of the answers, and share of the commonest answer, which tell a constant
    responder; where there are reading times, what surprisal adds to their log-likelihood per word (95 % intervals over
    readers); where tasks have groups, mean accuracy of each group with chance 0 and perfect 1, dashed where its first
    rise begins (formal and functional competence after Mahowald et al. 2024; controls must not rise together with
    alignment). n = items per task; bands: 95 % intervals. Shaded: phases of brain alignment.
    """,
)
FIGURES.add(
    name="integrity",
    function=named("triphase.report.figures.integrity", "draw_integrity"),
    inputs=("integrity", "distances"),
    category="Checkpoints",
    label="integrity",
    caption="""
    **Whether the checkpoints of {model} are what their names say**: every rule on every checkpoint, and how far each
    lies from the one before it. Weights and files alone decide; loss, accuracy and alignment are not looked at. Dark
    grey: not checked, because the family's schedule, its initialisation or a file is not known; light grey: the rule
    does not apply, as that of the initialisation at a later step. A checkpoint is marked where a rule found a fault;
    `integrity: exclude` leaves out the marked ones. Of equal checkpoints only the right one is not marked, and where
    weights do not tell which that is, all are.
    """,
)
FIGURES.add(
    name="data_runs",
    function=named("triphase.report.figures.data_runs", "draw_runs"),
    inputs=("description",),
    per_model=False,
    category="Data",
    label="subjects and runs",
    caption="""
    **Subjects and runs.** Length of every run; share of voxels with a value that is not finite or that never change, in
    percent; mean framewise displacement (Power et al. 2012: absolute differences of the six motion parameters from
    volume to volume, rotations as arcs on a sphere of 50 mm). Hatched: the run is missing, or its motion is not known.
    What is the same in every run is said in words.
    """,
)
FIGURES.add(
    name="data_timing",
    function=named("triphase.report.figures.data_timing", "draw_timing"),
    inputs=("description",),
    per_model=False,
    category="Data",
    label="lag of the response",
    caption="""
    **Lag between stimulus and response.** Pearson r of each region's mean time course (mean over valid voxels, then
    over subjects after standardising each run) with the rate of words or annotations (dashed) and with that rate
    convolved with SPM's canonical haemodynamic response (solid), as a function of a further lag; within runs, averaged
    by Fisher z. Thin: single subjects. The convolved rate should peak within one TR of 0 s (grey) in the regions marked
    with an asterisk; an open circle marks a peak that is not above chance. p: the highest r over all lags against
    circular shifts of the response by 30 s and more.
    """,
)
FIGURES.add(
    name="data_ceilings",
    function=named("triphase.report.figures.data_ceilings", "draw_ceilings"),
    inputs=("description",),
    per_model=False,
    category="Data",
    label="ceilings",
    caption="""
    **How much can be predicted, by region.** With repeated stimuli: r_max, the square root of the mean reliability of a
    single hearing over the region's voxels. Without: leave-one-out inter-subject correlation, mean over voxels, a
    reference and not an upper bound. Bars: 95 % interval of a bootstrap over contiguous blocks of time, drawn alike for
    all voxels and subjects; from ten subjects on these are resampled too.
    """,
)
FIGURES.add(
    name="data_brain",
    function=named("triphase.report.figures.data_brain", "draw_ceiling_map"),
    inputs=("ceiling", "responses"),
    per_model=False,
    when=in_volume,
    category="Data",
    label="ceiling on the brain",
    caption="""
    **Ceiling of every voxel.** r_max (repeats) or leave-one-out inter-subject correlation on the glass brain (MNI
    space, nilearn), mean over subjects whose voxels share a place. Not thresholded: each point shows the largest value
    along the line of sight.
    """,
)
FIGURES.add(
    name="data_gap",
    function=named("triphase.report.figures.data_gap", "draw_gap"),
    inputs=("gap",),
    per_model=False,
    when=blocks_held_out,
    category="Data",
    label="score against gap",
    caption="""
    **Score against gap.** Blocks of the run are held out in turn; scans nearer than the gap do not train. Held-out r of
    the nuisance features alone (N1) and of autocorrelation alone (N3: smoothed identities of stretches of time, blind
    to the text, after Feghhi et al. 2024), mean over each region's voxels. Every block is predicted from as many scans
    at every gap, the nearest ones beyond it, so that only the distance changes. Thin: single subjects; thick: their
    mean, from ten subjects on with the 95 % interval of the mean (they share one stimulus: it does not tell how another
    would do). Dashed: the gap of the study. Where nothing that trains is near enough, autocorrelation predicts nothing
    (open: r is 0). Below zero: filters such as the high-pass leave a response anticorrelated with itself some distance
    away.
    """,
)
