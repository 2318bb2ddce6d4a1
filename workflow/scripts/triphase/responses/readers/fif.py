"""Intracranial recordings in MNE's .fif, such as the envelope of a high-gamma band: (time, electrode).

Read through MNE, which is an optional extra (`pip install 'triphase[ecog]'`).
"""

from __future__ import annotations

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.tables import need_column, read_cells, to_number
from triphase.core.types import Section
from triphase.responses.readers.recording import SLAB_BYTES, Recording, refuse_repeat, table_of, unlabelled

# Samples per second that are kept: what a window of a tenth of a second and more can tell.
RATE = 64.0
# mm; of several electrodes on a cortex, one is further from the origin.
LEAST_MILLIMETRES = 1.0


def _check(source):
    if source.get("modality") != "ecog":
        return "modality: recordings are read word by word; it must be ecog"
    if source.get("dropped_volumes") or source.get("dropped_at_end") or source.get("confounds"):
        return "dropped_volumes: a recording has no volumes; it must be 0, without dropped_at_end and confounds"
    return None


@READERS.register(
    name="fif",
    suffixes=(".fif", ".fif.gz"),
    files=("electrodes",),
    needs={"lags": "Lags", "modality": "Literal['ecog']"},
    accepts={"window": "Positive"},
    check=_check,
)
class FifReader:
    """One recording per run; its good data channels are the electrodes."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle which electrodes are read, and where they lie.

        Parameters
        ----------
        example : list of one of the subject's recordings, whose channels all of them must have
        paths : dict of role to list of path; `electrodes`, a BIDS table with name, x, y and z (mm); without it places
            are those of the recording
        """
        (self.where,) = example
        raw = _opened(self.where)
        self.names = _electrodes(raw, self.where)
        if "electrodes" in paths:
            places = read_places(paths["electrodes"][0])
            lacking = [name for name in self.names if name not in places]
            if lacking:
                raise InputError(
                    f"{paths['electrodes'][0]}: no row for {len(lacking)} of the {len(self.names)} electrodes of "
                    f"{self.where}, such as {lacking[0]!r}"
                )
            coordinates = np.array([places[name] for name in self.names])
        elif source["space"] == "mni":
            raise InputError(
                f"{self.where}: the source's space is mni, but a recording has its electrodes' places in the "
                "coordinates of a head; give `electrodes`, a table of places in MNI space, or set the space to native"
            )
        else:
            known = {channel["ch_name"]: channel["loc"][:3] for channel in raw.info["chs"]}
            coordinates = 1000 * np.array([known[name] for name in self.names], float)  # MNE has metres
        self.table = table_of(unlabelled(len(self.names)), coordinates)
        self.table["electrode"] = self.names

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run: means of samples, about `RATE` per second; `tr` is their distance in s."""
        (path,) = paths
        refuse_repeat(run, path)
        raw = _opened(path)
        if _electrodes(raw, path) != self.names:
            raise InputError(
                f"{path}: its electrodes are not those of {self.where}; all runs of a subject need the same"
            )
        together = max(1, round(raw.info["sfreq"] / RATE))
        samples = int(raw.n_times) // together
        if not samples:
            raise InputError(f"{path}: {raw.n_times} samples; get the file again")
        return Recording(
            path, samples, float(together / raw.info["sfreq"]), lambda: self._read(path, together, samples)
        )

    def _read(self, path, together, samples):
        raw = _opened(path)
        picks = [raw.ch_names.index(name) for name in self.names]
        values = np.empty((samples, len(picks)), np.float32)
        step = max(1, SLAB_BYTES // (8 * together * len(raw.ch_names)))
        for start in range(0, samples, step):
            stop = min(start + step, samples)
            try:
                part = raw[picks, start * together : stop * together][0]
            except Exception as error:
                raise InputError(f"{path}: truncated or damaged ({one_line(error)}); get the file again") from None
            values[start:stop] = part.reshape(len(picks), stop - start, together).mean(axis=2).T
        return values


def read_places(path: str) -> dict[str, np.ndarray]:
    """Places of electrodes by name, from a BIDS table: array (3,), mm; NaN where they are not known."""
    table = read_cells(path)
    for column in ("name", "x", "y", "z"):
        need_column(path, table, column, "dataset/sources/electrodes")
    values, names = table[["x", "y", "z"]].map(to_number).to_numpy(float), table["name"].str.strip()
    if names.duplicated().any():
        row = names.index[names.duplicated()][0]
        raise InputError(f"{path}, row {row}: a second row of the electrode {names[row]!r}; leave one of them out")
    if 0 < (largest := np.nan_to_num(np.abs(values)).max(initial=0)) < LEAST_MILLIMETRES:
        raise InputError(
            f"{path}: the largest of x, y and z is {largest:g}: these seem to be metres, as MNE-BIDS writes; give mm"
        )
    return dict(zip(names, values, strict=True))


def _opened(path):
    check_content(path)
    try:
        import mne
    except ImportError:
        raise InputError(
            f"{path}: recordings are read through MNE, which is not installed; `pip install 'triphase[ecog]'`, or "
            "conda install -c conda-forge mne-base"
        ) from None
    try:
        return mne.io.read_raw_fif(path, preload=False, verbose="ERROR")
    except Exception as error:
        raise InputError(f"{path}: not a readable recording of MNE ({one_line(error)}); get the file again") from None


def _electrodes(raw, path):
    import mne

    picks = mne.pick_types(raw.info, meg=False, eeg=True, ecog=True, seeg=True, dbs=True, exclude="bads")
    if not len(picks):
        raise InputError(f"{path}: no good channel of type ecog, seeg or eeg; mark the electrodes' type")
    return [raw.ch_names[pick] for pick in picks]
