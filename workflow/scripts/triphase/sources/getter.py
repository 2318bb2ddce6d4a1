"""`datalad get` as a process of its own that ends, with every child, when the job that asked for it ends.

git-annex outlives a DataLad that is killed: it hangs at its next report of progress and holds the transfer's lock, so
that no later job could get the file. This program therefore leads a process group and kills the group as soon as its
standard input closes, which the kernel does however the parent ends. Run by `triphase.sources.downloads`, as a file.
"""

import json
import os
import signal
import sys
import threading
from typing import Any


def end_with_parent() -> None:
    """Kill the process group when standard input closes."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def get(dataset: str, paths: list[str], jobs: int) -> list[dict[str, Any]]:
    """Run `datalad get`; return what was said of each file that failed: list of {path, message, error_message}."""
    import datalad.api as datalad

    results = datalad.get(
        path=paths, dataset=dataset, jobs=jobs, on_failure="ignore", return_type="list", result_renderer="disabled"
    )
    failed = [result for result in results if result["status"] in ("error", "impossible")]
    return [
        {"path": result["path"], "message": result.get("message"), "error_message": result.get("error_message")}
        for result in failed
    ]


def main() -> None:
    """Read {dataset, paths, jobs} from the first line of standard input, and write the failures to standard output."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    answer = os.fdopen(os.dup(1), "w")
    # Whatever else is printed belongs to the log.
    os.dup2(2, 1)
    try:
        failed = get(**request)
    except Exception as error:
        failed = [{"path": "", "message": str(error), "error_message": None}]
    json.dump(failed, answer, default=str)
    answer.close()


if __name__ == "__main__":
    main()
