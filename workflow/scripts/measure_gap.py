"""Score against gap: what nuisance features alone and autocorrelation alone predict, the wider a block's gap is."""

import logging

import numpy as np

from triphase.config.delays import delays_in_scans
from triphase.core.artefacts import read_table, write_json
from triphase.core.job import start
from triphase.encoding.bands import nuisance_band
from triphase.encoding.features import shared_reach
from triphase.encoding.folds import needed_gap
from triphase.encoding.gap import gap_curve, gap_rows, possible_gaps
from triphase.encoding.preparing import LAGS
from triphase.responses.targets import Cohort, check_lengths
from triphase.stats.autocorrelation import autocovariance, first_below

log = logging.getLogger(__name__)


def main(paths, *, rois, tr, delays, downsampling, nuisance, split, alphas, gap_seconds, gap_values):
    """Measure every gap of the config, and the study's own, on the study's single run."""
    words = read_table(paths.words)
    sound = read_table(*paths.sound) if paths.sound else None
    scans = delays_in_scans(delays, tr)
    with Cohort(paths.responses) as cohort:
        runs, times = cohort.runs, cohort.times
        check_lengths(runs, scans, tr)
        covariance = sum(autocovariance(y, runs, LAGS) for y in cohort.batches())
        acf = covariance / covariance[0]
        own, lag = needed_gap(acf, scans, gap_seconds, tr, shared_reach(downsampling)), first_below(acf, 0.1)
        wanted = sorted({own, *(round(seconds / tr) for seconds in gap_values)})
        gaps = possible_gaps(runs, wanted, split)
        left_out = [gap * tr for gap in wanted if gap not in gaps]
        if left_out:
            log.warning("gaps of %s s leave a fold nothing to train on", left_out)
        band = nuisance_band(words, runs, times, tr, nuisance, scans, sound, downsampling)
        scores, training = gap_curve(
            cohort.batches(), band, runs, times, tr, gaps=gaps, lag=lag, split=split, alphas=np.logspace(*alphas)
        )
        subjects, roi = (cohort.targets[name].to_numpy(str) for name in ("subject", "roi"))
    content = {"own_gap": own * tr, "lag": lag * tr, "train_seconds": np.mean(training) * tr, "folds": split["folds"]}
    content |= {"gaps": [gap * tr for gap in gaps], "left_out": left_out}
    write_json(paths.gap, content | {"rows": gap_rows(scores, subjects, roi, rois)})


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
