"""Passwords and tokens in a text: taken out before it goes into a log or a message."""

import logging
import os
import re
from typing import Any

from triphase.core.errors import InputError

# Names of variables of the environment with values for nobody else (HF_TOKEN, DATALAD_HCP_SECRET_ID, …), and not with
# the path of a file that holds one.
SECRET = re.compile(r"(?i)(token|secret|password|passwd|credential|api_?key|access_?key)(?!.*(path|file|dir)$)")
# Shorter values are settings: yes, false, 0.
SHORTEST = 8
# Lengths are bounded, so that no text, however long, takes the square of its length.
# What stands before the host of an address: over http all of it may be a token, elsewhere what follows the user's name,
# also in addresses without a scheme (user:password@host:path).
USER = re.compile(
    r"(?i)(https?://)[^/\s@'\"]{1,2000}@|((?<!\w)\w{1,20}://[^/\s@:'\"]{0,2000}):[^/\s@'\"]{1,2000}@"
    r"|(?<![\w/:@.-])([\w.-]{1,200}):[^/\s@'\"]{1,2000}@(?=[\w.-]+:)"
)
# Signed addresses have their signature there.
QUERY = re.compile(r"(?i)((?<!\w)\w{1,20}://[^\s?'\"<>]{1,2000}\?)[^\s'\"<>)]+")
# Names of parameters of an address that hold what is secret (access_token, X-Amz-Signature, sig, key, …).
PARAMETER = re.compile(
    r"(?i)(?<!\w)\w{1,20}://[^\s?#]{1,2000}[?#](?:[^\s#]{0,2000}[&;?#])?"
    r"(?:[\w.-]*(?:token|secret|signature|password|passwd|credentials?)|(?:[\w.-]*[_.-])?(?:sig|key|apikey|auth|pwd))=[^\s&;]"
)


def redacted(text: str) -> str:
    """A text without passwords in addresses, what follows the ? of an address, and values of secret variables."""
    text = QUERY.sub(r"\1***", USER.sub(_named, text))
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and SECRET.search(name):
            text = text.replace(value, "***")
    return text


def _named(found: re.Match[str]) -> str:
    """What stays of the part of an address before its host."""
    user = found[2] or found[3]
    return f"{found[1] or user + ':'}***@"


def without_secrets(address: str) -> str:
    """An address without what of it is a password or a token: it can still be asked, and then wants one."""
    bare = USER.sub(lambda found: found[1] or f"{found[2] or found[3]}@", address)
    return bare.partition("?")[0] if PARAMETER.search(bare) else bare


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and takes out what is secret."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return redacted(super().format(record))


def check_no_password(node: Any, where: str = "") -> None:
    """InputError where a text of the config is an address with a password or token: results would hold it.

    `node` : the config, or a part of it that `where` names
    """
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            check_no_password(value, f"{where}/{key}" if where else str(key))
    elif isinstance(node, str) and (USER.search(node) or PARAMETER.search(node)):
        raise InputError(
            f"{where}: the address {redacted(node)} holds a user's password or token, which results and logs would "
            "show; give it without, and let git's credential helper or DataLad's credential store know the password"
        )
