"""Which addresses a webhook may go to: nothing inside the network, however it is written."""

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IPv6 ranges that carry an IPv4 address for a gateway to unwrap: NAT64 (RFC 6052), 6to4.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


def is_public(address: str) -> bool:
    """Whether ``address`` (IPv4 or IPv6, perhaps with a zone) belongs to the open internet.

    Private, loopback, link-local, shared, reserved and multicast addresses do not, and neither
    does an IPv6 address that stands for such an IPv4 address. Raises ValueError.
    """
    outer = ipaddress.ip_address(address.partition("%")[0])
    return all(_is_global(each) for each in (outer, *_carried(outer)))


def _carried(address: _Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address in _SIX_TO_FOUR and address.sixtofour is not None:
        return [address.sixtofour]
    return []


def _is_global(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return True  # judged by what it carries
    return address.is_global and not address.is_multicast
