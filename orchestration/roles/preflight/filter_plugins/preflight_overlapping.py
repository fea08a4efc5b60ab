"""Which networks overlap."""

from ipaddress import ip_network
from itertools import combinations


def preflight_overlapping(cidrs):
    """Pairs of networks that share addresses, as texts; what is no network is an error that says so."""
    networks = [ip_network(cidr) for cidr in cidrs]
    return ["%s and %s" % pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


class FilterModule:
    """What Ansible looks for."""

    def filters(self):
        """By name."""
        return {"preflight_overlapping": preflight_overlapping}
