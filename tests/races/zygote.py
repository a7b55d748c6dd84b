"""Forks worker processes from one that has imported everything: each costs milliseconds, not a quarter second.

Reads a JSON line for each worker: {"job": <function of tests.races.jobs, or module:function>, "arguments": {…}}. A
worker connects to the socket that the command line names, says its process id, and runs its job. Workers die with this
process, and this process ends with its input.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from tests.races import jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never

PR_SET_PDEATHSIG = 1


def main(address: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker: its socket says when it is gone
    for line in sys.stdin:
        order = json.loads(line)
        module, _, name = order["job"].rpartition(":")
        job = getattr(importlib.import_module(module) if module else jobs, name)
        if os.fork() == 0:
            be_worker(address, job, order["arguments"])


def be_worker(address: str, job: Callable[..., None], arguments: dict[str, Any]) -> Never:
    faulthandler.register(signal.SIGUSR1)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(0)
    code = 1
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            link = jobs.Link(connection)
            link.say("started", pid=os.getpid())
            job(link, **arguments)
            code = 0
    except BaseException:  # noqa: BLE001 - a process ends here, and says why on the test's stderr
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
