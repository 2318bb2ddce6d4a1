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
# What stands before the host of an address: over http all of it may be a token, elsewhere what follows the user's name.
USER = re.compile(r"(?i)(https?://)[^/\s@'\"]+@|(\w+://[^/\s@:'\"]*):[^/\s@'\"]+@")
# Signed addresses have their signature there.
QUERY = re.compile(r"(?i)(https?://[^\s?'\"<>]+\?)[^\s'\"<>)]+")


def redacted(text: str) -> str:
    """A text without passwords in addresses, what follows the ? of an address, and values of secret variables."""
    text = QUERY.sub(r"\1***", USER.sub(lambda found: f"{found[1] or found[2] + ':'}***@", text))
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and SECRET.search(name):
            text = text.replace(value, "***")
    return text


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
    elif isinstance(node, str) and USER.search(node):
        raise InputError(
            f"{where}: the address {redacted(node)} holds a user's password or token, which results and logs would "
            "show; give it without, and let git's credential helper or DataLad's credential store know the password"
        )
