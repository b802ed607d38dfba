"""Which addresses are public: the registries of IANA for special purposes, block by block."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

import pytest
from web_server import Server

from rag.errors import SourceError
from rag.ingest.web import Fetcher, is_public
from rag.settings import FetchSettings

# RFC 6890 and what the registries have had since; multicast, which is not in them, as well.
REFUSED = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.170/31 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
::/128 ::1/128 ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32
2001:2::/48 2001:10::/28 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()

# Just outside of each block, where there is an internet.
PUBLIC = """
1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0
192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255
198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 192.31.196.1 192.52.193.1 192.175.48.1
2000:ffff::1 2001:200:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9::
2003:: 3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff 3fff:1000:: 2620:4f:8000::1
""".split()


@pytest.mark.parametrize("block", REFUSED)
def test_no_address_of_a_special_block_is_public(block: str) -> None:
    network = ip_network(block)
    for number in (0, network.num_addresses // 2, -1):
        assert not is_public(str(network[number]))


@pytest.mark.parametrize("address", PUBLIC)
def test_their_neighbours_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("block", [block for block in REFUSED if ":" not in block])
@pytest.mark.parametrize("wrapper", ["::ffff:0:0/96", "64:ff9b::/96", "2002::/16"])
def test_an_address_in_another_is_judged_itself(block: str, wrapper: str) -> None:
    def wrapped(address: str) -> str:
        shift = 80 if wrapper == "2002::/16" else 0
        number = int(ip_network(wrapper)[0]) | int(ip_address(address)) << shift
        return str(ip_address(number))

    assert not is_public(wrapped(str(ip_network(block)[-1])))
    assert is_public(wrapped("93.184.216.34"))


@pytest.mark.parametrize("address", ["fe80::1%eth0", "::1%lo", "fec0::1%2"])
def test_a_zone_makes_nothing_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    "2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1 017700000001 127.1 127.0.1 0 localhost "
    "LOCALHOST localhost. 127。0。0。1 127．0．0．1 127｡0｡0｡1 １２７.0.0.1 ⓛocalhost "
    "[::1] [::] [::127.0.0.1] [::ffff:7f00:1] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] "
    "[fe80::1%25lo] [fe80::1%lo] [0:0:0:0:0:0:0:1]".split(),
)
def test_no_spelling_leads_to_this_machine(host: str) -> None:
    server = Server()
    server.page("/", "secret")
    url = server.url("/").replace("127.0.0.1", host)
    try:
        with Fetcher(FetchSettings(timeout=5)) as fetcher, pytest.raises(SourceError) as caught:
            fetcher.get(url)
    finally:
        server.stop()
    assert not server.requests
    assert any(
        reason in str(caught.value)
        for reason in ("is a private address", "cannot be found", "not a valid address")
    )


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in ("93.184.216.34", "10.0.0.7")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with (
        Fetcher(FetchSettings()) as fetcher,
        pytest.raises(SourceError, match=r"both\.example is a private address"),
    ):
        fetcher.get("http://both.example/")


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64 + ".example"])
def test_a_name_that_cannot_be_asked_for_is_not_found(host: str) -> None:
    with (
        Fetcher(FetchSettings(timeout=5)) as fetcher,
        pytest.raises(SourceError, match="cannot be found; check the address"),
    ):
        fetcher.get(f"http://{host}/")
