"""Small DataLad data sets in the layouts of the published ones, whose responses follow the words with a known delay."""

import json
import wave

import h5py
import nibabel as nib
import numpy as np
import yaml
from project import ROOT
from scipy.io import savemat

from triphase.demo.bids import new_dataset

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
SHAPE = (6, 5, 4)
DELAY = 6.0  # s, of a voxel's response to a word
STORIES = {"souls": 1, "legacy": 2, "naked": 3, "wheretheressmoke": 4}
WORDS = "the old river ran past a quiet town where people met and spoke of storms they had seen long ago".split()


def story(seed, duration):
    """Words of a made-up story: list of (onset, offset, word)."""
    rng = np.random.default_rng(seed)
    words, at = [], 0.5
    while at < duration - 3:
        length = rng.uniform(0.2, 0.5)
        words.append((round(at, 3), round(at + length, 3), str(rng.choice(WORDS))))
        at += length + (rng.uniform(0, 0.2) if rng.random() > 0.15 else rng.uniform(1, 6))
    return words


def textgrid(words, duration):
    """Praat's long form: phones (empty), and words with silences marked sp."""
    intervals, at = [], 0.0
    for onset, offset, word in words:
        if onset > at:
            intervals.append((at, onset, "sp"))
        intervals.append((onset, offset, word.upper()))
        at = offset
    intervals.append((at, duration, "{BR}"))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {duration}"]
    lines += ["tiers? <exists>", "size = 2", "item []:"]
    for number, (name, rows) in enumerate([("phone", [(0, duration, "")]), ("word", intervals)], 1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {duration}", f"        intervals: size = {len(rows)}"]
        for k, (start, stop, text) in enumerate(rows, 1):
            lines += [f"        intervals [{k}]:", f"            xmin = {start}", f"            xmax = {stop}"]
            lines += [f'            text = "{text}"']
    return "\n".join(lines) + "\n"


def driven(midpoints, times, tr, voxels, rng):
    """Responses at `times` that follow the number of words DELAY before; the last quarter of the voxels is noise."""
    edges = np.append(times, times[-1] + tr) - DELAY
    drive = np.histogram(midpoints, edges)[0].astype(float)
    drive = (drive - drive.mean()) / drive.std()
    values = rng.normal(size=(len(times), voxels))
    values[:, : voxels * 3 // 4] += 1.5 * drive[:, None]
    return values


def write_stories(folder, *, volumes=160, subjects=("UTS01", "UTS04")):
    """The layout of ds003020: .hf5 per story, thick cortical mask in native space, TextGrids, sound."""
    duration, rng = volumes * 2.0, np.random.default_rng(0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:5, 1:4, 1:3] = 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    with new_dataset(folder, "3.1.0", "Made by a test") as (root, _):
        base = root / "derivative"
        (base / "TextGrids").mkdir(parents=True)
        (root / "stimuli").mkdir()
        for name, seed in STORIES.items():
            words = story(seed, duration)
            (base / "TextGrids" / f"{name}.TextGrid").write_text(textgrid(words, duration))
            write_sound(root / "stimuli" / f"{name}.wav", words, duration)
            # Row i lies at (i + 5) TR on the clock of the sound.
            times = (np.arange(volumes - 10) + 5) * 2.0
            middle = [(onset + offset) / 2 for onset, offset, _ in words]
            for subject in subjects:
                (base / "preprocessed_data" / subject).mkdir(parents=True, exist_ok=True)
                hearings = [driven(middle, times, 2.0, int(mask.sum()), rng) for _ in range(5)]
                with h5py.File(base / "preprocessed_data" / subject / f"{name}.hf5", "w") as file:
                    file["data"] = hearings[0]
                    if name == "wheretheressmoke":
                        file["data"][...] = np.mean(hearings, axis=0)
                        file["individual_repeats"] = np.array(hearings)
        for subject in subjects:
            where = base / "pycortex-db" / subject / "transforms" / f"{subject}_auto"
            where.mkdir(parents=True)
            nib.save(nib.Nifti1Image(mask, affine), where / "mask_thick.nii.gz")
        lengths = dict.fromkeys(STORIES, volumes + 10)
        (base / "respdict.json").write_text(json.dumps(lengths))


def write_sound(path, words, duration, rate=4000):
    """Noise while there is a word, silence elsewhere; 16 bit, stereo."""
    samples = np.zeros(int(duration * rate))
    noise = np.random.default_rng(1).normal(size=len(samples))
    for onset, offset, _ in words:
        spoken = slice(int(onset * rate), int(offset * rate))
        samples[spoken] = noise[spoken]
    stereo = np.repeat((samples * 5000).astype("<i2")[:, None], 2, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(stereo.tobytes())


SUITS = ("suits_run-01", "suits_run-02", "suits_run-03")
# What the annotations of a second with speech hold, and how their files are called.
SPEECH = {
    "en": (WORDS, " ", "speechTranscription_EN"),
    "ja": ("昔 の 川 は 静か な 町 を 流れ 人々 は 嵐 の こと を 話し た".split(), "", "speechTranscription"),
}


def write_movie(folder, *, seconds=240, subjects=("S01",), runs=SUITS, languages=("en",)):
    """The layout of ds005531: .mat per run over the whole grid, annotations each second; every run of a title but the
    first begins with the last 20 s of the one before."""
    rng = np.random.default_rng(0)
    voxels = np.sort(rng.choice(np.prod(SHAPE), 40, replace=False)) + 1
    with new_dataset(folder, "1.0.0", "Made by a test") as (root, _):
        with open(root / ".gitattributes", "a", encoding="utf-8") as attributes:
            attributes.write("*.mat annex.largefiles=anything\n")
        base = root / "derivatives"
        (base / "annotation").mkdir(parents=True)
        titles = {}
        for name in runs:
            title, _, number = name.partition("_run-")
            spoken = titles.setdefault(title, rng.random(5 * seconds) < 0.4)
            start = (int(number) - 1) * (seconds - 20)
            here = np.arange(start, start + seconds)
            for language in languages:
                path = base / "annotation" / f"{name}_{SPEECH[language][2]}_each1sec.txt"
                path.write_text(annotated(here, spoken, language, rng), encoding="utf-8")
            for subject in subjects:
                where = base / "preprocessed_data" / f"sub-{subject}"
                where.mkdir(parents=True, exist_ok=True)
                drive = np.where(here >= DELAY, spoken[(here - int(DELAY)).clip(0)], 0).astype(float)
                values = rng.normal(size=(seconds, np.prod(SHAPE))).astype(np.float32)
                values[:, voxels[:30] - 1] += 2 * (drive - drive.mean())[:, None]
                with h5py.File(where / f"sub-{subject}_task-{name}.mat", "w") as file:
                    file.create_dataset("dataDT", data=values, chunks=(32, 60), compression="gzip")
        for subject in subjects:
            savemat(base / "preprocessed_data" / f"sub-{subject}" / "vset_100.mat", {"tvoxels": voxels[:, None]})
            where = base / "pycortex_db" / f"sub-{subject}" / "transforms" / "fs_fullhead"
            where.mkdir(parents=True)
            nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.float32), np.eye(4)), where / "reference.nii.gz")


def annotated(here, spoken, language, rng):
    """Lines of an annotation file: what two annotators wrote of each second."""
    words, joint, _ = SPEECH[language]
    lines = []
    for second in here:
        texts = [joint.join(rng.choice(words, 4)) for _ in range(2)] if spoken[second] else ["..", "不明"]
        lines.append(f"[{second:05d}]メイン#A:{texts[0]}/B:{texts[1]}")
    return "\n".join(lines) + "\n"


def run_layout(project, name, overlay):
    """Run a study of a layout, whose data set lies in the project's `data`, to the scores of one layer and its report.

    Returns the project, with `results` (folder) and `overlay` (what to run it again with).
    """
    project.overlay = {
        "study": name,
        "models": [TINY["models"][0] | {"checkpoints": TINY["models"][0]["checkpoints"][-1:]}],
        "states": {"probes": {"concepts": []}},
        "tasks": {"evaluations": [], "adherence": []},
        "phases": {"headline": {"roi": "all", "tasks": [], "adherence": []}},
        **overlay,
    }
    project.overlay["dataset"]["overrides"] = {"url": str(project.folder / "data")}
    project.results = project.folder / "results" / name
    targets = ["encoding/neox/step64/1.zarr.zip", "responses/ceiling.parquet", "data.html"]
    done = project.snakemake(*(f"results/{name}/{target}" for target in targets), overlay=project.overlay)
    assert done.returncode == 0, done.stdout[-4000:]
    return project
