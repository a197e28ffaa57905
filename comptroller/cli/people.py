"""Who sits at this machine."""

import contextlib
import getpass


def caller() -> str:
    """The user of this machine who does something; empty where the system cannot say."""
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""
