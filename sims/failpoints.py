"""Places where a test can make the program fail, and nobody else.

With STATMECH_TESTING=1, the variable STATMECH_FAILPOINTS lists name:action:count; the
action happens at the count-th passage. Without, a failpoint is one look at a constant.
"""

from __future__ import annotations

import errno
import os
import signal
import time

_ACTIVE = os.environ.get("STATMECH_TESTING") == "1"
_PLANNED: dict[str, tuple[str, int]] = {}
_PASSED: dict[str, int] = {}

if _ACTIVE:
    for _entry in filter(None, os.environ.get("STATMECH_FAILPOINTS", "").split(",")):
        _name, _action, _count = _entry.split(":")
        _PLANNED[_name] = (_action, int(_count))


def failpoint(name: str) -> None:
    """Do what the test planned for this passage: usually nothing."""
    if not _PLANNED or name not in _PLANNED:
        return
    action, count = _PLANNED[name]
    _PASSED[name] = _PASSED.get(name, 0) + 1
    if _PASSED[name] != count:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "sleep":
        time.sleep(5.0)
    else:
        raise OSError(getattr(errno, action.upper()), f"failpoint {name}")
