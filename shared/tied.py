"""Becomes a program that ends with its supervisor, on Linux by the kernel's word, even if that one is killed.

`python tied.py SUPERVISOR SIGNAL USER:GROUP PROGRAM [ARGUMENT…]`: a process id, the number of the signal that ends the
program, and the ids to run it as, none for the present ones. It is a program of its own because a supervisor that has
threads may run no Python between fork and exec: a lock that another thread held is never given back there.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(supervisor: int, end_signal: int, ids: str, command: list[str]) -> None:
    """Never returns. Raises OSError if the program cannot be run."""
    user, _, group = ids.partition(":")
    if user:
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, end_signal)  # after the user: changing that forgets it
        if os.getppid() != supervisor:
            os.kill(os.getpid(), end_signal)
    os.execvpe(command[0], command, os.environ)  # noqa: S606 - as subprocess would


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
