"""Mounts: what is mounted where, which of it can be reached, and which of it is a place that files are kept in.

In: /proc/self/mountinfo and /etc/fstab, which never block. Out: `Mounted`s, in the order in which they were mounted.
Source: proc_pid_mountinfo(5), fstab(5), fs/proc_namespace.c.
"""

from typing import Container, Dict, Iterator, List, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, unescape

MOUNTINFO = "/proc/self/mountinfo"
FSTAB = "/etc/fstab"

_LONGEST = 2**23  # hosts of containers have thousands of mounts
_PSEUDO = frozenset(("autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs",
    "cpuset", "debugfs", "devpts", "efivarfs", "functionfs", "fusectl", "hugetlbfs", "mqueue", "nfsd", "nsfs",
    "nullfs", "proc", "pstore", "ramfs", "resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs",
    "sysfs", "tracefs"))  # fmt: skip
"""What the kernel tells and not what is kept. To ask autofs is to have it mount; ramfs has no size."""
_IMAGES = frozenset(("cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"))
"""Full by nature: made once and never written to."""
_ON_DISK = frozenset(("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "gfs2", "jfs", "msdos",
    "nilfs2", "ntfs3", "ocfs2", "reiserfs", "vfat", "xfs"))  # fmt: skip
"""Types whose driver turns the whole file system read-only when it meets an error, and never of its own accord."""
_REMOTE = frozenset(("9p", "afs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
    "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "vboxsf", "virtiofs"))  # fmt: skip
_NFS = "nfs"
_AFTER_ERRORS = ("emergency_ro", "shutdown")
"""What ext4 says among its options, since Linux 6.15, when it has met an error."""
_LAYERS = ("lowerdir", "upperdir", "workdir")


class Mounted(NamedTuple):
    """One mount that can be reached by its path."""

    path: str
    type: str
    source: str
    device: str
    """`major:minor` of the file system: bind mounts of one, and its subvolumes, have it in common."""
    root: str
    """What of the file system is mounted here: `/` is all of it."""
    options: List[str]
    """Of the mount and of its file system, each once; `ro` where either says so, otherwise `rw`."""
    server: str
    """Where it comes from over the network; empty for what is local."""


class Mounts(NamedTuple):
    """All mounts that can be reached, the topmost of each path."""

    all: List[Mounted]
    forced: Dict[str, str]
    """Read-only though mounted read-write, by path: what of its options gives that away."""


class Entry(NamedTuple):
    """A line of fstab."""

    source: str
    path: str
    type: str
    options: List[str]


class _Line(NamedTuple):
    id: str
    parent: str
    mounted: Mounted
    forced: str


def read_mounts(machine: Machine) -> Mounts:
    """The mounts, read once for all. Raises OSError, ParseError."""
    return machine.once("mounts", lambda: parse_mountinfo(machine.read(MOUNTINFO, _LONGEST)))


def parse_mountinfo(text: str, path: str = MOUNTINFO) -> Mounts:
    """A table of mounts → those that their path leads to: what lies below a later mount cannot be reached."""
    lines = [_line(line, path, index) for index, line in enumerate(lines_of(text), 1)]
    known = {line.id for line in lines}
    # The topmost mount is its own parent; in a chroot, parents lie outside what can be seen. Both have none here, and
    # are found by their path alone.
    over = {
        (line.parent if line.parent in known and line.parent != line.id else "", line.mounted.path): line
        for line in lines
    }
    reached = [line for line in lines if _leads_to(line.mounted.path, over) == line.id]
    return Mounts(
        [line.mounted for line in reached], {line.mounted.path: line.forced for line in reached if line.forced}
    )


def is_kept(mounted: Mounted) -> bool:
    """Whether files are kept there, in memory or elsewhere: not what the kernel only tells."""
    return mounted.type not in _PSEUDO


def can_be_written(mounted: Mounted) -> bool:
    """Whether its type can be written to at all."""
    return is_kept(mounted) and mounted.type not in _IMAGES


def can_fill(mounted: Mounted) -> bool:
    """Whether something can be written there until it is full."""
    return can_be_written(mounted) and "ro" not in mounted.options


def once_each(mounts: List[Mounted], named: Container[str] = ()) -> List[Mounted]:
    """One mount for each file system: of bind mounts and subvolumes the one that shows most, and can be written to.

    Those at the paths that are named stay, each of them, and stand for their file systems.
    """
    best: Dict[str, Mounted] = {}
    for mounted in mounts:
        other = best.get(mounted.device)
        if other is None or (mounted.path not in named, _rank(mounted)) < (other.path not in named, _rank(other)):
            best[mounted.device] = mounted
    return [mounted for mounted in mounts if best[mounted.device] is mounted or mounted.path in named]


def holder(path: str, mounts: List[Mounted]) -> Optional[Mounted]:
    """The mount that `path` lies in."""
    above = [each for each in mounts if path == each.path or path.startswith(each.path.rstrip("/") + "/")]
    return max(above, key=lambda each: len(each.path)) if above else None


def parse_fstab(text: str) -> List[Entry]:
    """What is to be mounted at boot. People write it, and mount(8) passes over what it does not understand; so here."""
    found = []
    for line in lines_of(text):
        fields = line.split()
        if len(fields) >= 3 and not fields[0].startswith("#"):
            options = fields[3].split(",") if len(fields) > 3 else ["defaults"]
            path = unescape(fields[1])
            found.append(Entry(unescape(fields[0]), path.rstrip("/") or "/", fields[2], options))
    return found


def meant_to_be_written(entry: Entry, mounted: Mounted) -> bool:
    """Whether fstab means just this mount, and means it to be written to.

    An image of a virtual machine that runs as a container has its fstab still: of another type, it speaks of another.
    """
    types = [_NFS if type == _NFS + "4" else type for type in entry.type.split(",")]
    type = _NFS if mounted.type == _NFS + "4" else mounted.type
    return (type in types or "auto" in types) and "ro" not in entry.options and can_be_written(mounted)


def _rank(mounted: Mounted) -> Tuple[bool, int, int]:
    return "ro" in mounted.options, len(mounted.root), len(mounted.path)


def _leads_to(path: str, over: Dict[Tuple[str, str], _Line]) -> str:
    """The id of the mount that one gets to by `path`."""
    current = ""
    passed = {""}  # whoever says that two mounts lie on each other must not send us round for ever
    for prefix in _prefixes(path):
        line = over.get((current, prefix)) or over.get(("", prefix))
        while line is not None and line.id not in passed:
            current = line.id
            passed.add(current)
            line = over.get((current, prefix))
    return current


def _prefixes(path: str) -> Iterator[str]:
    """`/`, `/a`, `/a/b` of `/a/b`."""
    yield "/"
    for end in range(2, len(path) + 1):
        if end == len(path) or path[end] == "/":
            yield path[:end]


def _line(line: str, path: str, index: int) -> _Line:
    left, dash, right = line.partition(" - ")
    fields, kind = left.split(" "), right.split(" ")
    if not dash or len(fields) < 6 or len(kind) < 3 or not fields[4].startswith("/"):
        raise ParseError("{}: line {} {!r}: not of the form of mountinfo".format(path, index, line))
    # A source that is empty leaves two blanks; the options of the file system are the last field of all.
    type, source = kind[0], unescape(" ".join(kind[1:-1]))
    own, inner = fields[5].split(","), kind[-1].split(",")
    mounted = Mounted(
        path=unescape(fields[4]),
        type=type,
        source=source,
        device=fields[2],
        root=unescape(fields[3]),
        options=_together(own, inner),
        server=_server(type, source, inner),
    )
    return _Line(fields[0], fields[1], mounted, _forced(type, own, inner))


def _together(own: List[str], inner: List[str]) -> List[str]:
    read_only = "ro" in own or "ro" in inner or any(each in inner for each in _AFTER_ERRORS)
    found = ["ro" if read_only else "rw"]
    for option in own + inner:
        # What overlays lie on is told at length, thousands of characters, and bounded by nobody.
        short = unescape(option) if option.partition("=")[0].rstrip("+") not in _LAYERS else ""
        if short and short not in ("ro", "rw") and short not in found:
            found.append(short)
    return found


def _forced(type: str, own: List[str], inner: List[str]) -> str:
    """Whoever mounts read-only says so of the mount as well; an error says so of the file system alone."""
    if type not in _ON_DISK:
        return ""
    after = [each for each in _AFTER_ERRORS if each in inner]
    if after:
        return after[0]
    return "mounted rw, and its file system is ro" if "ro" in inner and "ro" not in own else ""


def _server(type: str, source: str, inner: List[str]) -> str:
    if type not in _REMOTE:
        return ""
    addresses = [option.partition("=")[2] for option in inner if option.startswith("addr=")]
    if addresses:
        return addresses[0]
    if source.startswith("//"):
        return source[2:].partition("/")[0]
    return source.rpartition(":/")[0] or source
