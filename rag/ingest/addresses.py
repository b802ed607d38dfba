"""Which IP addresses are on the public internet, the same in every version of Python."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_GLOBAL_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given to hosts; what is translated to IPv4 is judged as IPv4."""

_NAT64 = ip_network("64:ff9b::/96")
# Blocks of the registries of IANA that ``is_global`` lacks, or has in some versions only: protocol
# assignments, relays to 6to4, protocol assignments with Teredo, documentation.
_SPECIAL = tuple(map(ip_network, "192.0.0.0/24 192.88.99.0/24 2001::/23 3fff::/20".split()))


def is_public(address: str) -> bool:
    """Tell whether an IP address is on the public internet, also one wrapped in IPv6.

    Raises ValueError for what is no IP address.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is None and ip not in _GLOBAL_UNICAST:
            return False
        ip = inner or ip
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in _SPECIAL)
