"""This side of the wire: probes as one compressed bundle, and the command that starts them on a host.

In: names of probes, and which bytecode the host's Python knows. Out: bytes for the host's standard input, and a line
for its shell. A host whose Python is of our own kind is sent bytecode, which spares it the half of an idle host's bill:
all others compile what they are sent. Never sent to a host itself.
"""

import marshal
import re
import shlex
import threading
import zlib
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import Dict, Iterable, List, Optional, Tuple, Union

_PROBES = "shipworthy.probes"
_RUNTIME = "shipworthy.probes.runtime"
_PACKAGES = ("shipworthy", "shipworthy.probes", "shipworthy.probes.parts", "shipworthy.probes.runtime")
# To parse them takes longer than all the rest of a bundle, and an engineer waits for it.
_IMPORT = re.compile(r"^[ \t]*from (shipworthy\.probes\.[\w.]+) import (\([^)]*\)|.*)", re.MULTILINE)
_FOLDER = Path(__file__).resolve().parent.parent

_EVERY_MARSHAL = 2  # the newest form that every Python 3 reads
_QUICK = 1  # of zlib: an engineer waits for the bundle, and the best takes ten times as long for a tenth less

MAGIC = MAGIC_NUMBER.hex()
"""What our own Python puts before its bytecode: another that puts the same there runs ours."""

PLACES = ("python3", "/usr/libexec/platform-python")
"""Where Python is looked for after the host's own setting."""

# One line, double quotes only, no `!`, `$` or backslash: it then means the same to every login shell, csh and fish too.
# It is also valid Python 2, and never shows what it read: a password sent too early must not end in a traceback.
LOADER = "; ".join(
    (
        "import marshal, sys, zlib",
        "old = sys.version_info < (3, 6)",
        'why = " no-python " + sys.executable + " is " + sys.version.split()[0]',
        'know = lambda: " magic " + __import__("_frozen_importlib_external").MAGIC_NUMBER.hex()',
        'sys.stdout.write("SHIPWORTHY-" + sys.argv[1] + (why if old else know()) + chr(10))',
        "sys.stdout.flush()",
        "old and sys.exit(127)",
        "size = sys.stdin.buffer.readline(20).strip()",
        'size.isdigit() or sys.exit("standard input did not begin with a bundle")',
        "size = int(size)",
        "data = sys.stdin.buffer.read(size)",
        'len(data) == size or sys.exit("standard input ended within the bundle")',
        "program, MODULES = marshal.loads(zlib.decompress(data))",
        "exec(program)",
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
        if name in MODULES:
            return ModuleSpec(name, self, is_package=name in PACKAGES)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        code = MODULES[name]
        if isinstance(code, str):
            code = compile(code, name.rpartition(".")[2] + ".py", "exec", dont_inherit=True)
        exec(code, module.__dict__)


sys.meta_path.insert(0, Bundle())
from shipworthy.probes.runtime.{} import serve
serve()
"""
_one_at_a_time = threading.Lock()


def probe_names() -> List[str]:
    """The probes there are: every plain module beside this package."""
    return sorted(file.stem for file in _FOLDER.glob("*.py") if not file.stem.startswith("_"))


def bundle(names: Iterable[str], magic: str = "", program: str = "run") -> bytes:
    """The first block for the wire: what serves the probes `names`, with the runtime that they need.

    `program` is the module of the runtime that is started: `run`, or `relay`. It is bytecode if `magic`, as the host's
    marker told it, is our own, else source. Raises ValueError for a name that is no probe's.
    """
    with _one_at_a_time:  # Python 3.11's parser is not safe in many threads at once
        return block(_bundle(program, tuple(sorted(set(names))), magic == MAGIC))


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
def _bundle(program: str, names: Tuple[str, ...], compiled: bool) -> bytes:
    known = probe_names()
    for name in names:
        if name not in known:
            raise ValueError("no probe is called {!r}; there are {}".format(name, ", ".join(known)))
    sources: Dict[str, str] = dict.fromkeys(_PACKAGES, "")
    wanted = ["{}.{}".format(_RUNTIME, program)] + ["{}.{}".format(_PROBES, name) for name in names]
    while wanted:
        module = wanted.pop()
        if module not in sources:
            sources[module] = _source(module)
            wanted += _imports(sources[module])
    start = "PACKAGES = {!r}\n{}".format(_PACKAGES, _UNPACK.format(program))
    modules: Dict[str, Union[str, CodeType]] = dict(sources)
    if compiled:
        modules.update((module, _code(module)) for module, source in sources.items() if source)
    data = marshal.dumps((start, modules)) if compiled else marshal.dumps((start, modules), _EVERY_MARSHAL)
    return zlib.compress(data, _QUICK)


def _code(module: str) -> CodeType:
    """A module's bytecode, from where Python keeps it, under the short name that an error message shows."""
    code = SourceFileLoader(module, str(_file(module))).get_code(module)
    assert code is not None, module
    return _named(code, _file(module).name)


def _named(code: CodeType, file: str) -> CodeType:
    within = (_named(one, file) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=file, co_consts=tuple(within))


def _file(module: str) -> Path:
    return _FOLDER.joinpath(*module.split(".")[2:]).with_suffix(".py")


def _source(module: str) -> str:
    return _file(module).read_text(encoding="utf-8")


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
