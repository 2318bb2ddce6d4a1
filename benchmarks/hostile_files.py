"""Bad files beside the config: locks, task YAMLs, models' folders, transcripts, addresses, names of one's own files.

A kind makes a sound file, spoils it, and reads it as the workflow does. What is accepted is wrong in silence where a
kind can tell: an address with a secret, a file that is neither read nor named.
"""

import copy
import json
import os
import shutil
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/helpers")]
from small_models import checkpoint  # noqa: E402

from triphase.checkpoints.find import find_checkpoint  # noqa: E402
from triphase.checkpoints.loading import load_model, load_tokenizer  # noqa: E402
from triphase.config.discovery import find_names  # noqa: E402
from triphase.config.lockfile import apply_lock, read_lock  # noqa: E402
from triphase.core.redaction import check_no_password  # noqa: E402
from triphase.stimuli.transcripts import read_transcript  # noqa: E402
from triphase.tasks.plan import missing_data, plan, unfetched  # noqa: E402

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODELS = [
    {
        "name": "a", "repository": "org/a", "family": None,
        "checkpoints": [{"name": f"step{n}", "revision": f"step{n}", "step": n, "tokens": n * 1000} for n in (0, 1, 2)],
    }
]  # fmt: skip
LOCK = {
    "study": "mine", "date": "2026-01-01",
    "models": {"a": {"repository": "org/a", "checkpoints": {
        f"step{n}": {"revision": f"step{n}", "commit": COMMIT,
                     "files": [{"name": "model.safetensors", "bytes": 8, "sha256": COMMIT + COMMIT[:24]}]}
        for n in (0, 1, 2)
    }}},
}  # fmt: skip
TASK = """task: quiz
dataset_path: json
test_split: test
dataset_kwargs: {data_files: {test: quiz.jsonl}}
doc_to_text: "{{question}}"
doc_to_target: answer
output_type: multiple_choice
doc_to_choice: [cat, dog]
metric_list: [{metric: acc}]
"""
TABLE = "word\tonset\toffset\n" + "".join(f"w{n}\t{n}\t{n + 0.5}\n" for n in range(6))
GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n1\n"IntervalTier"\n"w"\n0\n3\n3\n'
    + "".join(f'{n}\n{n + 1}\n"w{n}"\n' for n in range(3))
)
WORDS = {"language": "en", "columns": {"word": "word", "onset": "onset", "offset": "offset"}, "tier": 1}
SECRET = (
    "https://user:pw@host/x", "https://token@github.com/x/y", "https://host/x?access_token=abc", "user:pw@host:path",
    "ssh://git:pw@host/x", "https://host/x?private_token=abc&y=1", "git+https://u:p@h/x", "HTTPS://U:P@H/X",
    "https://host/x#access_token=abc", "s3://key:secret@bucket/x", "ftp://u:p@h/", "https://u:p%40@h/x",
)  # fmt: skip
FILES = (
    "sub-1_run-1.npy", "sub c_run-1.npy", "süb-d_run-1.npy", "sub-2_run 9.npy", "sub-3_run-.npy", "_run-1.npy",
    "sub-4_run-1\n.npy", "sub-\u2028_run-1.npy", ".sub_run-1.npy", "-x_run-1.npy", "sub-1_run-2.npy",
    "a" * 200 + "_run-1.npy", "sub-1_run-1_run-2.npy", "雲_run-1.npy", "SUB-1_run-1.npy", "sub'1_run-1.npy",
    "sub-{x}_run-1.npy",
)  # fmt: skip


def spoiled(raw, chosen):
    """Bytes of a file, cut, or with a piece put in, taken out, or another."""
    at, kind = chosen.randrange(len(raw) + 1), chosen.randrange(4)
    piece = chosen.choice(
        [b"\0", b"\xff", "\u2028".encode(), b'"', b"\n\n", b"\t", b"{", b"[", b": ", b"nan", b"-1", b"1e999", b"9" * 30]
    )
    return (
        raw[:at],
        raw[:at] + piece + raw[at:],
        raw[:at] + raw[at + chosen.randrange(1, 9) :],
        raw[:at] + piece + raw[at + len(piece) :],
    )[kind]


def spoiled_json(content, chosen, values, spoil):
    """Bytes of JSON with one value in it another, or spoiled as bytes; path and value."""
    if chosen.random() < 0.3:
        return spoiled(json.dumps(content).encode(), chosen), None, None
    content = copy.deepcopy(content)
    path, value = spoil(content, chosen, chosen.choice(values))
    return json.dumps(content, default=str).encode("utf-8", "surrogatepass"), path, value


def lock(chosen, folder, values, spoil):
    """A lock."""
    raw, path, value = spoiled_json(LOCK, chosen, values, spoil)
    (folder / "lock.json").write_bytes(raw)
    apply_lock(copy.deepcopy(MODELS), read_lock(folder / "lock.json"), "warn")
    return path, value


def task(chosen, folder, values, spoil):
    """A task's YAML, beside a stray one."""
    tasks = fresh(folder / "tasks")
    (tasks / "quiz.yaml").write_bytes(spoiled(TASK.encode(), chosen))
    (tasks / "stray.yaml").write_bytes(spoiled(TASK.replace("quiz", "stray").encode(), chosen))
    (tasks / "quiz.jsonl").write_text("{}\n")
    os.chdir(tasks)
    try:
        jobs = plan([{"name": "quiz", "task": "quiz", "metric": "acc"}], [], [tasks], None)
        told = "\n".join(filter(None, [*missing_data(jobs), unfetched(jobs, [tasks])]))
    finally:
        os.chdir(ROOT)
    return (None, None, told) if told else (None, None)


def model(chosen, folder, values, spoil):
    """A small file of a model, or the header of its weights."""
    files, place = dict(checkpoint()), fresh(folder / "model")
    name = chosen.choice(["config.json", "config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
    path = value = None
    if name == "model.safetensors":
        size = struct.unpack("<Q", files[name][:8])[0]
        header = spoiled(files[name][: 8 + size], chosen)
        if chosen.random() < 0.5:
            raw, path, value = spoiled_json(json.loads(files[name][8 : 8 + size]), chosen, values, spoil)
            header = struct.pack("<Q", len(raw)) + raw
        files[name] = header + files[name][8 + size :]
    else:
        files[name], path, value = spoiled_json(json.loads(files[name]), chosen, values, spoil)
    for other, raw in files.items():
        (place / other).write_bytes(raw)
    manifest = find_checkpoint("org/m", "main", folder=place)
    load_tokenizer(manifest)
    load_model(manifest, execution={"device": "cpu"})
    return path, value


def transcript(chosen, folder, values, spoil):
    """A table or TextGrid of words."""
    kind, name, text = chosen.choice([("table", "words.tsv", TABLE), ("textgrid", "words.TextGrid", GRID)])
    (folder / name).write_bytes(spoiled(text.encode(), chosen))
    read_transcript(folder / name, {**WORDS, "format": kind})
    return None, None


def address(chosen, folder, values, spoil):
    """An address that holds a secret."""
    value = chosen.choice(SECRET)
    check_no_password({"url": value}, "dataset/overrides")
    raise AssertionError(f"an address with a secret was accepted: {value}")


def names(chosen, folder, values, spoil):
    """Files of one's own whose names may not fit: each is read, or told of."""
    place = fresh(folder / "own")
    there = chosen.sample(FILES, chosen.randrange(1, 7))
    for name in there:
        (place / name).touch()
    found = find_names({"name": "own", "root": "local_data", "path": "{subject}_{run}.npy"}, place)
    read = sum(len(runs) for runs in found.runs.values())
    told = "\n".join(found.unread)
    silent = [name for name in there if not name.startswith(".")][read + len(found.unread) :]
    assert not silent, f"neither read nor told: {silent} of {there}"
    return ("", None, told) if told else (None, None)


def fresh(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


KINDS = {"lock": lock, "task": task, "model": model, "transcript": transcript, "address": address, "names": names}
