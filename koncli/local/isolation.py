"""A container's view of the file system: namespaces, and a root in which its mount points exist.

Runs in the container's first process, before its program. The host's directories stay what they are: the new root is a
small tmpfs that binds each entry of `/`, so that `/data` can be made although the host has none.
"""
# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH115, PTH118, PTH120, PTH123, PTH211, SIM105
# pathlib and contextlib take longer to import than the work here takes

from __future__ import annotations

import os

from koncli.local import linux

PLAIN = "plain"
"""Mount and PID namespaces of a process that may make them (root)."""
USER = "user"
"""The same inside a user namespace, for everybody else."""
NONE = "none"
"""No namespaces: mount paths are rewritten instead, and the first process kills what is left behind."""

Mount = tuple[str, str, bool]
"""A bind: a source (a path of the host), a target (an absolute path of the container), whether it is read-only."""


def unshare(mode: str) -> None:
    """Enter the namespaces of `mode`; the PID namespace begins with the next fork. OSError where the system refuses."""
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS
    if mode == PLAIN:
        linux.unshare(flags)
        return
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(flags | linux.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")  # the kernel wants it before an unprivileged gid_map
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def enter(hostname: str, mounts: list[Mount], staging: str, workdir: str) -> None:
    """Set up this process's new namespaces: own root, /proc and host name. `staging` is an empty host directory."""
    linux.mount(None, "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    _NewRoot(staging).build(mounts, workdir)
    try:
        linux.mount("proc", "/proc", "proc")
    except OSError:  # refused where the host's /proc is itself masked; the inherited one serves
        pass
    try:
        linux.sethostname(hostname[:64])
    except OSError:
        pass


class _NewRoot:
    """A root file system that mirrors the host's and has the mount points."""

    def __init__(self, top: str) -> None:
        self.top = top

    def build(self, mounts: list[Mount], workdir: str) -> None:
        """Make the root, bind the mounts shallow before deep, and move this process into it."""
        # Links are followed on the host: an absolute one would lead out of the new root.
        binds = sorted((os.path.realpath(target), source, read_only) for source, target, read_only in mounts)
        points = {place: os.path.isdir(source) for place, source, _ in binds}
        points.setdefault(os.path.realpath(workdir), True)
        self._make([place for place in points if not _inside(place, points)], points)
        for place, source, read_only in binds:
            _make_point(self.top + place, directory=points[place])  # made already, unless inside another volume
            linux.bind(source, self.top + place, read_only=read_only)
        os.chdir(self.top)
        linux.mount(None, ".", flags=linux.MS_PRIVATE)
        linux.mount(".", "/", flags=linux.MS_MOVE)
        os.chroot(".")
        os.makedirs(workdir, exist_ok=True)

    def _make(self, places: list[str], points: dict[str, bool]) -> None:
        """Mirror `/` and every host directory that lacks a mount point, shallow before deep, then make the points."""
        missing = [place for place in places if not os.path.exists(place)]
        for directory in sorted({"/", *map(_existing, missing)}):
            _mirror(directory, self.top + directory)
        for place in missing:
            _make_point(self.top + place, directory=points[place])


def _inside(place: str, points: dict[str, bool]) -> bool:
    return any(place.startswith(each.rstrip("/") + "/") for each in points if each != "/")


def _existing(place: str) -> str:
    """Return the nearest directory above a path that is there."""
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    return place


def _make_point(place: str, *, directory: bool) -> None:
    if directory:
        os.makedirs(place, exist_ok=True)
    elif not os.path.exists(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        _write(place, "")


def _mirror(source: str, place: str) -> None:
    """Put a tmpfs on `place` whose entries are those of the host's directory `source`."""
    entries = list(os.scandir(source))
    linux.mount("tmpfs", place, "tmpfs", data="mode=755")
    linux.mount(None, place, flags=linux.MS_UNBINDABLE)  # or binding /tmp would copy this very tree into itself
    for entry in entries:
        copy = os.path.join(place, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), copy)
            continue
        if entry.is_dir():
            os.mkdir(copy)
        else:
            _write(copy, "")
        try:
            linux.bind(entry.path, copy)
        except OSError:  # what we may not even look at stays empty
            pass


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
