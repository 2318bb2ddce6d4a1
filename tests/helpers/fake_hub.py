"""A server on this machine that speaks what huggingface_hub asks of the hub, so that its real code runs in tests."""

import hashlib
import json
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def commit_of(repository, revision, files):
    """A commit that the content of a revision determines."""
    digest = hashlib.sha1(f"{repository} {revision}".encode())
    for name, content in sorted(files.items()):
        digest.update(name.encode() + content)
    return digest.hexdigest()


class FakeHub:
    """Serves repositories: dict of repository to dict of revision to dict of file name to content (bytes).

    The name of a data set's repository begins with "datasets/".

    Attributes
    ----------
    url : str, for HF_ENDPOINT
    requests : list of (method, path), in order
    sent : dict of (revision's commit, file name) to the bytes that were sent
    drops : dict of file name to the number of bytes after which the connection is cut, once
    wrong : dict of file name to the content that is sent, once, in place of the right one
    siblings : int, how many files a revision's description lists at most; None: all
    page : int, how many files of a tree come in one answer; None: all
    answers : list of (path, status) of requests of the API
    """

    def __init__(self, repositories):
        self.repositories = {
            repository: {
                revision: (commit_of(repository, revision, files), files) for revision, files in revisions.items()
            }
            for repository, revisions in repositories.items()
        }
        self.requests, self.sent, self.drops, self.wrong, self.ranges = [], {}, {}, {}, []
        self.siblings, self.page, self.answers, self.quota, self.header = None, None, [], None, None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def limit(self, quota, header):
        """From now on answer that many requests of the API, and refuse others, saying for how long as `header` says."""
        soon = formatdate(time.time() + 17, usegmt=True)
        headers = {"Retry-After": ("Retry-After", "17"), "RateLimit": ("RateLimit", '"api";r=0;t=17')}
        self.quota, self.header = quota, headers.get(header) or (("Retry-After", soon) if header == "date" else None)

    def commit(self, repository, revision):
        return self.repositories[repository][revision][0]

    def find(self, repository, revision):
        for name, (commit, files) in self.repositories[repository].items():
            if revision in (name, commit):
                return commit, files
        return None

    def _handler(hub):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, body):
                path, _, _ = self.path.partition("?")
                path = urllib.parse.unquote(path)
                hub.requests.append((self.command, path))
                parts = path.strip("/").split("/")
                if parts[0] == "api" and hub.quota is not None:
                    hub.quota -= 1
                    hub.answers.append((path, 429 if hub.quota < 0 else 200))
                    if hub.quota < 0:
                        return self.refuse(429, "TooManyRequests", *[hub.header] * bool(hub.header))
                if parts[:2] == ["api", "models"]:
                    return self.api("/".join(parts[2:4]), parts[4], "/".join(parts[5:]))
                if parts[:2] == ["api", "datasets"]:
                    what, revision = (parts[4], parts[5]) if len(parts) > 4 else ("revision", "main")
                    return self.api("/".join(parts[1:4]), what, revision, "/".join(parts[6:]))
                if parts[0] == "api":
                    return self.refuse(404, "EntryNotFound")
                size = 3 if parts[0] == "datasets" else 2
                if parts[size : size + 1] != ["resolve"]:
                    return self.refuse(404, "EntryNotFound")
                return self.resolve("/".join(parts[:size]), parts[size + 1], "/".join(parts[size + 2 :]), body)

            def do_POST(self):
                """What is known of single paths of a data set."""
                parts = urllib.parse.unquote(self.path.partition("?")[0]).strip("/").split("/")
                hub.requests.append((self.command, "/" + "/".join(parts)))
                asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
                found = hub.find("/".join(parts[1:4]), parts[5]) if parts[4:5] == ["paths-info"] else None
                if found is None:
                    return self.refuse(404, "RevisionNotFound")
                paths = json.loads(asked)["paths"] if asked.startswith("{") else urllib.parse.parse_qs(asked)["paths"]
                return self.send_json([self.entry(n, c) for n, c in found[1].items() if n in paths])

            def api(self, repository, what, revision, folder=""):
                if repository not in hub.repositories:
                    return self.refuse(404, "RepoNotFound")
                if what == "refs":
                    found = hub.repositories[repository].items()
                    refs = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, (c, _) in found]
                    return self.send_json({"branches": refs, "tags": [], "converts": []})
                if (found := hub.find(repository, revision)) is None:
                    return self.refuse(404, "RevisionNotFound")
                commit, files = found
                if what == "tree":
                    return self.tree(self.below(files, folder))
                siblings = [self.sibling(n, c) for n, c in files.items()][: hub.siblings]
                return self.send_json({"id": repository, "modelId": repository, "sha": commit, "siblings": siblings})

            def below(self, files, folder):
                """Entries of a folder; those of folders in it too where the whole tree is asked for."""
                start = folder + "/" if folder else ""
                inside = {name: content for name, content in files.items() if name.startswith(start)}
                if "recursive=true" in self.path.lower():
                    return [self.entry(name, content) for name, content in inside.items()]
                folders = {start + name[len(start) :].partition("/")[0] for name in inside} - set(inside)
                return [
                    *({"type": "directory", "path": name, "size": 0, "oid": blob(name.encode())} for name in folders),
                    *(self.entry(name, content) for name, content in inside.items() if "/" not in name[len(start) :]),
                ]

            def tree(self, entries):
                path, _, query = self.path.partition("?")
                start = int(urllib.parse.parse_qs(query).get("cursor", ["0"])[0])
                end = start + (hub.page or len(entries))
                link = [("Link", f'<{hub.url}{path}?recursive=true&cursor={end}>; rel="next"')] * (end < len(entries))
                return self.send_json(entries[start:end], *link)

            def entry(self, name, content):
                entry = {"type": "file", "path": name, "size": len(content), "oid": blob(content)}
                if large(name):
                    entry["lfs"] = {"oid": sha(content), "size": len(content), "pointerSize": 130}
                return entry

            def sibling(self, name, content):
                entry = {"rfilename": name, "size": len(content), "blobId": blob(content)}
                if large(name):
                    entry["lfs"] = {"sha256": sha(content), "size": len(content), "pointerSize": 130}
                return entry

            def resolve(self, repository, revision, name, body):
                found = hub.find(repository, revision) if repository in hub.repositories else None
                if found is None:
                    return self.refuse(404, "RevisionNotFound")
                commit, files = found
                if name not in files:
                    return self.refuse(404, "EntryNotFound")
                content, start = files[name], 0
                etag = sha(content) if large(name) else blob(content)
                asked = self.headers.get("Range")
                if asked:
                    hub.ranges.append((name, asked))
                    start = int(asked.removeprefix("bytes=").split("-")[0])
                if body and name in hub.wrong:
                    content = hub.wrong.pop(name)
                self.send_response(206 if asked else 200)
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{etag}"')
                if large(name):
                    self.send_header("X-Linked-Etag", f'"{etag}"')
                    self.send_header("X-Linked-Size", str(len(content)))
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                if body:
                    stop = hub.drops.pop(name, None)
                    part = content[start : None if stop is None else start + stop]
                    self.wfile.write(part)
                    hub.sent[commit, name] = hub.sent.get((commit, name), 0) + len(part)
                    if stop is not None:
                        self.close_connection = True

            def refuse(self, status, code, *headers):
                self.send_response(status)
                for name, value in [("X-Error-Code", code), *headers]:
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def send_json(self, content, *headers):
                data = json.dumps(content).encode()
                self.send_response(200)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler


def large(name):
    """Whether the hub stores a file by its sha256."""
    return name.endswith((".safetensors", ".bin"))


def sha(content):
    return hashlib.sha256(content).hexdigest()


def blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
