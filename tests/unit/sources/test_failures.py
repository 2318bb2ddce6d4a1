"""What git-annex and DataLad say of a failure, in one telling line."""

import pytest

from triphase.sources.failures import diagnose


@pytest.mark.parametrize(
    ("text", "cause", "told"),
    [
        (
            "not available; (Note that these git remotes have annex-ignore set: s3-PUBLIC)",
            "absent",
            "not available (not asked: s3-PUBLIC)",
        ),
        ("not enough free space, need 78.41 MB more (use --force to override)", "full", "78.41 MB more"),
        ("git-annex: withFile: resource exhausted (No space left on device)", "full", "No space left"),
        ("transfer already in progress, or unable to take transfer lock", "busy", "already in progress"),
        ("download failed: Forbidden", "refused", "Forbidden"),
        (
            "git failed\nfatal: could not read Username for 'https://github.com': terminal prompts",
            "refused",
            "Username",
        ),
        ("download failed: Service Unavailable", "transient", "Service Unavailable"),
        ("download failed: ResponseTimeout", "transient", "ResponseTimeout"),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", "offline", "Could not resolve host"),
        ("fatal: repository '/data/run-401/503/x' does not exist", "other", "does not exist"),
        ("The requested URL returned error: 403", "refused", "error: 403"),
        ("bad status 401, HTTP/1.1 503 follows", "refused", "status 401"),
        ("download failed: HTTP 502.", "transient", "502"),
        ("", "other", "no reason given"),
    ],
)
def test_the_telling_line_and_the_cause(text, cause, told):
    found, line = diagnose(text)
    assert found == cause and told in line and "\n" not in line and len(line) <= 160


def test_the_address_stays_when_the_account_of_the_socket_goes():
    socket = (
        "Network.Socket.getAddrInfo (called with preferred socket type/protocol: AddrInfo {addrFlags = []}, host name: "
    )
    text = f'download failed: connection failure: {socket}"s3.amazonaws.com", service name: "443"): does not exist ('
    cause, line = diagnose(text + "Name or service not known)\n" * 5)
    assert cause == "offline"
    assert line == "download failed: connection failure: s3.amazonaws.com: does not exist (Name or service not known)"
