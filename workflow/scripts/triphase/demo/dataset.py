"""The embedded study's data set as a whole: stories, listeners, files."""

import logging

from triphase.core.errors import InputError
from triphase.demo.bids import new_dataset, place_rois, write_common, write_listener
from triphase.demo.listeners import simulate_listener
from triphase.demo.stories import tell_story


def check_recipe(tr, runs, simulate):
    """Raise InputError for a recipe that can't be simulated; the message names the key."""
    if not tr > 0:
        raise InputError(f"dataset.tr: {tr!r} must be a number of seconds above 0.")
    if not simulate["volumes"] > 0:
        raise InputError(f"dataset.simulate.volumes: {simulate['volumes']!r} must be a whole number above 0.")
    names = [run["name"] for run in runs]
    if len(set(names)) < len(names):
        raise InputError(f"dataset.runs: names {names} must differ from each other.")
    for roi in simulate["rois"]:
        if roi["kind"] not in ("language", "sensory", "control"):
            raise InputError(f"dataset.simulate.rois: kind {roi['kind']!r} of {roi['name']!r} is not known.")


def tell_stories(runs, simulate, tr):
    """The transcript of every story that some run plays: dict of stimulus to table."""
    duration = simulate["volumes"] * tr
    names = dict.fromkeys(run["stimulus"] for run in runs)
    return {name: tell_story(name, duration, simulate["seed"]) for name in names}


def listen(subject, runs, stories, simulate, tr):
    """One listener's responses, motion and truth: see `simulate_listener`."""
    return simulate_listener(
        subject, runs, stories, simulate["rois"], volumes=simulate["volumes"], tr=tr, seed=simulate["seed"]
    )


def make_dataset(path, *, name, version, license, citation, tr, subjects, runs, simulate):
    """Write the data set.

    Parameters
    ----------
    path : path
        Folder of the data set; replaced where it exists.
    name : str
        Of the data set.
    version : str
        Its tag.
    license : str
        SPDX identifier.
    citation : str
        How to acknowledge it.
    tr : float
        s.
    subjects : list of str
        Names of the listeners.
    runs : list of dict
        name and stimulus.
    simulate : dict
        seed, volumes (per run) and rois (list of name, voxels, kind, centres).

    Returns
    -------
    str
        The data set's commit.
    """
    check_recipe(tr, runs, simulate)
    stories = tell_stories(runs, simulate, tr)
    placed = place_rois(simulate["rois"])
    with new_dataset(path, version, f"Simulated listeners, version {version}") as (folder, report):
        about = {"name": name, "version": version, "license": license, "citation": citation, "tr": tr}
        write_common(folder, **about, subjects=subjects, runs=runs, stories=stories)
        for subject in subjects:
            responses, motion, _ = listen(subject, runs, stories, simulate, tr)
            duration = simulate["volumes"] * tr
            write_listener(folder, subject, runs, responses, motion, placed, simulate["rois"], tr=tr, duration=duration)
            logging.info("%s: %d runs", subject, len(runs))
    return report["commit"]
