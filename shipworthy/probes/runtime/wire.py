"""This side of the wire: probes' source as one compressed text, and the command that starts them on a host.

In: names of probes. Out: bytes for the host's standard input, and a line for its shell. Never sent to a host itself.
"""

import re
import shlex
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple

_PROBES = "shipworthy.probes"
_RUNTIME = "shipworthy.probes.runtime"
_RUN = _RUNTIME + ".run"
_PACKAGES = ("shipworthy", "shipworthy.probes", "shipworthy.probes.parts", "shipworthy.probes.runtime")
# To parse them takes longer than all the rest of a bundle, and an engineer waits for it.
_IMPORT = re.compile(r"^[ \t]*from (shipworthy\.probes\.[\w.]+) import (\([^)]*\)|.*)", re.MULTILINE)
_FOLDER = Path(__file__).resolve().parent.parent

PLACES = ("python3", "/usr/libexec/platform-python")
"""Where Python is looked for after the host's own setting."""

# One line, double quotes only, no `!`, `$` or backslash: it then means the same to every login shell, csh and fish too.
# It is also valid Python 2, and never shows what it read: a password sent too early must not end in a traceback.
LOADER = "; ".join(
    (
        "import sys, zlib",
        "old = sys.version_info < (3, 6)",
        'why = " no-python " + sys.executable + " is " + sys.version.split()[0] if old else ""',
        'sys.stdout.write("SHIPWORTHY-" + sys.argv[1] + why + chr(10))',
        "sys.stdout.flush()",
        "old and sys.exit(127)",
        "size = sys.stdin.buffer.readline(20).strip()",
        'size.isdigit() or sys.exit("standard input did not begin with a bundle")',
        "size = int(size)",
        "data = sys.stdin.buffer.read(size)",
        'len(data) == size or sys.exit("standard input ended within the bundle")',
        "exec(zlib.decompress(data).decode())",
    )
)

_FIND_PYTHON = (
    'nonce=$1 loader=$2; shift 2; for python in "$@"; do command -v "$python" >/dev/null 2>&1 '
    '&& exec "$python" -I -S -c "$loader" "$nonce"; done; echo "SHIPWORTHY-$nonce no-python $*"; exit 127'
)

# Modules come from the bundle, under their own names, compiled with their file's name: what an error message shows.
_UNPACK = """
import sys
from importlib.machinery import ModuleSpec


class Bundle:
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return ModuleSpec(name, self, is_package=name in PACKAGES)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        exec(compile(SOURCES[name], name.rpartition(".")[2] + ".py", "exec", dont_inherit=True), module.__dict__)


sys.meta_path.insert(0, Bundle())
from shipworthy.probes.runtime.run import serve
serve()
"""


def probe_names() -> List[str]:
    """The probes there are: every plain module beside this package."""
    return sorted(file.stem for file in _FOLDER.glob("*.py") if not file.stem.startswith("_"))


def bundle(names: Iterable[str]) -> bytes:
    """The first block for the wire: source that serves the probes `names`, with the runtime that they need.

    Raises ValueError for a name that is no probe's.
    """
    return block(_bundle(tuple(sorted(set(names)))))


def block(data: bytes) -> bytes:
    """`data` as a block of the wire: its length, a newline, and itself."""
    return b"%d\n%s" % (len(data), data)


def shell_command(python: Optional[str], nonce: str) -> str:
    """A line for a host's shell that finds a Python (`python` first), and starts `LOADER` with `nonce` in it.

    Where there is none it prints `SHIPWORTHY-<nonce> no-python <what was tried>` and exits 127.
    """
    places = [python] if python else []
    places += [place for place in PLACES if place != python]
    return " ".join(shlex.quote(word) for word in ("sh", "-c", _FIND_PYTHON, "sh", nonce, LOADER, *places))


@lru_cache(maxsize=32)
def _bundle(names: Tuple[str, ...]) -> bytes:
    known = probe_names()
    for name in names:
        if name not in known:
            raise ValueError("no probe is called {!r}; there are {}".format(name, ", ".join(known)))
    sources: Dict[str, str] = dict.fromkeys(_PACKAGES, "")
    wanted = [_RUN] + ["{}.{}".format(_PROBES, name) for name in names]
    while wanted:
        module = wanted.pop()
        if module not in sources:
            sources[module] = _source(module)
            wanted += _imports(sources[module])
    head = "SOURCES = {!r}\nPACKAGES = {!r}\n".format(sources, _PACKAGES)
    return zlib.compress((head + _UNPACK).encode(), 9)


def _source(module: str) -> str:
    return _FOLDER.joinpath(*module.split(".")[2:]).with_suffix(".py").read_text(encoding="utf-8")


def _imports(source: str) -> List[str]:
    """The project's own modules that `source` imports from."""
    found = []
    for module, names in _IMPORT.findall(source):
        if module == _RUNTIME:
            listed = re.sub(r"[()]|#.*", "", names).split(",")
            found += ["{}.{}".format(module, name.split()[0]) for name in listed if name.strip()]
        else:
            found.append(module)
    return found
