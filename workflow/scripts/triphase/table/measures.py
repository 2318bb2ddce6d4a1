"""The table of the library's measures: what each is, its unit and range, what it needs, how it is drawn.

Descriptions alone: no result hangs on them, and a change here makes nothing anew but figures and pages. Functions of a
layer's states are in `triphase.states.measures` and those of items in `triphase.tasks.measures`, under the same names.
The reference, `docs/reference/measures.md`, is made from this table by `make reference`.
"""

from collections.abc import Callable
from math import pi
from typing import Any

from triphase.core.measures import ITEMS, MEASURES, STATES, Measure

__all__ = ["MEASURES"]

ENCODING, RESPONSES, ATTENTION, LOGITS = "encoding scores", "brain responses", "attention", "logits"
WORDS, TABLE = "words alone", "rows of this table"
BRAIN, INSIDE, TASKS, MECHANISM = "Brain alignment", "Internal states", "Tasks", "Mechanism"


def rows(section: str, **shared: Any) -> Callable[..., Callable[[str], Measure]]:
    """Function that adds a row of a section, whose rows share fields: `row(name, label, unit, limits)(what it is)`."""

    def row(
        name: str, label: str, unit: str, limits: tuple[float | None, float | None], **own: Any
    ) -> Callable[[str], Measure]:
        fields = {"name": name, "label": label, "unit": unit, "range": limits, "section": section} | shared | own
        return lambda about: MEASURES.add(**fields, about=about)

    return row


brain = rows(BRAIN, needs=ENCODING, panel=None)
brain("r", "r", "r", (-1, 1))(
    "Pearson correlation of the joint prediction of model and nuisance bands with the response, mean over the "
    "region's voxels. `normalised`: mean r over mean ceiling of the voxels whose ceiling is at least 0.2, which "
    "may exceed 1; only where hearings are repeated."
)
brain("r_llm", "part of the model", "r", (-1, 1))("The part of `r` that the model's band carries.")
brain("r_nuisance", "part of nuisance", "r", (-1, 1))(
    "The part of `r` that the nuisance bands carry: the two sum to `r`."
)
brain("r_nuisance_alone", "nuisance alone", "r", (-1, 1))("r of the nuisance band N1 fitted alone.")
brain("gain", "gain in r", "r", (-2, 2), panel="Brain: gain in r")(
    "r of the joint fit minus r of the nuisance set fitted alone. With `nuisance` N1+static it is the contextual gain: "
    "over the words' static embedding."
)
brain("alignment", "alignment", "gain in r", (-2, 2))(
    "`gain` at the headline layer of the subject. With `reference` step 0: r minus r of the model's own step 0, "
    "at that layer."
)
brain("lateralisation", "left minus right", "gain in r", (-4, 4), target="right side")(
    "`gain` of the left side minus that of the right, both means over voxels at the headline layer of the subject, "
    "with paired draws. `roi` is the left one of two regions that are named alike (`lh.X` and `rh.X`, `X_left` and "
    "`X_right`, `LX` and `RX`), or a region that is compared with its mirror image in MNI space."
)
brain("unique_variance", "unique variance", "share of variance", (-1, 1), target="part")(
    "What the `model`'s layer, word `identity` or the checkpoint's own `surprisal` explains that the others and the "
    "nuisance features do not: r², with the sign of r, of the fit with all of them minus that of the fit without the "
    "part (difference of nested models: Lescroart et al. 2015; de Heer et al. 2017). `nuisance` says beside which set "
    "the model's is told: N2, or with `encoding/surprisal` N2+surprisal. Above 0 for the model: statistics of tokens "
    "do not explain all of its alignment. Below 0 where a part costs more than it gives, and slightly above where a "
    "narrow band is learnt better than the same within a wide layer."
)
brain("static_share", "static variance kept", "share", (0, 1))(
    "Share of the static embedding's variance over training scans that its band keeps (`encoding/static/components`); "
    "what it leaves out counts as context."
)
brain("r_floor", "floor of r", "r", (-1, 1), per_layer=False, needs=RESPONSES)(
    "r of smoothed block identities (N3), blind to the text: what autocorrelation alone predicts."
)
brain("significant", "significant voxels", "share", (0, 1))(
    "Share of voxels with q < 0.05 (FDR over the subject's voxels)."
)
brain("significant_fwer", "significant voxels (FWER)", "share", (0, 1))(
    "Share of voxels with p < 0.05 of the maximum statistic."
)
brain("cv_score", "training score", "R²", (None, 1))(
    "R² on inner folds at the chosen penalties: chooses the headline layer."
)
brain("kernel_top_share", "largest eigenvalue of the kernel", "share", (0, 1))(
    "Share of the largest eigenvalue of the layer's kernel."
)
brain("kernel_effective_rank", "effective rank of the kernel", "dimensions", (1, None))(
    "Exponential of the entropy of the kernel's eigenvalues."
)
brain("ceiling", "ceiling of r", "r", (-1, 1), per_layer=False, needs=RESPONSES)(
    "Square root of the mean reliability over repeated hearings, else mean correlation with the other subjects, "
    "which is no upper bound."
)
brain("valid_voxels", "valid voxels", "voxels", (0, None), per_layer=False, needs=RESPONSES)(
    "Voxels of the region that can be used."
)

inside = rows(INSIDE, needs=STATES, panel=None)
inside("surprisal", "surprisal", "bits per word", (0, None), needs=LOGITS, per_layer=False)(
    "Mean over the stimulus; of the whole model."
)
inside("intrinsic_dimension", "intrinsic dimension", "dimensions", (0, None), panel="")(
    "TwoNN (Facco et al. 2017) on `states/words` words, repeated vectors once. Too low where the true dimension "
    "is high: about 10 % for a cube of 10 dimensions and 4,000 points."
)
inside("intrinsic_dimension_gride", "intrinsic dimension (GRIDE)", "dimensions", (0, None))(
    "GRIDE (Denti et al. 2022) at its plateau: the middle of the first three scales in a row that differ by at "
    "most 5 %, else of the evenest three."
)
inside("gride_scale", "scale of the plateau", "neighbours", (1, None))("The scale n1 of that plateau.")
inside("gride", "intrinsic dimension by scale", "dimensions", (0, None), setting="neighbours n1")(
    "The scale curve: GRIDE from the neighbours n1 and 2 n1, for n1 = 1, 2, 4, … up to a sixteenth of the words."
)
inside("participation_ratio", "participation ratio", "dimensions", (1, None))(
    "(Σλ)² / Σλ² of the covariance's eigenvalues λ: 1 to the number of features."
)
inside("effective_rank", "effective rank", "dimensions", (1, None))(
    "Exponential of the entropy of the normalised singular values (Roy and Vetterli 2007), which Garrido et al. "
    "(2023) call RankMe."
)
inside("spectral_entropy", "spectral entropy", "nats", (0, None))(
    "Entropy of the normalised eigenvalues, up to the log of the number of features. Its exponential is the "
    "RankMe of arXiv 2509.23024, whose three phases of training (collapse, expansion, compression) it can be "
    "compared with."
)
inside("spectral_decay", "spectral decay", "exponent", (None, None))(
    "α of eigenvalue ~ rank^-α over ranks 11 to 500 or half of the spectrum, mostly 0 to 3 (Stringer et al. "
    "2019; α-ReQ). Missing below 40 features."
)
inside("anisotropy", "anisotropy", "cosine", (-1, 1))(
    "Mean cosine of two different words' vectors, not centred (Ethayarajh 2019); about 0 to 1."
)
inside("curvature", "curvature", "radians", (0, pi))(
    "Mean angle between the steps from word to word (Hénaff et al. 2019; Hosseini and Fedorenko 2023): 0 for a "
    "straight path, 2/3 π for words without order."
)
inside("cka", "similarity", "linear CKA", (None, 1), panel="Similarity to the first checkpoint (grey: itself)")(
    "Debiased linear CKA with the same layer of another checkpoint, on `states/words` words; 0 in expectation "
    "for unrelated layers, so it may be slightly negative."
)
inside("cka_layer", "similarity of layers", "linear CKA", (None, 1), target="lower layer")(
    "The same with a lower layer of the same checkpoint."
)
inside("probe", "probe", "balanced accuracy", (0, 1), target="concept")(
    "Linear classifier, sentences held out; chance is 1 / classes."
)
inside("selectivity", "selectivity", "balanced accuracy", (-1, 1), target="concept", panel="Probe selectivity")(
    "`probe` minus the mean of control tasks, in which every word type has a random label (Hewitt and Liang 2019)."
)
inside("probe_types", "probe on new words", "balanced accuracy", (0, 1), target="concept")(
    "Both the sentences and the word types of the test words held out (3 x 3 parts). Words whose class is then "
    "in no training row are not scored, and are counted in the metadata."
)
inside(
    "probe_learning",
    "probe by training share",
    "balanced accuracy",
    (0, 1),
    target="concept",
    setting="share of the training sentences",
)("`probe` with a share of the training sentences.")
inside(
    "probe_identity",
    "probe on word identity",
    "balanced accuracy",
    (0, 1),
    target="concept",
    needs=WORDS,
    per_layer=False,
)("The probe on one-hot word types: no model, no checkpoint, no layer.")
inside(
    "selectivity_identity",
    "selectivity of word identity",
    "balanced accuracy",
    (-1, 1),
    target="concept",
    needs=WORDS,
    per_layer=False,
)("Its selectivity.")

task = rows(TASKS, needs=ITEMS, panel=None, per_layer=False, target="evaluation")
task("accuracy", "accuracy", "share right", (0, 1))("Share right, by the entry's `metric`.")
task("accuracy_norm", "accuracy by length", "share right", (0, 1))(
    "Share right by likelihood per character; only for choices."
)
task("accuracy_rescaled", "accuracy", "0 chance, 1 perfect", (None, 1))("Accuracy with chance 0 and perfect 1.")
task("chance", "chance", "share right", (0, 1))("1 / choices; 0 where the answer is free.")
task("majority", "commonest right answer", "share", (0, 1))("Accuracy of the commonest right answer, as text.")
task("truncated", "truncated prompts", "share", (0, 1))("Share of prompts that lost their beginning.")
task("adherence", "instruction adherence", "-1 to 1", (-1, 1), target="adherence entry")(
    "P(label of the set asked for) minus P(label of that set) under other instructions or none; strict parser."
)
task("adherence_lenient", "adherence, lenient", "-1 to 1", (-1, 1), target="adherence entry")(
    "The same, by what the answer starts with."
)
task("validity", "valid answers", "share", (0, 1), target="adherence entry")(
    "Share of answers that are a label of the set asked for. This and what follows are means over the variants "
    "with an instruction."
)
task("answer_entropy", "entropy of the answers", "bits", (0, None), target="adherence entry")("Entropy of the answers.")
task("commonest_answer", "commonest answer", "share", (0, 1), target="adherence entry")(
    "Share of the commonest answer."
)
task("label_mass", "probability of labels", "probability", (0, 1), target="adherence entry")(
    "Probability that the answer begins with a label."
)
task("accuracy_valid", "accuracy of valid answers", "share right", (0, 1), target="adherence entry")(
    "Share right among valid answers; `n` counts them."
)
task("accuracy_likelihood", "accuracy by likelihood", "share right", (0, 1), target="adherence entry")(
    "The right label is the likeliest of the set, in the same prompts: knowing, apart from following."
)
task("adherence_truncated", "truncated prompts", "share", (0, 1), target="adherence entry")(
    "Share of prompts that lost their beginning."
)

task(
    "psychometric_power",
    "psychometric power",
    "nats per word",
    (None, None),
    needs="surprisal, reading times",
    target="reading times",
)(
    "What surprisal of a word and of the two before it adds to the log-likelihood of log reading times, per word read, "
    "over length, log frequency and place, with an intercept for each reader (Goodkind and Bicknell 2018; Oh and "
    "Schuler 2023). `n` counts times; `se` and draws are over readers. Only with `states/reading`."
)

mechanism = rows(MECHANISM, panel=None)
mechanism("induction_head", "prefix matching", "share of attention", (0, 1), needs=ATTENTION, target="head")(
    "Prefix matching (Olsson et al. 2022): random tokens are said twice; mean attention from a token that comes "
    "again to the token behind its first occurrence. About 1 / positions seen for a head that does not care. "
    "Heads count from 0."
)
mechanism("induction_head_max", "prefix matching, best head", "share of attention", (0, 1), needs=ATTENTION)(
    "Largest over the layer's heads."
)
mechanism("induction_head_mean", "prefix matching, mean", "share of attention", (0, 1), needs=ATTENTION)(
    "Mean over the layer's heads."
)
mechanism("in_context_score", "in-context score", "bits per token", (None, None), needs=LOGITS, per_layer=False)(
    "Loss on the second occurrence minus loss on the first, mostly below 0: what a model with induction heads "
    "is spared."
)
mechanism("attention_entropy", "entropy of attention", "share of the largest", (0, 1), needs=ATTENTION)(
    "Entropy of attention on windows of the stimulus over the log of the positions seen, mean over heads, "
    "positions and windows."
)
mechanism("attention_first", "attention on the first token", "share of attention", (0, 1), needs=ATTENTION)(
    "What the first position (BOS) gets, mean over the positions behind it."
)
mechanism("contamination", "reproduced continuations", "share of windows", (0, 1), needs=LOGITS, per_layer=False)(
    "Windows of the stimulus in which greedy continuation of 32 tokens reproduces the next 16. Agresti and "
    "Coull's `se`."
)
mechanism(
    "contamination_surprisal",
    "surprisal over unseen text",
    "bits per token",
    (None, None),
    needs=LOGITS,
    per_layer=False,
)(
    "Surprisal of the same 16 tokens minus that in windows of the matched unseen text "
    "(`states/mechanism/unseen`); well below 0 where a model knows the stimulus by heart."
)
mechanism("surprisal_relation", "surprisal and alignment", "Spearman's rho", (-1, 1), needs=TABLE, per_layer=False)(
    "Correlation of `surprisal` with `alignment` over the checkpoints of one run, per subject and region; `n` "
    "checkpoints. Descriptive: one run, neighbouring checkpoints, no test. Missing for fewer than 5."
)
mechanism(
    "surprisal_relation_changes",
    "changes of surprisal and alignment",
    "Spearman's rho",
    (-1, 1),
    needs=TABLE,
    per_layer=False,
)("The same of the changes from each checkpoint to the next, since any two curves that follow training correlate.")
