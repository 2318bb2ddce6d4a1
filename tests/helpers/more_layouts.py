"""Small data sets with the file names of Le Petit Prince, Narratives, Algonauts and Podcast, and planted clocks.

Content is random but for one thing: responses follow the rate of the words, convolved with the canonical haemodynamic
response, from the onset that the layout plants. A study on them goes through the whole workflow.
"""

import os
import subprocess

import h5py
import nibabel as nib
import numpy as np
from layouts import TINY, story

from triphase.demo.bids import new_dataset
from triphase.responses.timing import LAGS, haemodynamic_response, rate_at_lags
from triphase.sources.clones import prepare_environment

# Inside the brain of the template, so that no voxel is left out.
SHAPE, AFFINE = (5, 4, 3), np.array([[6.0, 0, 0, -12], [0, 6, 0, -30], [0, 0, 6, 6], [0, 0, 0, 1]])
VOXELS = int(np.prod(SHAPE))


def answer(words, times, tr, rng, voxels=VOXELS):
    """Responses (time, voxel) to words in scans at `times` (s on the words' clock); the last quarter is noise."""
    middles = np.array([(onset + offset) / 2 for onset, offset, _ in words])
    heard = rate_at_lags(middles, times, tr, haemodynamic_response())[int(np.flatnonzero(LAGS == 0)[0])]
    values = rng.normal(size=(len(times), voxels))
    values[:, : voxels * 3 // 4] += 1.5 * ((heard - heard.mean()) / heard.std())[:, None]
    return values


def save_image(path, values, tr):
    """A 4D image in MNI space, whose header tells the TR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values.T.reshape(*SHAPE, -1).astype(np.float32), AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = tr
    nib.save(image, path)


# ---- Le Petit Prince: the k-th file is section k, and each listener has numbers of its own

PRINCE = {"sub-EN057": range(15, 24), "sub-EN058": range(8, 17)}
SECTIONS = (2, 3, 4)


def write_prince(folder, volumes=110):
    """The layout of ds003643: one table of words for all sections, with silences; runs from the sound's onset on."""
    rng, words = np.random.default_rng(0), {k: story(k, 2 * volumes) for k in SECTIONS}
    with new_dataset(folder, "2.0.7", "Made by a test") as (root, _):
        table = root / "annotation/EN/lppEN_word_information.csv"
        table.parent.mkdir(parents=True)
        lines = ["word,onset,offset,logfreq,pos,section"]
        for k in SECTIONS:
            lines.append(f",0.0,0.5,,,{k}")
            lines += [f"{word},{onset},{offset},{len(word)},{word[0].upper()},{k}" for onset, offset, word in words[k]]
        table.write_text("\n".join(lines) + "\n")
        for subject, numbers in PRINCE.items():
            for k in SECTIONS:
                name = f"{subject}_task-lppEN_run-{numbers[k - 1]:02d}_space-MNIColin27_desc-preproc_bold.nii.gz"
                # Four scans more than the sound lasts.
                values = answer(words[k], np.arange(volumes + 4) * 2.0, 2.0, rng)
                save_image(root / f"derivatives/{subject}/func" / name, values, 2.0)
    overlay = {"name": "ds003643-en", "subjects": list(PRINCE), "runs": [f"section-{k}" for k in SECTIONS]}
    return overlay | {"overrides": {"url": str(folder)}}


# ---- Narratives: raw data and events in one data set; derivatives and transcripts in another, partly in a subdataset

NARRATORS = {
    "sub-001": {"pieman": "pieman_run-1", "tunnel": "tunnel"},
    "sub-004": {"pieman": "pieman", "tunnel": "tunnel"},
}
ONSETS = {"pieman": 15.0, "tunnel": 3.0}


def write_narratives(folder, volumes=170):
    """The layout of ds002345: music before a story, and the story's onset in the events of each run."""
    rng, words = np.random.default_rng(1), {k: story(n + 20, 1.5 * volumes - 20) for n, k in enumerate(ONSETS)}
    raw, whole = folder / "ds002345", folder / "narratives"
    with new_dataset(raw, "1.1.4", "Made by a test") as (root, _):
        for subject, files in NARRATORS.items():
            for run, called in files.items():
                path = root / f"{subject}/func/{subject}_task-{called}_events.tsv"
                path.parent.mkdir(parents=True, exist_ok=True)
                music = f"0.0\t{ONSETS[run] - 2}\tmusic\t{run}_audio.wav\n"
                story_row = f"{ONSETS[run]}\t{words[run][-1][1]}\tstory\t{run}_audio.wav\n"
                path.write_text("onset\tduration\ttrial_type\tstim_file\n" + music + story_row)
    with new_dataset(folder / "afni", "1.0", "Made by a test") as (root, _):
        for subject, files in NARRATORS.items():
            for run, called in files.items():
                values = answer(words[run], np.arange(volumes) * 1.5 - ONSETS[run], 1.5, rng)
                name = f"{subject}_task-{called}_space-MNI152NLin2009cAsym_res-native_desc-clean_bold.nii.gz"
                save_image(root / subject / "func" / name, values, 1.5)
    with new_dataset(whole, "1.0", "Made by a test") as (root, _):
        for run, said in words.items():
            path = root / f"stimuli/gentle/{run}/align.csv"
            path.parent.mkdir(parents=True)
            # Every ninth word was not found in the sound.
            lines = [
                f"{word},,," if n % 9 == 4 else f"{word},{word.lower()},{onset},{offset}"
                for n, (onset, offset, word) in enumerate(said)
            ]
            path.write_text("\n".join(lines) + "\n")
        add_subdataset(root, folder / "afni", "derivatives/afni-nosmooth")
    return {
        "name": "ds002345", "source": "mni", "subjects": list(NARRATORS), "runs": list(ONSETS),
        "overrides": {"url": str(raw), "roots": [{"name": "superdataset", "url": str(whole), "version": "1.0"}]},
    }  # fmt: skip


def add_subdataset(root, source, path):
    """Name a data set as a subdataset, whose content is fetched when it is asked for."""
    prepare_environment()
    environment = {**os.environ, "GIT_CONFIG_COUNT": "1"}
    environment |= {"GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    command = ["git", "-C", str(root), "submodule", "--quiet", "add", str(source), path]
    subprocess.run(command, check=True, env=environment)


# ---- Algonauts: one HDF5 file for each subject, a key per run that begins with a session; words in lists per scan

EPISODES = {"s01e01a": 155, "s01e01b": 155, "s01e02a": 150, "s06e01a": 160}
VIEWERS = ["sub-01", "sub-02"]


def write_algonauts(folder, parcels=40):
    """The layout of Algonauts 2025, Friends: sessions differ from person to person and run to run."""
    rng, tr = np.random.default_rng(2), 1.49
    words = {name: story(n + 40, tr * volumes - 2) for n, (name, volumes) in enumerate(EPISODES.items())}
    with new_dataset(folder, "friends", "Made by a test") as (root, _):
        with open(root / ".gitattributes", "a", encoding="utf-8") as attributes:
            attributes.write("*.h5 annex.largefiles=anything\n")
        for name, volumes in EPISODES.items():
            path = root / f"stimuli/transcripts/friends/s{int(name[1:3])}/friends_{name}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = ["text_per_tr\twords_per_tr\tonsets_per_tr\tdurations_per_tr"]
            for scan in range(volumes):
                here = [entry for entry in words[name] if scan * tr <= entry[1] < (scan + 1) * tr]
                cells = [" ".join(word for *_, word in here), [word for *_, word in here]]
                cells += [[onset for onset, *_ in here], [round(offset - onset, 3) for onset, offset, _ in here]]
                lines.append("\t".join(map(str, cells)) if here else "\t[]\t[]\t[]")
            path.write_text("\n".join(lines) + "\n")
        for place, subject in enumerate(VIEWERS):
            name = "task-friends_space-MNI152NLin2009cAsym_atlas-Schaefer18_parcel-1000Par7Net_desc-s123456_bold.h5"
            path = root / f"fmri/{subject}/func/{subject}_{name}"
            path.parent.mkdir(parents=True)
            with h5py.File(path, "w") as file:
                for session, (run, volumes) in enumerate(EPISODES.items(), 3 * place + 1):
                    values = answer(words[run], np.arange(volumes) * tr, tr, rng, parcels)
                    file[f"ses-{session:03d}_task-{run}"] = values.astype(np.float32)
    overlay = {"name": "algonauts2025", "subjects": VIEWERS, "runs": list(EPISODES)}
    return overlay | {"overrides": {"url": str(folder), "version": "friends"}}


# ---- Podcast: recordings of electrodes on the cortex, whose envelope rises with each word; no haemodynamic response

PATIENTS = ["sub-01", "sub-02"]


def write_podcast(folder, seconds=300, rate=128.0):
    """The layout of ds005574: .fif of high gamma and places of electrodes for each patient, one transcript for all."""
    import mne

    rng, words, samples = np.random.default_rng(3), story(60, seconds - 25), int(seconds * rate)
    with new_dataset(folder, "1.0.2", "Made by a test") as (root, _):
        with open(root / ".gitattributes", "a", encoding="utf-8") as attributes:
            attributes.write("*.fif annex.largefiles=anything\n")
        (root / "stimuli").mkdir()
        # Every twelfth word was not found in the sound.
        lines = [
            f"{word},," if n % 12 == 7 else f"{word},{onset},{offset}" for n, (onset, offset, word) in enumerate(words)
        ]
        (root / "stimuli/podcast_transcript.csv").write_text("\n".join(["word,start,end", *lines]) + "\n")
        for place, subject in enumerate(PATIENTS):
            values = rng.normal(size=(4 + place, samples))
            for onset, *_ in words:
                # Most 0.2 s after the onset, and more for a long word; the last electrode is noise.
                start = int((onset + 0.1) * rate)
                values[:-1, start : start + int(0.2 * rate)] += 2
            info = mne.create_info([f"G{n}" for n in range(1, len(values) + 1)], rate, "ecog")
            path = root / f"derivatives/ecogprep/{subject}/ieeg/{subject}_task-podcast_desc-highgamma_ieeg.fif"
            path.parent.mkdir(parents=True)
            mne.io.RawArray(values, info, verbose="ERROR").save(path, verbose="ERROR")
            table = root / f"{subject}/ieeg/{subject}_space-MNI152NLin2009aSym_electrodes.tsv"
            table.parent.mkdir(parents=True)
            rows = [f"G{n}\t{-50 - n}\t{5 * n - 20}\t{n}\t4.0\tG" for n in range(1, len(values) + 1)]
            table.write_text("\n".join(["name\tx\ty\tz\tsize\tgroup", *rows]) + "\n")
    return {"name": "ds005574", "subjects": PATIENTS, "overrides": {"url": str(folder)}}


def whole_study(name, dataset, **sections):
    """An overlay of a study that goes through every stage on one small model, to `phases.json`."""
    small = {"permutations": 99, "boot_draws": 99, "components": 10, "scalings": ["zscore"]}
    return {
        "study": name,
        "dataset": dataset,
        "models": TINY["models"],
        "activations": TINY["activations"],
        "encoding": {"nuisance": ["word_rate", "word_length", "position"], **small, **sections.pop("encoding", {})},
        "states": {"words": 500, "probes": {"concepts": []}, "references": ["first"], "mechanism": None},
        "tasks": {"evaluations": [], "adherence": []},
        "phases": {"headline": {"roi": "all", "tasks": [], "adherence": []}},
        **sections,
    }
