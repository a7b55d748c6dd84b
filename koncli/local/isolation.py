"""A container's view of the file system: namespaces, and a root in which its mount points exist.

Runs inside the container's first process, before its program; standard library only. The host's directories stay what they
are: the new root is a small tmpfs that binds each entry of `/`, so that `/data` can be made although the host has none.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import NamedTuple

from koncli.local import linux

PLAIN = "plain"
"""Mount and PID namespaces of a process that may make them (root)."""
USER = "user"
"""The same inside a user namespace, for everybody else."""
NONE = "none"
"""No namespaces: mount paths are rewritten instead, and the first process kills what is left behind."""


class Mount(NamedTuple):
    """One bind: `source` (a path of the host) appears at `target` (an absolute path of the container)."""

    source: str
    target: str
    read_only: bool = False


def unshare(mode: str) -> None:
    """Enter the namespaces of `mode`; the PID namespace begins with the next fork. Raises OSError where the system refuses."""
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS
    if mode == PLAIN:
        linux.unshare(flags)
        return
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(flags | linux.CLONE_NEWUSER)
    # Each file takes one write only; the kernel wants `deny` before an unprivileged gid_map.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def enter(hostname: str, mounts: list[Mount], staging: str, workdir: str) -> None:
    """Set up the new namespaces of this process: own mounts, /proc and host name. `staging` is an empty directory of the host."""
    linux.mount(None, "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    _NewRoot(Path(staging)).build(mounts, workdir)
    with contextlib.suppress(OSError):  # refused where the host's /proc is itself masked; the inherited one serves
        linux.mount("proc", "/proc", "proc")
    with contextlib.suppress(OSError):
        socket.sethostname(hostname[:64])


class _NewRoot:
    """A root file system that mirrors the host's and has the mount points."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def build(self, mounts: list[Mount], workdir: str) -> None:
        """Make the root, bind the mounts shallow before deep, and move this process into it."""
        # Links are followed on the host: an absolute one would lead out of the new root.
        targets = [(Path(os.path.realpath(mount.target)), mount) for mount in mounts]
        targets.sort(key=lambda pair: len(pair[0].parts))
        points = {place: Path(mount.source).is_dir() for place, mount in targets}
        points.setdefault(Path(os.path.realpath(workdir)), True)
        self._make([place for place in points if not _inside(place, points)], points)
        for place, mount in targets:
            inside = self.top / place.relative_to("/")
            _make_point(inside, directory=points[place])  # made already, unless it stands inside another volume
            linux.bind(mount.source, str(inside), read_only=mount.read_only)
        os.chdir(self.top)
        linux.mount(None, ".", flags=linux.MS_PRIVATE)
        linux.mount(".", "/", flags=linux.MS_MOVE)
        os.chroot(".")
        Path(workdir).mkdir(parents=True, exist_ok=True)

    def _make(self, places: list[Path], points: dict[Path, bool]) -> None:
        """Mirror `/` and every host directory that lacks a mount point, shallow before deep, then make the points."""
        missing = [place for place in places if not place.exists()]
        opened = {next(each for each in place.parents if each.is_dir()) for place in missing} | {Path("/")}
        for directory in sorted(opened, key=lambda each: len(each.parts)):
            _mirror(directory, self.top / directory.relative_to("/"))
        for place in missing:
            _make_point(self.top / place.relative_to("/"), directory=points[place])


def _inside(place: Path, points: dict[Path, bool]) -> bool:
    return any(each != place and place.is_relative_to(each) for each in points)


def _make_point(place: Path, *, directory: bool) -> None:
    if directory:
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _mirror(source: Path, place: Path) -> None:
    """Put a tmpfs on `place` whose entries are those of the host's directory `source`."""
    entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    linux.mount("tmpfs", str(place), "tmpfs", data="mode=755")
    linux.mount(None, str(place), flags=linux.MS_UNBINDABLE)  # or binding /tmp would copy this very tree into itself
    for entry in entries:
        copy = place / entry.name
        if entry.is_symlink():
            copy.symlink_to(Path(entry.path).readlink())
            continue
        if entry.is_dir():
            copy.mkdir()
        else:
            copy.touch()
        with contextlib.suppress(OSError):  # what we may not even look at stays empty
            linux.bind(entry.path, str(copy))
