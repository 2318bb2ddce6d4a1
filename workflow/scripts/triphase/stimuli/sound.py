"""Broadband envelope of a sound: how loud it is, moment by moment.

WAV files are read in pieces, by a reader of our own: that of Python 3.11 knows no WAVE_FORMAT_EXTENSIBLE, which 24-bit
recordings use, and SciPy's holds a 24-bit file in memory.
"""

import struct
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pandas as pd

from triphase.core.content import check_content
from triphase.core.errors import InputError

FRAME_SECONDS = 0.01
# Frames read at a time: ten seconds of sound.
FRAMES_AT_ONCE = 1000
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


class Wav(NamedTuple):
    """A WAV file's header; `start` is the byte where the samples begin, `length` the samples of each channel."""

    rate: int
    channels: int
    width: int
    is_float: bool
    start: int
    length: int


def read_envelope(path: str | Path) -> pd.DataFrame:
    """Root mean square of a sound in frames of 10 ms, over all channels.

    Parameters
    ----------
    path : path of a WAV file: PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64; any number of channels

    Returns
    -------
    DataFrame : time_s, the middle of each frame (s from the first sample), and envelope (1 = full scale)

    Raises
    ------
    InputError : names the file and what is wrong with it
    """
    wav = read_header(path)
    step = wav.rate * FRAME_SECONDS
    edges = np.round(np.arange(np.ceil(wav.length / step) + 1) * step).astype(int)
    edges = np.unique(np.minimum(edges, wav.length))  # rounding may leave a last frame without a sample
    count = len(edges) - 1
    envelope = np.empty(count)
    with open(path, "rb") as file:
        file.seek(wav.start)
        for first in range(0, count, FRAMES_AT_ONCE):
            piece = edges[first : first + FRAMES_AT_ONCE + 1]
            samples = decode(file.read((piece[-1] - piece[0]) * wav.channels * wav.width), wav)
            power = np.square(samples).reshape(-1, wav.channels).mean(axis=1)
            envelope[first : first + len(piece) - 1] = np.add.reduceat(power, piece[:-1] - piece[0]) / np.diff(piece)
    if not np.isfinite(envelope).all():
        raise InputError(f"{path}: the sound has samples that are not finite; write it as PCM")
    if not envelope.any():
        raise InputError(f"{path}: the sound is silent throughout; it cannot be the stimulus")
    return pd.DataFrame({"time_s": (edges[:-1] + edges[1:]) / (2 * wav.rate), "envelope": np.sqrt(envelope)})


def read_header(path: str | Path) -> Wav:
    """Header of a WAV file as a `Wav`; InputError for what is none, is cut short or holds no plain samples."""

    def refuse(trouble: str) -> NoReturn:
        raise InputError(f"{path}: {trouble}; the sound must be a whole WAV file with PCM or float samples")

    check_content(path)
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            refuse("not a WAV file")
        layout = None
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            if name == b"data":
                break
            content = file.read(min(length + length % 2, 64))
            file.seek(length + length % 2 - len(content), 1)
            if name == b"fmt ":
                layout = content
        else:
            refuse("no samples (chunk 'data')")
        start = file.tell()
    if layout is None or len(layout) < 16:
        refuse("no format (chunk 'fmt ') before its samples")
    kind, channels, rate, _, step, _ = struct.unpack("<HHIIHH", layout[:16])
    if kind == EXTENSIBLE and len(layout) >= 26:
        kind = struct.unpack("<H", layout[24:26])[0]
    width = step // channels if channels else 0
    if width not in {PCM: (1, 2, 3, 4), FLOAT: (4, 8)}.get(kind, ()) or step != width * channels:
        refuse(f"its samples are coded in a way that is not read (format {kind}, {step} bytes, {channels} channels)")
    if rate * FRAME_SECONDS < 1:
        refuse(f"its rate of {rate} samples per second is too low")
    if start + length > size:
        refuse(f"cut short: {length} bytes of samples are announced and {size - start} are there")
    if length < step:
        refuse("no samples")
    return Wav(rate, channels, width, kind == FLOAT, start, length // step)


def decode(raw: bytes, wav: Wav) -> np.ndarray:
    """Samples as floats of full scale 1, channels interleaved."""
    if wav.is_float:
        return np.frombuffer(raw, f"<f{wav.width}").astype(float)
    if wav.width == 1:
        return (np.frombuffer(raw, np.uint8) - 128.0) / 128
    # Into the upper bytes of 32 bits, so that every width has one scale.
    wide = np.zeros((len(raw) // wav.width, 4), np.uint8)
    wide[:, 4 - wav.width :] = np.frombuffer(raw, np.uint8).reshape(-1, wav.width)
    return wide.view("<i4")[:, 0] / 2.0**31
