"""The pytest plugin: where a run is put together. Each hook below is one step; what it does lives in its own room.

options → whom (inventory) → session (policy) → cases (items × hosts) → loop (collect, run) → results → terminal, files.
The only importer of pytest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from shipworthy.checks import check_id, is_once, items_of
from shipworthy.errors import UsageError
from shipworthy.plugin import options, whom
from shipworthy.plugin.cases import HOST, ITEM, NOTHING
from shipworthy.plugin.inert import said
from shipworthy.plugin.lasting import lasting
from shipworthy.plugin.logs import redact_logs
from shipworthy.plugin.signals import Signals


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a user may ask for."""
    options.add(parser)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Understand everything that was asked before anything is done."""
    config = session.config
    if options.wanted(config):
        with lasting():
            try:
                _begin(config)
            except UsageError as error:
                raise said(error) from error


def _begin(config: pytest.Config) -> None:
    """While the inventory is read, load the rest: nothing of it was needed to know that this is a run of ours."""
    signals = Signals()
    signals.install(config)
    asked = options.read(config)
    with whom.reading(asked, config) as inventory_of:
        from shipworthy.plugin import fixtures, hooks, subjects
        from shipworthy.plugin.session import RUN, prepare

        fixtures.provide(config)
        folders = _test_folders(config)
        subjects.register(config, folders)
        run = prepare(asked, inventory_of, config.rootpath, folders)
    config.stash[RUN] = run
    config.add_cleanup(redact_logs(run.redact))
    config.pluginmanager.register(hooks.Hooks(config, run, signals), "shipworthy.run")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for something of a host's is made once per host, or for what its policy names."""
    if HOST not in metafunc.fixturenames:
        return
    if hasattr(metafunc.module, "testinfra_hosts"):
        pytest.fail("testinfra_hosts is not used here: tests run on every host, but where a policy's `off` says", False)
    from shipworthy.plugin import named
    from shipworthy.plugin.session import RUN

    run = metafunc.config.stash[RUN]
    field, once = items_of(metafunc.function), is_once(metafunc.function)
    if field is None:
        metafunc.parametrize(HOST, list(run.hosts), ids=[_in_an_id(name) for name in run.hosts], scope="session")
        return
    check = check_id(metafunc.function) or ""
    pairs = named.once(run.policies, check, field) if once else list(named.on_hosts(run.policies, check, field))
    names = [_in_an_id(thing.name) if once else f"{_in_an_id(host)}/{_in_an_id(thing.name)}" for host, thing in pairs]
    metafunc.parametrize((HOST, ITEM), pairs or [("", NOTHING)], ids=names or ["nothing"], scope="session")


def _in_an_id(name: str) -> str:
    """pytest itself escapes what is not printable; here, what CI systems take for a command anywhere in a line."""
    return name[:200].replace("##", "#_#")


def _test_folders(config: pytest.Config) -> list[Path]:
    """Where a user's own checks may be: their ids are known to policies too."""
    named = (str(argument).partition("::")[0] for argument in config.args)
    paths = [config.rootpath / path for path in ("tests", *config.getini("testpaths"))]
    paths += [config.invocation_params.dir / path for path in named]
    folders = {path if path.is_dir() else path.parent for path in paths if path.exists()}
    return sorted(folders - {config.rootpath})
