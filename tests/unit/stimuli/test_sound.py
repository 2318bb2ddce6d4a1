"""The envelope of known signals, every form of WAV against SciPy's writer, bounded memory, damaged files."""

import struct
import tracemalloc
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from triphase.core.errors import InputError
from triphase.stimuli.sound import read_envelope

RELAXED = settings(max_examples=200)


def refused(path, *expected):
    with pytest.raises(InputError) as error:
        read_envelope(path)
    for text in (str(path), *expected):
        assert text in str(error.value), error.value


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_a_sine_that_is_switched_on_has_a_known_envelope(tmp_path, rate):
    """A sine of amplitude a has a root mean square of a / sqrt(2)."""
    t = np.arange(3 * rate) / rate
    amplitude = np.select([t < 1, t < 2], [0.5, 0.0], 0.25)
    path = tmp_path / "tone.wav"
    wavfile.write(path, rate, (amplitude * np.sin(2 * np.pi * 1000 * t) * 32767).astype(np.int16))
    sound = read_envelope(path)
    assert len(sound) == 300
    np.testing.assert_allclose(sound["time_s"], np.arange(300) / 100 + 0.005, atol=1 / rate)
    expected = np.repeat([0.5, 0.0, 0.25], 100) / np.sqrt(2)
    inside = np.arange(300) % 100 != 0  # a frame at a switch may hold a sample of the other side
    np.testing.assert_allclose(sound["envelope"][inside], expected[inside], atol=0.02)


def by_definition(samples, rate):
    """Root mean square of each frame, straight from the definition; samples (time, channel), full scale 1."""
    count = int(np.ceil(len(samples) / (rate / 100)))
    edges = [min(round(k * rate / 100), len(samples)) for k in range(count + 1)]
    return [np.sqrt(np.mean(samples[a:b] ** 2)) for a, b in zip(edges, edges[1:], strict=False)]


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
def test_widths_and_channels(tmp_path, kind, channels):
    signal = np.random.default_rng(0).uniform(-0.9, 0.9, (23456, channels))
    scale = {"u1": 127, "i2": 32767, "i4": 2**31 - 1}.get(kind, 1)
    stored = (signal * scale + (128 if kind == "u1" else 0)).astype(kind)
    path = tmp_path / "noise.wav"
    wavfile.write(path, 16000, stored)
    np.testing.assert_allclose(read_envelope(path)["envelope"], by_definition(signal, 16000), rtol=0.02)


@pytest.mark.parametrize("extensible", [False, True])
def test_24_bits(tmp_path, extensible):
    signal = np.random.default_rng(1).uniform(-0.9, 0.9, (5000, 2))
    whole = (signal * (2**23 - 1)).astype("<i4")
    raw = whole.reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    path = tmp_path / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2), file.setsampwidth(3), file.setframerate(8000), file.writeframes(raw)
    if extensible:
        layout = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 8000, 48000, 6, 24, 22, 24, 3)
        layout += struct.pack("<H", 1) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
        note = b"LIST" + struct.pack("<I", 5) + b"hello\0"
        body = (
            b"WAVE" + b"fmt " + struct.pack("<I", len(layout)) + layout + note + b"data" + struct.pack("<I", len(raw))
        )
        path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + len(raw)) + body + raw)
    np.testing.assert_allclose(read_envelope(path)["envelope"], by_definition(signal, 8000), rtol=1e-4)


@pytest.mark.parametrize("length", range(1, 400, 7))
@pytest.mark.parametrize("rate", [100, 120, 255, 11025])
def test_the_last_frame_may_be_short_but_is_never_empty(tmp_path, rate, length):
    path = tmp_path / "short.wav"
    wavfile.write(path, rate, np.full(length, 0.25, np.float32))
    sound = read_envelope(path)
    assert (sound["envelope"] == 0.25).all()
    assert 0 <= length / rate - sound["time_s"].iloc[-1] < 0.5 / rate + 0.01


def test_memory_does_not_grow_with_the_sound(tmp_path):
    rate, path = 44100, tmp_path / "long.wav"
    second = (np.sin(np.arange(rate * 2)) * 20000).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2), file.setsampwidth(2), file.setframerate(rate)
        for _ in range(200):
            file.writeframes(second)
    tracemalloc.start()
    read_envelope(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 35e6 and peak < 32e6


def test_files_that_are_no_sound(tmp_path):
    path = tmp_path / "tone.wav"
    wavfile.write(path, 8000, (np.sin(np.arange(8000)) * 20000).astype(np.int16))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    refused(path, "cut short: 16000 bytes", "15900 are there")
    path.write_bytes(whole[:40])
    refused(path, "no samples")
    path.write_bytes(b"ID3" + whole)
    refused(path, "not a WAV file")
    path.write_bytes(whole.replace(b"fmt ", b"junk"))
    refused(path, "no format")
    path.write_bytes(whole[:20] + struct.pack("<H", 85) + whole[22:])
    refused(path, "format 85")
    wavfile.write(path, 8000, np.zeros(8000, np.int16))
    refused(path, "silent throughout")
    wavfile.write(path, 8000, np.full(8000, np.nan, np.float32))
    refused(path, "not finite")
    wavfile.write(path, 50, np.ones(8000, np.int16))
    refused(path, "50 samples per second")


@RELAXED
@given(
    edits=st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=3)), max_size=4),
    end=st.integers(0, 900),
)
def test_a_damaged_file_is_read_or_refused_with_a_message(tmp_path, edits, end):
    path = tmp_path / "tone.wav"
    wavfile.write(path, 8000, (np.sin(np.arange(400)) * 20000).astype(np.int16))
    raw = bytearray(path.read_bytes())
    for at, piece in edits:
        raw[at : at + len(piece)] = piece
    path.write_bytes(raw[:end])
    try:
        sound = read_envelope(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert len(sound) and np.isfinite(sound["envelope"]).all()
