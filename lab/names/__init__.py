"""DNS of a lab's own: a private root, signed, on real servers; real resolvers; and names that are broken on purpose.

    ns1, ns2 (knot)            .  ──  test.  ──  example.test.  www, mail, …              all signed
      over IPv4 and IPv6,      │       ├─────  unsigned.test., hosts.test.              no DS, all well
      UDP and TCP              │       ├─────  lame.test., stale.test., expired.test., …  one fault each
                               └─  77.10.in-addr.arpa., fd77::/64 in ip6.arpa.         PTRs
          ▲ ask, from the private root's hints and key
    resolver1, resolver2 (unbound, validating)
          ▲ /etc/resolv.conf of every host, and of `estate.lab.here`: resolver1 over IPv4, resolver2 over IPv6
    clients                                      each host is NAME.hosts.test, too

Zones are made and signed here (`lab.names.zones`, `lab.names.signing`) and served as they are. Addresses that names
lead to, 10.77.9.0/24 and fd77::9:0/112, belong to nobody: names are looked up, and nothing is connected to.

    with lab(names=[*SERVERS, "web", "db"]) as fleet, estate(fleet) as dns:
        web = fleet[-2]
        web.run(["getent", "ahosts", "www.example.test"])
"""

from lab.names.build import SERVERS, Estate, estate

__all__ = ["SERVERS", "Estate", "estate"]
