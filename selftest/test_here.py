"""What is measured from here, where measuring itself fails: why is told, and the other half is not lost."""

from __future__ import annotations

from typing import NoReturn

import pytest

from shipworthy import collect
from shipworthy.errors import NotMeasured
from shipworthy.here import Measuring, Wanted
from shipworthy.probes.dns import Request


def test_a_look_up_that_fails_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> NoReturn:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(collect, "measure", broken)
    here = Measuring(Wanted(Request(), None)).result()
    assert here.error == "internal error: OSError: [Errno 24] Too many open files"
    with pytest.raises(NotMeasured, match="Too many open files"):
        here.looking()
