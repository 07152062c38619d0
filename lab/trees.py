"""More that stands for what namespaces share, or cannot be had: folders of /sys, and what a process reads of itself.

In: files by path. Out: a host on which they read so while inside, and as before afterwards; `lab.rising` works on both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab.errors import LabError
from lab.host import LabHost

OF_ITSELF = "/told"
"""Where the files lie that `prepared_self` tells, for `rising` to find."""
_PYTHON = "/usr/local/bin/python3"
_WRAPPER = """\
#!/bin/sh
# Every process has its own /proc/self: this one gets other files there, and goes on as the real interpreter.
for file in /told/*; do mount --bind "$file" "/proc/$$/${file##*/}" || exit 1; done
exec /usr/bin/python3 "$@"
"""


@contextmanager
def prepared_tree(host: LabHost, folder: str, files: Mapping[str, str]) -> Iterator[None]:
    """While inside, `folder` on `host` has these files too, by their paths in it; a text of `link:…` makes a link.

    The links that are there already stay there; of the folders of /sys for which this is meant, that is nearly all.
    """
    stand_in = f"/run/prepared{folder}"
    host.run(["mkdir", "-p", stand_in])
    # Some of them are gone before they are copied: whatever else is mounted on this machine has a link of its own here.
    host.shell(f"cd {folder} && find . -type l -exec cp -a --parents -t {stand_in} {{}} + || true")
    try:
        for path, text in files.items():
            if text.startswith("link:"):
                host.shell(f"mkdir -p $(dirname {stand_in}/{path}) && ln -s {text[5:]} {stand_in}/{path}")
            else:
                host.write(f"{stand_in}/{path}", text)
        host.run(["mount", "--bind", stand_in, folder])
        try:
            plain = [path for path, text in files.items() if not text.startswith("link:")]
            if any(host.read(f"{folder}/{path}") != files[path] for path in plain):
                raise LabError(f"{host.name}: {folder} does not read as it was prepared")
            yield
        finally:
            host.run(["umount", folder])
    finally:
        host.run(["find", stand_in, "-type", "l", "-delete"])
        host.run(["rm", "-f", *(f"{stand_in}/{path}" for path in files)])


@contextmanager
def prepared_self(host: LabHost, files: Mapping[str, str]) -> Iterator[None]:
    """While inside, whoever logs in and starts python3 finds these texts in files of its /proc/self, by their names."""
    stand_in = f"/run/prepared{OF_ITSELF}"
    try:
        for name, text in files.items():
            host.write(f"{stand_in}/{name}", text)
        host.run(["ln", "-s", stand_in, OF_ITSELF])
        host.write(_PYTHON, _WRAPPER, mode="755")
        for name, text in files.items():
            said = host.login(f'python3 -c \'print(open("/proc/self/{name}").read(), end="")\'')
            if said.stdout != text:
                raise LabError(f"{host.name}: /proc/self/{name} does not read as it was prepared: {said.stderr}")
        yield
    finally:
        host.run(["rm", "-rf", _PYTHON, OF_ITSELF, stand_in])
