"""Where a webhook may lead, and every trick to make it lead elsewhere."""

import socket
import threading
from functools import partial

import pytest

from ted_jobs.errors import TargetRefused
from ted_jobs.settings import WebhookReach
from ted_jobs.webhooks import targets
from ted_jobs.webhooks.targets import WebhookTarget, allowed_addresses, is_public, resolve_host
from tests.servers.stacks import until

PUBLIC = "93.184.215.14"


def leads(url: str, *addresses: str, reach: WebhookReach = "public") -> list[str]:
    """Where the URL may go, given what its host resolves to; an address resolves to itself."""
    return allowed_addresses(WebhookTarget.parse(url), reach=reach, resolve=lambda host, _: addresses or (host,))


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("HTTPS://Hooks.Example.COM:443/A?b=%20c", "https://hooks.example.com/A?b=%20c"),
        ("https://example.com:8443?x=1", "https://example.com:8443/?x=1"),
        ("https://[2606:4700:4700::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("https://example.com/good@127.0.0.1", "https://example.com/good@127.0.0.1"),
        ("https://xn--nxasmq6b.example/", "https://xn--nxasmq6b.example/"),
    ],
)
def test_a_url_has_one_canonical_form(url: str, canonical: str) -> None:
    target = WebhookTarget.parse(url)

    assert str(target) == canonical
    assert WebhookTarget.parse(str(target)) == target


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://good@127.0.0.1/", id="user"),
        pytest.param("https://good:word@example.com/", id="user and password"),
        pytest.param("https://example.com\\@127.0.0.1/", id="backslash"),
        pytest.param("https://example.com/#fragment", id="fragment"),
        pytest.param("https://example.com#@127.0.0.1/", id="fragment for an authority"),
        pytest.param("https://example.com\r\nX-Evil: 1", id="CRLF"),
        pytest.param("https://example.com/\r\n\r\nGET / HTTP/1.1", id="CRLF in the path"),
        pytest.param("https://example.com/\n", id="newline at the end"),
        pytest.param("https://example.com/%0d%0aX\x00", id="NUL"),
        pytest.param(" https://example.com/", id="leading blank"),
        pytest.param("https://example.com/a b", id="blank"),
        pytest.param("gopher://example.com/", id="gopher"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("unix:///var/run/docker.sock", id="unix socket"),
        pytest.param("http+unix://%2Fvar%2Frun%2Fdocker.sock/", id="unix socket over http"),
        pytest.param("https://%31%32%37.0.0.1/", id="escaped host"),
        pytest.param("//example.com/", id="no scheme"),
        pytest.param("https:example.com", id="no slashes"),
        pytest.param("https:///example.com", id="no host"),
        pytest.param("https://example.com./", id="trailing dot"),
        pytest.param("https://127.0.0.1./", id="address with a trailing dot"),
        pytest.param("https://.example.com/", id="empty label"),
        pytest.param("https://example..com/", id="empty label within"),
        pytest.param("https://-example.com/", id="hyphen first"),
        pytest.param(f"https://{'a' * 64}.com/", id="long label"),
        pytest.param(f"https://{'a.' * 127}com/", id="long name"),
        pytest.param("https://１２７.0.0.1/", id="full-width digits"),  # noqa: RUF001 - on purpose
        pytest.param("https://ⓛocalhost/", id="letters that normalise"),
        pytest.param("https://exämple.com/", id="not in punycode"),
        pytest.param("https://localhost。/", id="another full stop"),
        pytest.param("http://2130706433/", id="decimal"),
        pytest.param("http://0x7f000001/", id="hexadecimal"),
        pytest.param("http://0x7f.1/", id="hexadecimal and short"),
        pytest.param("http://0177.0.0.1/", id="octal"),
        pytest.param("http://127.1/", id="short"),
        pytest.param("http://127.0.1/", id="three parts"),
        pytest.param("http://0/", id="zero"),
        pytest.param("http://127.0.0.0x1/", id="hexadecimal last part"),
        pytest.param("http://1.2.3.4.5/", id="five parts"),
        pytest.param("http://256.0.0.1/", id="too large a part"),
        pytest.param("http://[::1%25lo]/", id="zone"),
        pytest.param("http://[::1/", id="open bracket"),
        pytest.param("http://[v1.fe80::1]/", id="address of the future"),
        pytest.param("https://example.com:0/", id="port zero"),
        pytest.param("https://example.com:65536/", id="port too high"),
        pytest.param("https://example.com:+80/", id="port with a sign"),
        pytest.param("https://example.com:８０/", id="full-width port"),  # noqa: RUF001 - on purpose
        pytest.param("", id="nothing"),
    ],
)
def test_an_ambiguous_url_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused) as refused:
        WebhookTarget.parse(url)

    assert refused.value.field == "url"


INSIDE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1"),  # noqa: S104
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::808:808", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    *(
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fe80::1",
        "fe80::1%2",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
    ),
    *("ff02::1", "ff0e::1", "100::1", "5f00::1"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_non_public_address_is_refused_by_itself_and_behind_a_name(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(TargetRefused, match="does not lead to public addresses"):
        leads("https://innocent.example/", address)
    if "%" not in address:
        with pytest.raises(TargetRefused):
            leads(f"https://[{address}]/" if ":" in address else f"https://{address}/")


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert leads("https://hooks.example.com/", address) == [address]


def test_one_internal_address_among_public_ones_is_refused() -> None:
    with pytest.raises(TargetRefused):
        leads("https://hooks.example.com/", PUBLIC, "10.0.0.1")


def test_unknown_and_internal_names_are_refused_in_the_same_words() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror

    def refusal(resolve) -> str:
        with pytest.raises(TargetRefused) as refused:
            allowed_addresses(WebhookTarget.parse("https://name.example/"), reach="public", resolve=resolve)
        return str(refused.value)

    assert refusal(unknown) == refusal(lambda *_: ["10.0.0.1"]) == refusal(lambda *_: [])


def test_the_systems_resolver_finds_localhost_and_it_is_refused() -> None:
    with pytest.raises(TargetRefused):
        allowed_addresses(WebhookTarget.parse("https://LocalHost/"), reach="public")


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(10) and [])

    with pytest.raises(TimeoutError):
        resolve_host("hangs.example", 443, seconds=0.1)
    with pytest.raises(TargetRefused):
        hanging = partial(resolve_host, seconds=0.1)
        allowed_addresses(WebhookTarget.parse("https://hangs.example/"), reach="public", resolve=hanging)
    answered.set()


def test_names_are_not_resolved_in_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, few = threading.Event(), threading.BoundedSemaphore(2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(10) and [])
    monkeypatch.setattr(targets, "RESOLVING", few)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            resolve_host("hangs.example", 443, seconds=0.01)

    with pytest.raises(TimeoutError, match="too many"):
        resolve_host("localhost", 443)

    answered.set()
    for _ in range(2):
        until(lambda: few.acquire(blocking=False), seconds=5)


def test_http_is_allowed_only_to_this_machine_and_only_if_the_operator_allows_it() -> None:
    assert leads("http://localhost:9000/", "::1", "127.0.0.1", reach="loopback") == ["::1", "127.0.0.1"]
    assert leads("https://hooks.example.com/", PUBLIC, reach="loopback") == [PUBLIC]
    for url, *addresses in (
        ("http://hooks.example.com/", PUBLIC),
        ("http://hooks.example.com/", PUBLIC, "127.0.0.1"),
        ("https://hooks.example.com/", PUBLIC, "127.0.0.1"),
        ("http://10.0.0.1/",),
        ("http://[::ffff:127.0.0.1]/",),
    ):
        with pytest.raises(TargetRefused):
            leads(url, *addresses, reach="loopback")
    with pytest.raises(TargetRefused):
        leads("http://hooks.example.com/", PUBLIC)
