//! How addresses are parsed, and how limits on requests, logins and connections count them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The counting key of an address: a whole IPv4 address, or the /64 of an IPv6 address, which is what one customer has.
pub(crate) type Counted = [u8; 9];

/// The counting key of an address. IPv4 mapped into IPv6 counts as IPv4.
pub(crate) fn counted(address: IpAddr) -> Counted {
    let mut key = [0; 9];
    match address.to_canonical() {
        IpAddr::V4(address) => {
            key[0] = 4;
            key[1..5].copy_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            key[0] = 6;
            key[1..].copy_from_slice(&address.octets()[..8]);
        }
    }
    key
}

/// The network around an address: the /48 of an IPv6 address, which is what one site gets, or the /24 of an IPv4 address.
/// It never equals the key of an address.
pub(crate) fn network(address: IpAddr) -> Counted {
    let mut key = counted(address);
    match key[0] {
        4 => key[4] = 0,
        _ => key[7..].fill(0),
    }
    key[0] |= 0x80;
    key
}

/// Whether a listening address is reachable from this machine only.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Parses an address as written by proxies and programs: with or without a port, IPv6 with or without brackets.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text
        .parse()
        .ok()
        .or_else(|| {
            text.parse()
                .ok()
                .map(|with_port: SocketAddr| with_port.ip())
        })
        .or_else(|| {
            let inner = text.strip_prefix('[')?.strip_suffix(']')?;
            inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        })?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_customer_network_counts_once() {
        let of = |text: &str| counted(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("4.0.0.0"), of("400::"));
    }

    #[test]
    fn a_network_covers_a_site_and_differs_from_addresses() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:ffff::2"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.255"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_ne!(
            of("192.0.2.0"),
            counted("192.0.2.0".parse().expect("an address"))
        );
    }
}
