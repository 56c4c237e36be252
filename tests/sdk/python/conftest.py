import os
import re

import openai
import pytest

import matrix
from gateway import Gateway, Keys, running
from plain import Plain
from scripted import Script, Upstream

DIRECT = os.environ.get("PARAPET_SDK_DIRECT") == "1"


def pytest_collection_modifyitems(items):
    if DIRECT:
        for item in items:
            if item.get_closest_marker("parapet"):
                item.add_marker(pytest.mark.skip(reason="a promise of Parapet, not of a bare upstream"))


def pytest_generate_tests(metafunc):
    """A test of the matrix runs for every kind of provider; its name is the scenario's."""
    if "cell" in metafunc.fixturenames:
        scenario = metafunc.definition.originalname.removeprefix("test_")
        kinds = [metafunc.module.CLIENT] if DIRECT else matrix.kinds(scenario)
        metafunc.parametrize("kind", kinds)


@pytest.fixture(scope="session")
def upstream():
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(scope="session")
def gateway(upstream, tmp_path_factory):
    """Parapet from `PARAPET_BIN`; with PARAPET_SDK_DIRECT=1 nothing, as a control of the suite itself."""
    if DIRECT:
        yield Gateway(upstream.url.removeprefix("http://"), Keys(), direct=True)
        return
    with running("parapet.yaml", upstream.url, tmp_path_factory.mktemp("parapet")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def client(gateway):
    """The unmodified SDK; without retries, so that a test sees the first answer."""
    with openai.OpenAI(
        base_url=gateway.base_url, api_key=gateway.keys.caller, max_retries=0, timeout=10
    ) as sdk:
        yield sdk


@pytest.fixture
def script(request, upstream):
    """A script under a model name of this test's own."""
    own = upstream.renew(re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-"))
    yield own
    own.finish()


@pytest.fixture
def named(upstream):
    """Scripts for upstream names that the config fixes, such as the one behind an agent."""
    used: list[Script] = []

    def renew(name: str) -> Script:
        used.append(upstream.renew(name))
        return used[-1]

    yield renew
    for own in used:
        own.finish()


@pytest.fixture
def model(gateway, script):
    """The scripted model as callers name it."""
    return gateway.model("scripted", script.name)


@pytest.fixture(scope="session")
def plain(gateway):
    return Plain(gateway, gateway.keys.caller)


@pytest.fixture(scope="session")
def protocols():
    """The upstream that speaks every provider's protocol."""
    server = matrix.Upstream()
    yield server
    server.close()


@pytest.fixture(scope="session")
def crossing(protocols, tmp_path_factory):
    """Parapet with a provider of every kind; directly, nothing."""
    if DIRECT:
        yield Gateway(protocols.url.removeprefix("http://"), Keys(), direct=True)
        return
    with running("matrix.yaml", protocols.url, tmp_path_factory.mktemp("matrix")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def door(crossing):
    """Address and key for a client of the matrix; directly, those of its own protocol."""

    def address(client: str) -> tuple[str, str]:
        if crossing.direct:
            return f"http://{crossing.address}/{client}", crossing.keys.providers[0]
        return f"http://{crossing.address}", crossing.keys.caller

    return address


@pytest.fixture
def cell(request, kind, protocols):
    """One square of the matrix."""
    scenario = request.node.originalname.removeprefix("test_")
    return matrix.Cell(request.module.CLIENT, kind, scenario, protocols, DIRECT)
