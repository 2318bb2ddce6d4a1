"""What a config, a data file or a log must not be able to do: run code, leave the results folder, show a token."""

import ast
import copy
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
import yaml
from project import ROOT

from triphase.config.resolve import resolve_config
from triphase.core.errors import InputError
from triphase.core.redaction import check_no_password, redacted, without_secrets

LIBRARY = sorted((ROOT / "workflow/scripts").rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())


# --- nothing of a config reaches a shell


def test_no_rule_runs_a_shell():
    shell = r"^\s*(shell|run)\s*:|\bshell\(|os\.system|subprocess|\beval\(|\bexec\("
    found = {path.name: re.findall(shell, path.read_text(), re.M) for path in RULES}
    assert not any(found.values()), found


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_no_script_and_no_module_runs_a_shell():
    for name, node in (call for path in LIBRARY for call in calls(path)):
        assert name not in ("os.system", "os.popen", "subprocess.getoutput", "eval", "exec"), ast.unparse(node)
        if re.fullmatch(r"subprocess\.\w+", name):
            assert "shell" not in {keyword.arg for keyword in node.keywords}, ast.unparse(node)
            command = node.args[0]
            assert isinstance(command, ast.List | ast.Name), f"the command is no list: {ast.unparse(node)}"


HOSTILE = ["a; touch x", "$(touch x)", "`touch x`", "../../x", "..", "/tmp/x", "-rf", "a|b", "a\nb", "a\n", ""]
NAMES = {
    "study": lambda config, name: config.update(study=name),
    "model": lambda config, name: config["models"][0].update(name=name),
    "checkpoint": lambda config, name: config["models"][0]["checkpoints"][0].update(name=name),
    "revision": lambda config, name: config["models"][0]["checkpoints"][0].update(revision=name),
    "repository": lambda config, name: config["models"][0].update(repository=name),
    "data set": lambda config, name: config["dataset"].update(name=name),
    "subject": lambda config, name: config["dataset"].update(subjects=[name]),
    "run": lambda config, name: config["dataset"].update(runs=[name]),
    "task": lambda config, name: config["tasks"]["evaluations"][0].update(name=name),
    "adherence": lambda config, name: config["tasks"]["adherence"][0].update(name=name),
}


@pytest.mark.parametrize("what", NAMES)
def test_a_hostile_name_is_refused(what):
    for name in HOSTILE:
        config = json.loads(json.dumps(CONFIG))  # models that share a grid in the file have one each
        NAMES[what](config, name)
        with pytest.raises(InputError) as refused:
            resolve_config(config, ROOT)
        # One line, with the value and what would be right.
        assert "\n" not in str(refused.value)
        assert json.dumps(name) in str(refused.value) and "must be" in str(refused.value)


def test_a_hostile_name_on_the_command_line_runs_nothing(project):
    for overlay in ({"study": "a; touch ran"}, {"study": "../../ran"}):
        done = project.snakemake("-n", overlay=overlay)
        assert done.returncode != 0 and "Traceback" not in done.stdout
        assert re.search(r"config: .*study: .* must be a name", done.stdout), done.stdout
    assert not list(project.folder.glob("**/ran")) and not (project.folder.parent / "ran").exists()


# --- no file runs code when it is read


class Payload:
    """Unpickling it makes a file (see the first test below)."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_the_payload_would_run(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_libraries_are_asked_to_unpickle_nothing():
    for path in LIBRARY:
        for name, node in calls(path):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if name == "torch.load":
                assert given.get("weights_only") == "True", f"{path}: {ast.unparse(node)}"
            if name in ("np.load", "numpy.load"):
                assert given.get("allow_pickle") == "False", f"{path}: {ast.unparse(node)}"
            # Of its own child process, which has read a .mat file.
            mine = path.name == "hdf5.py" and ast.unparse(node) == "pickle.loads(done.stdout)"
            unsafe = r"(pickle|dill|cloudpickle|joblib|marshal|shelve)\.|\w+\.read_pickle|yaml\.(unsafe_|full_)load"
            assert mine or not re.match(unsafe, name), f"{path}: {ast.unparse(node)}"
            if name == "yaml.load":
                assert "Loader" in ast.unparse(node) and "SafeLoader" in path.read_text(), ast.unparse(node)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_weights_with_code_are_refused_and_it_does_not_run(tmp_path):
    import torch

    from triphase.checkpoints.integrity.fingerprint import fingerprint_folder
    from triphase.checkpoints.loading import _check_pickle

    path = tmp_path / "pytorch_model.bin"
    for write in (torch.save, lambda content, to: to.write_bytes(pickle.dumps(content))):
        write({"weight": Payload(tmp_path / "ran")}, path)
        with pytest.raises(InputError, match=r"pytorch_model\.bin.*run code"):
            fingerprint_folder(tmp_path)
        with pytest.raises(InputError, match=r"pytorch_model\.bin"):
            _check_pickle(path, quantised=False)
    assert not (tmp_path / "ran").exists()


def test_a_npy_file_with_code_is_refused_and_it_does_not_run(tmp_path):
    from triphase.responses.readers.npy import _mapped

    path = tmp_path / "run.npy"
    np.save(path, np.array([[Payload(tmp_path / "ran")]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a .npy array of numbers"):
        _mapped(path, turned=False)
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(InputError, match="not a .npy array of numbers"):
        _mapped(path, turned=False)
    assert not (tmp_path / "ran").exists()


def test_yaml_with_code_is_refused_and_it_does_not_run(tmp_path):
    from triphase.config.validation import read_checked

    (tmp_path / "datasets.yaml").write_text(f"datasets: !!python/object/apply:os.mkdir ['{tmp_path}/ran']\n")
    with pytest.raises(InputError, match="is not YAML in UTF-8"):
        read_checked(tmp_path / "datasets.yaml", ROOT / "workflow/schemas/datasets.schema.json")
    assert not (tmp_path / "ran").exists()


def test_arrays_that_are_pickles_are_refused_and_do_not_run(tmp_path):
    """An older Zarr format has a codec of pickles; the workflow's own arrays are of the newer one, which has none."""
    from triphase.core.artefacts import read_arrays

    path, codec = tmp_path / "planted.zarr.zip", {"id": "pickle", "protocol": 4}
    for codecs in ({"filters": [codec], "compressor": None}, {"filters": None, "compressor": codec}):
        metadata = {
            "zarr_format": 2,
            "shape": [1],
            "chunks": [1],
            "dtype": "<f8",
            "fill_value": 0,
            "order": "C",
            **codecs,
        }
        with zipfile.ZipFile(path, "w") as store:
            store.writestr(".zgroup", json.dumps({"zarr_format": 2}))
            store.writestr("x/.zarray", json.dumps(metadata))
            store.writestr("x/.zattrs", json.dumps({"_ARRAY_DIMENSIONS": ["time"]}))
            store.writestr("x/0", pickle.dumps(Payload(tmp_path / "ran")))
        with pytest.raises(ValueError, match="pickle"):
            read_arrays(path)
    assert not (tmp_path / "ran").exists()


# --- no token is shown

TOKEN = "hf_" + "Ab3" * 11


def test_what_is_secret_is_taken_out_of_texts(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("DATALAD_HCP_SECRET_ID", "ninechars")
    monkeypatch.setenv("HF_TOKEN_PATH", "/home/me/token")
    monkeypatch.setenv("SOME_TOKEN", "false")
    cases = {
        "fatal: https://me:word@h.org/x.git/ failed": "fatal: https://***@h.org/x.git/ failed",
        f"https://{TOKEN}@h.org:80/x": "https://***@h.org:80/x",
        "ssh://me:word@h.org/x, ssh://git@h.org/x": "ssh://me:***@h.org/x, ssh://git@h.org/x",
        "'https://s3.org/key?X-Amz-Signature=abc&y=1' not found": "'https://s3.org/key?***' not found",
        f"Authorization: Bearer {TOKEN}; id ninechars": "Authorization: Bearer ***; id ***",
        "file /home/me/token, false, me@h.org: https://h.org/a@b": "file /home/me/token, false, me@h.org: https://h.org/a@b",
    }
    assert {text: redacted(text) for text in cases} == cases


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://me:{TOKEN}@h.org/set", "https://***@h.org/set"),
        (f"https://{TOKEN}@h.org/set", "https://***@h.org/set"),
        (f"ssh://me:{TOKEN}@h.org/set", "ssh://me:***@h.org/set"),
        (f"me:{TOKEN}@h.org:set", "me:***@h.org:set"),
        (f"https://h.org/set?access_token={TOKEN}", "https://h.org/set?***"),
        (f"https://h.org/set?a=b&private_token={TOKEN}", "https://h.org/set?***"),
        (f"ria+https://h.org/store?X-Amz-Signature={TOKEN}", "ria+https://h.org/store?***"),
        (f"https://h.org/set?api_key={TOKEN}", "https://h.org/set?***"),
    ],
)
def test_an_address_with_a_password_is_refused_and_not_shown(url, shown):
    config = copy.deepcopy(CONFIG)
    config["dataset"]["url"] = url
    with pytest.raises(InputError) as refused:
        resolve_config(config, ROOT)
    assert f"dataset/url: the address {shown} holds a user's password" in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "git@h.org:set", "https://h.org/set?keyword=a&tokens=3", "ssh://git@h.org:22/set", "///openneuro/ds003020",
        "https://h.org:8080/a@b", "ria+https://h.org/store#~alias", "/data/a:b/set", "host:path/set",
    ],
)  # fmt: skip
def test_an_address_without_a_password_is_taken(url):
    check_no_password({"url": url})
    assert without_secrets(url) == url


# Fails in every way in which a token could be told: a message, a log line, a warning, a traceback, a user's error.
TELLING = """
import logging, os, types, warnings
from triphase.core.errors import InputError
from triphase.core.job import start
with start(snakemake, types.SimpleNamespace) as job:
    address = f"https://me:{os.environ['HF_TOKEN']}@h.org/x?signature={os.environ['HF_TOKEN']}"
    logging.info("asking %s", address)
    logging.getLogger("huggingface_hub").warning("with %s", os.environ["HF_TOKEN"])
    warnings.warn(f"slow: {address}")
    try:
        raise OSError(address)
    except OSError as error:
        logging.exception("failed")
        raise (InputError if job.settings.known else RuntimeError)(f"cannot get {address}") from error
"""


def test_tokens_are_in_no_log_and_no_message(tmp_path):
    (tmp_path / "tell.py").write_text(TELLING)
    (tmp_path / "Snakefile").write_text("""
config["execution"] = {}
rule tell:
    output: "{known}"
    log: "{known}.log"
    params: settings=lambda wildcards: {"known": wildcards.known == "yes", "code": ""}
    script: "tell.py"
""")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--show-failed-logs", "yes", "no"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "HF_TOKEN": TOKEN},
    )  # fmt: skip
    assert done.returncode == 1
    logs = {path: path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()}
    assert not [path for path, text in {**logs, "output": done.stdout}.items() if TOKEN in text]
    for name, error in (("yes", "error: cannot get"), ("no", "RuntimeError: cannot get")):
        log = logs[tmp_path / f"{name}.log"]
        assert log.count("https://***@h.org/x?***") >= 4 and error in log, log
        assert f"{error} https://***@h.org/x?***" in done.stdout


def test_a_data_set_that_wants_a_password_shows_none(tmp_path, monkeypatch):
    """The server is git's own, and refuses; git's settings of the user have the password in an address."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from triphase.sources.clones import opened

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    (tmp_path / "gitconfig").write_text(f'[url "http://me:{TOKEN}@{host}/"]\n\tinsteadOf = http://{host}/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("DATALAD_HCP_SECRET_ID", TOKEN)
    with pytest.raises(InputError, match="cannot be cloned.*wants credentials") as refused:
        with opened(name="set", url=f"http://{host}/set", version="1.0", folder=tmp_path / "datasets"):
            pass
    server.shutdown()
    assert TOKEN not in str(refused.value)
    assert not [path for path in (tmp_path / "datasets").rglob("*") if path.is_file() and TOKEN in path.read_text()]
