"""What git, git-annex and DataLad say when something fails: which kind of failure it is, and the line that tells."""

import re

from triphase.core.types import Section

# A status of HTTP by itself: part of a path or an address, 401 says nothing.
STATUS = r"(?<![\w./-])({})(?![\w/-]|\.\d)"
# The first kind whose pattern is found in the text is the cause; the order matters.
CAUSES = {
    "full": r"no space left|not enough free space|disk quota exceeded|resource exhausted",
    "refused": STATUS.format("40[13]")
    + r"|unauthorized|forbidden|access ?denied|authentication|could not read (username|password)"
    r"|credential\",\"fill|permission denied \(publickey|signaturedoesnotmatch|invalidaccesskeyid|no s3 credentials"
    r"|AWS_ACCESS_KEY_ID",
    "busy": r"transfer already in progress",
    "damaged": r"verification of content failed|checksum",
    "offline": r"name or service not known|nodename nor servname|no address associated|could not resolve host",
    "absent": r"not available|not found|no other repository is known",
    "transient": STATUS.format("429|500|502|503|504")
    + r"|connection|timed? ?out|temporary failure|temporarily|network is unreachable|no route to host"
    r"|bad gateway|service unavailable|internal server error|too many requests|slow ?down"
    r"|unexpected end|end of file|broken pipe|early eof|noresponsedata|incompleteheaders|stall",
}

CREDENTIALS = (
    "the server wants credentials or refuses those that it was given; DataLad, git-annex and git look for them by "
    "their own means and never in this config (see Downloads in docs/how_to/public_data.md)"
)


def diagnose(text: str) -> tuple[str, str]:
    """Cause of a failure, a key of `CAUSES` or "other", and what was said of it in one line of at most 160 characters.

    `text` is all that was said: DataLad's messages hold whole transcripts of git and git-annex.
    """
    cause = next((name for name, pattern in CAUSES.items() if re.search(pattern, text, flags=re.I)), "other")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    telling = [line for line in lines if "fatal:" in line or "failed:" in line]
    if cause != "other":
        telling = [line for line in lines if re.search(CAUSES[cause], line, flags=re.I)] + telling
    line = (telling or lines)[0].rpartition("fatal: ")[2].strip("'\"[]")
    # git-annex lists its remotes after its reason.
    line = re.sub(r";?\s*\(Note that these git remotes have annex-ignore set: ([^)]*)\)", r" (not asked: \1)", line)
    # Haskell's account of the address that was tried, over and over.
    line = re.sub(r"Network\.Socket\.\w+ \(.*?host name: \"([^\"]+)\".*?\)(?=:)", r"\1", line)
    # What comes of a 401: git-annex asks git's credential helper.
    line = re.sub(
        r'user error \(git \[.*"credential","fill".*', "Unauthorized, and `git credential` knows no password", line
    )
    return cause, line if len(line) <= 160 else line[:157] + "..."


def text_of(result: Section) -> str:
    """All that a DataLad result says of its failure."""
    message = result.get("message") or ""
    message = message[0] % tuple(message[1:]) if isinstance(message, tuple) else message
    return "\n".join(line for line in (str(message), result.get("error_message") or "") if line)
