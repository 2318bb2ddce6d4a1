"""Whether the embedded study's planted truth is recovered: the workflow's own scripts, chained, then compared with it.

Two references that the workflow never sees are fitted by the same scripts: word identity (one-hot) from below and the
true latents from above. Used by `tests/integration/test_embedded_truth.py` (one simulator seed) and
`benchmarks/bench_embedded.py` (five).
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from jobs import run

PROJECT = Path(__file__).parents[2]
LATENTS, ONE_HOT = "latents", "one-hot"
RISE, GAIN, SENSORY, OF_CEILING, CONTROL = 0.03, 0.03, 0.03, 0.8, (0.02, 0.08)
CONTROL_VOXELS = 600


def load_config(simulator_seed=None):
    """The embedded study's config, with another simulator seed where one is given."""
    from triphase.config.resolve import resolve_config

    config = resolve_config(yaml.safe_load((PROJECT / "config/config.yaml").read_text(encoding="utf-8")), PROJECT)
    if simulator_seed is not None:
        config["dataset"]["simulate"]["seed"] = simulator_seed
    return config


def train_models(config, folder):
    """Train every model of the study, side by side, into `folder`/demo."""
    with ProcessPoolExecutor(len(config["models"]), mp_context=get_context("spawn")) as pool:
        list(pool.map(train_one, config["models"], [str(folder)] * len(config["models"])))


def train_one(model, folder):
    """Train one model as the workflow's rule does."""
    import train_model

    paths = SimpleNamespace(words=[], model=f"{folder}/demo/models/{model['name']}.json")
    run(train_model, paths, repository=model["repository"], recipe=model["train"], local_data=None)


def prepare_listeners(config, folder):
    """From simulated listeners to what every fit shares, by the workflow's scripts, in `folder`.

    Parameters
    ----------
    config : dict
        From `load_config`.
    folder : path
        Everything is written below it; it must be the working directory, since data sets are cloned below that.

    Returns
    -------
    dict : the config with the place of its data set
    """
    import simulate_dataset

    dataset = str(Path(folder) / "demo/dataset.json")
    run(simulate_dataset, {"dataset": dataset}, config=config)
    data = config["dataset"] | {"url": str(Path(dataset).with_suffix("")), "local_data_hint": None}
    config = config | {"dataset": data}
    prepare_fits(config, folder, rois=data["rois"], common_space=True)
    return config


def prepare_fits(config, folder, **given):
    """From the files of a data set to what every fit shares, by the workflow's scripts, in `folder`.

    `given`: local_data, rois and common_space, where the rules give others than those of the user's own arrays.
    """
    import build_words
    import clean_responses
    import fetch_responses
    import fetch_stimuli
    import measure_ceiling
    import prepare_encoding

    def at(name):
        return str(Path(folder) / name)

    about = {"local_data": None, "rois": [], "common_space": False} | given
    subjects = {subject["name"]: subject for subject in config["dataset"]["subjects"]}
    paths = {"manifest": at("stimuli.json"), "words": at("words.parquet")}
    run(fetch_stimuli, paths, config=config, audio=None, local_data=about["local_data"])
    run(build_words, paths, config=config)
    for subject, entry in subjects.items():
        paths = {"manifest": at(f"{subject}.json"), "words": at("words.parquet"), "atlas": []}
        paths["responses"] = at(f"{subject}.zarr.zip")
        told = {"config": config, "wildcards": {"subject": subject}}
        run(fetch_responses, paths, **told, subject=entry, local_data=about["local_data"])
        run(clean_responses, paths, **told, rois=about["rois"])
    responses = [at(f"{subject}.zarr.zip") for subject in subjects]
    paths = {"responses": responses, "ceiling": at("ceiling.parquet"), "regions": at("ceiling_rois.parquet")}
    run(measure_ceiling, paths, config=config, subjects=list(subjects), common_space=about["common_space"])
    paths = {
        "responses": responses,
        "words": at("words.parquet"),
        "shared": at("shared.zarr.zip"),
        "sound": [],
        "vectors": [],
    }
    run(prepare_encoding, paths, config=config)


def run_scripts(config, folder, hub):
    """Encoding scores of every model's first and last checkpoint and of both references.

    Parameters
    ----------
    config, folder
        As for `prepare_listeners`.
    hub : path
        From `train_models`: the folder `demo/hub`.

    Returns
    -------
    scores : dict of (model, checkpoint, layer) to xarray.Dataset
        From `fit_encoding`; the references have their name as model, checkpoint "" and layer 0.
    ceiling : pandas.DataFrame
    """
    from triphase.core.artefacts import read_table

    config, folder = prepare_listeners(config, folder), Path(folder)

    def at(name):
        return str(folder / name)

    words = read_table(at("words.parquet"))
    scores = {(name, "", 0): fit_reference(config, folder, name, words) for name in (LATENTS, ONE_HOT)}
    for model in config["models"]:
        for checkpoint in (model["checkpoints"][0], model["checkpoints"][-1]):
            activations = extract(config, folder, hub, model, checkpoint)
            for layer in model["layers"]:
                key = (model["name"], checkpoint["name"], layer)
                scores[key] = fit(config, folder, activations, layer)
    return scores, read_table(at("ceiling.parquet"))


def extract(config, folder, hub, model, checkpoint):
    """Activations of one checkpoint of the hub, by the workflow's scripts; their path."""
    source = {"repository": model["repository"], "revision": checkpoint["revision"], "cache_dir": str(hub)}
    return extract_source(config, folder, f"{model['name']}-{checkpoint['name']}", source)


def extract_source(config, folder, name, source):
    """Activations of one checkpoint, by the workflow's scripts, in `folder` by this name; their path."""
    import extract_activations
    import fetch_checkpoint

    stem = Path(folder) / name
    paths = SimpleNamespace(
        checkpoint=f"{stem}.json", words=str(Path(folder) / "words.parquet"), activations=f"{stem}.zarr.zip"
    )
    nothing = {"cache_dir": None, "folder": None, "commit": None, "tokenizer_commit": None, "trust_remote_code": False}
    run(fetch_checkpoint, paths, source=nothing | source)
    run(extract_activations, paths, config=config)
    return paths.activations


def fit(config, folder, activations, layer, written="encoding.zarr.zip"):
    """Encoding scores of one layer, by the workflow's script, which writes them to `folder`/`written`."""
    import fit_encoding

    from triphase.core.artefacts import read_arrays

    paths = SimpleNamespace(
        shared=str(folder / "shared.zarr.zip"),
        words=str(folder / "words.parquet"),
        activations=activations,
        encoding=str(folder / written),
    )
    run(fit_encoding, paths, config=config, wildcards={"layer": layer})
    return read_arrays(paths.encoding)


def fit_reference(config, folder, name, words):
    """Encoding scores of the true latents, or of word identity, in the place of a layer's activations."""
    from triphase.core.artefacts import write_arrays
    from triphase.demo.listeners import latents

    heard = words.drop_duplicates(["stimulus", "index"])
    if name == LATENTS:
        values = latents(heard)[0]
        values = values - values.mean(0)  # silence is the typical state, as for the simulated voxels
    else:
        values = pd.get_dummies(heard["word"]).to_numpy(float)
    dataset = xr.Dataset(
        {"activations": (("layer", "word", "feature"), values[None])},
        coords={
            "layer": [0],
            "stimulus": ("word", heard["stimulus"].to_numpy(str)),
            "index": ("word", heard["index"].to_numpy()),
        },
        attrs={"versions": {}},
    )
    path = str(folder / f"{name}.zarr.zip")
    write_arrays(path, dataset)
    return fit(config, folder, path, 0)


def chosen_layers(config, scores, model, language):
    """Layer of each listener by training CV, averaged over the fitted checkpoints: dict of subject to layer."""
    fitted = {
        layer: [values for key, values in scores.items() if key[::2] == (model["name"], layer)]
        for layer in model["layers"]
    }
    found = {}
    for entry in config["dataset"]["subjects"]:
        quality = {
            layer: np.mean([mean_over(values, "cv_score", entry["name"], language) for values in checkpoints])
            for layer, checkpoints in fitted.items()
        }
        found[entry["name"]] = max(quality, key=quality.get)
    return found


def mean_over(dataset, variable, subject, rois):
    """Mean over one listener's voxels in the named ROIs; of the gain in the main analysis, which comes first."""
    here = (dataset["subject"].values == subject) & np.isin(dataset["roi"].values, rois)
    return float(np.atleast_2d(dataset[variable].values)[0, here].mean())


def compare(config, scores, ceiling):
    """The criteria of the embedded truth.

    Returns
    -------
    pandas.DataFrame
        model, subject, layer (the chosen one), criterion, value, low, high (bounds that the value must keep), ok.
    """
    kinds = {roi["name"]: roi["kind"] for roi in config["dataset"]["simulate"]["rois"]}
    language, sensory, control = (
        [name for name, kind in kinds.items() if kind == wanted] for wanted in ("language", "sensory", "control")
    )
    rows = []
    for model in config["models"]:
        layers = chosen_layers(config, scores, model, language)
        first, last = model["checkpoints"][0]["name"], model["checkpoints"][-1]["name"]
        below, above = scores[ONE_HOT, "", 0], scores[LATENTS, "", 0]
        p_control = []
        for subject, layer in layers.items():
            early, late = scores[model["name"], first, layer], scores[model["name"], last, layer]
            r = mean_over(late, "r", subject, language)
            reach = ceiling[(ceiling["subject"] == subject) & ceiling["roi"].isin(sensory)]["ceiling"].mean()
            alone = mean_over(late, "r_nuisance_alone", subject, sensory)
            here = (late["subject"].values == subject) & np.isin(late["roi"].values, control)
            p_control.append(late["p"].values[here])
            for criterion, value, low, high in (
                ("last - step 0", r - mean_over(early, "r", subject, language), RISE, np.inf),
                ("joint - nuisance", mean_over(late, "gain", subject, language), GAIN, np.inf),
                ("last - one-hot", r - mean_over(below, "r", subject, language), 0, np.inf),
                ("latents - last", mean_over(above, "r", subject, language) - r, 0, np.inf),
                ("sensory: joint - nuisance", mean_over(late, "gain", subject, sensory), -SENSORY, SENSORY),
                ("sensory: nuisance / ceiling", alone / reach, OF_CEILING, np.inf),
            ):
                rows.append((model["name"], subject, layer, criterion, value, low, high))
        p = np.concatenate(p_control)
        rows.append((model["name"], "all", None, "control: voxels", len(p), CONTROL_VOXELS, np.inf))
        rows.append((model["name"], "all", None, "control: share p < 0.05", (p < 0.05).mean(), *CONTROL))
    table = pd.DataFrame(rows, columns=["model", "subject", "layer", "criterion", "value", "low", "high"])
    return table.assign(ok=(table["value"] >= table["low"]) & (table["value"] <= table["high"]))
