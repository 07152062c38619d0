"""What `--inventory=staging` means: names → files and directories, and the policy that stands beside them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from shipworthy.errors import InventoryError

SUFFIXES = ("", ".yml", ".yaml", ".ini")
POLICY_SUFFIXES = (".yml", ".yaml")


def find_source(name: str, rootdir: Path) -> str:
    """The inventory that `name` stands for: one of `rootdir`'s `inventories/`, a path, or a list of hosts.

    Returns an absolute path, or the list as it is. A name goes before a path; `./name` is always the path.
    """
    if not name.strip():
        raise InventoryError.at("--inventory", "is empty: name an inventory, a file or a directory")
    if "," in name and not _exists(name, rootdir):
        return name
    if "/" not in name and (named := _named(name, rootdir / "inventories")):
        return str(named)
    if found := _exists(name, rootdir):
        return str(found)
    raise InventoryError.at(f"--inventory={name}", f"there is no such inventory{_suggestion(name, rootdir)}")


def policy_beside(source: str, rootdir: Path) -> Path | None:
    """The policy that an inventory brings along: `policies/NAME.yml` for what is, or lies in, `inventories/NAME`.

    `policies` is the neighbour of the `inventories` that holds the source, which need not be `rootdir`'s.
    """
    try:
        path = Path(find_source(source, rootdir))
    except InventoryError:
        return None
    for folder in path.parents:
        if folder.name == "inventories":
            name = path.relative_to(folder).parts[0]
            stem = Path(name).stem if name.endswith(SUFFIXES[1:]) else name
            return _first(folder.parent / "policies" / f"{stem}{suffix}" for suffix in POLICY_SUFFIXES)
    return None


def _named(name: str, folder: Path) -> Path | None:
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").exists()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InventoryError.at(f"--inventory={name}", f"{folder} has {names}: name one of them")
    return found[0] if found else None


def _exists(name: str, rootdir: Path) -> Path | None:
    """Paths are the shell's, from where the command was typed; rootdir's for those who run it from elsewhere."""
    path = Path(name).expanduser()
    return _first(base / path for base in (Path.cwd(), rootdir))


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.exists()), None)


def _suggestion(name: str, rootdir: Path) -> str:
    folder = rootdir / "inventories"
    known = sorted({path.stem for path in folder.iterdir()}) if folder.is_dir() else []
    if near := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {near[0]}?"
    return f"; {folder} has {', '.join(known)}" if known else f", and no {folder}"
