"""Score against gap: what nuisance features alone and autocorrelation alone predict, the wider a block's gap is."""

import logging

import numpy as np

from triphase.config.delays import delays_in_scans
from triphase.config.jobs import MeasureGap
from triphase.core.artefacts import read_table, write_json
from triphase.core.job import Job, start
from triphase.encoding.bands import nuisance_band
from triphase.encoding.features import Timeline, shared_reach
from triphase.encoding.folds import needed_gap
from triphase.encoding.gap import GAPS, gap_curve, gap_rows, possible_gaps
from triphase.encoding.preparing import LAGS
from triphase.encoding.ridge import penalties
from triphase.encoding.word_rows import least_gap, on_rows, row_seconds
from triphase.responses.targets import Cohort, check_lengths
from triphase.stats.autocorrelation import autocorrelation, first_below

log = logging.getLogger(__name__)


def main(job: Job[MeasureGap]) -> None:
    """Measure every gap of the config, and the study's own, on the study's single run."""
    paths, settings = job.paths, job.settings
    words = read_table(paths.words)
    sound = read_table(*paths.sound) if paths.sound else None
    scans = delays_in_scans(settings.delays, settings.tr)
    with Cohort(paths.responses) as cohort:
        runs, times = cohort.runs, cohort.times
        words, sound = on_rows(words, sound, cohort.attrs.get("row", "scan"))
        seconds = row_seconds(cohort.attrs, settings.tr)
        check_lengths(runs, scans, settings.tr)
        acf = autocorrelation(cohort.batches(), runs, LAGS)
        lag = first_below(acf, 0.1)
        own = needed_gap(
            acf, scans, least_gap(cohort.attrs, settings.gap_seconds), seconds, shared_reach(settings.downsampling)
        )
        wanted = sorted({own, *(round(gap / seconds) for gap in GAPS)})
        gaps = possible_gaps(runs, wanted, settings.split)
        left_out = [gap * seconds for gap in wanted if gap not in gaps]
        if left_out:
            log.warning("gaps of %s s leave a fold nothing to train on", left_out)
        timeline = Timeline(runs, times, settings.tr, scans, settings.downsampling, settings.delays_as == "mean")
        band = nuisance_band(words, timeline, settings.nuisance, sound)
        alphas = penalties(settings.alphas)
        scores, training = gap_curve(
            cohort.batches(), band, timeline, gaps=gaps, lag=lag, split=settings.split, alphas=alphas
        )
        subjects, roi = (cohort.targets[name].to_numpy(str) for name in ("subject", "roi"))
    content = {
        "own_gap": own * seconds,
        "lag": lag * seconds,
        "train_seconds": np.mean(training) * seconds,
        "folds": settings.split["folds"],
    }
    content |= {"gaps": [gap * seconds for gap in gaps], "left_out": left_out}
    write_json(paths.gap, content | {"rows": gap_rows(scores, subjects, roi, settings.rois)})


if __name__ == "__main__":
    with start(snakemake, MeasureGap) as job:  # noqa: F821
        main(job)
