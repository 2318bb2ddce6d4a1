"""The embedded study's data set as a whole: stories, listeners, files."""

import logging
from pathlib import Path

import pandas as pd

from triphase.demo.bids import new_dataset, place_rois, write_common, write_listener
from triphase.demo.listeners import Simulation, simulate_listener
from triphase.demo.stories import tell_story


def tell_stories(simulation: Simulation) -> dict[str, pd.DataFrame]:
    """The transcript of every stimulus that some run plays."""
    names = dict.fromkeys(run["stimulus"] for run in simulation.runs)
    return {name: tell_story(name, simulation.duration, simulation.seed) for name in names}


def make_dataset(path: str | Path, simulation: Simulation) -> str:
    """Write the data set into the folder `path`, which is replaced where it exists, and return its commit."""
    stories, placed = tell_stories(simulation), place_rois(simulation.rois)
    message = f"Simulated listeners, version {simulation.version}"
    with new_dataset(path, simulation.version, message) as (folder, report):
        write_common(folder, simulation, stories)
        for subject in simulation.subjects:
            responses, motion, _ = simulate_listener(subject, stories, simulation)
            write_listener(folder, subject, simulation, placed, responses, motion)
            logging.info("%s: %d runs", subject, len(simulation.runs))
    return report["commit"]
