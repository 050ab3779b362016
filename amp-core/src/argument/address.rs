//! The IP and socket addresses of `std`: Unicode, as they are usually written.
//!
//! IPv6 is written in its short form, `2001:db8::1`, as Python's `ipaddress` writes it. It is read
//! in any form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::displayed::displayed;

displayed! {
    /// Unicode: `192.0.2.1` or `2001:db8::1`.
    IpAddr: "an IP address";
    /// Unicode: `192.0.2.1`. A number with a zero in front is refused.
    Ipv4Addr: "an IPv4 address";
    /// Unicode: `2001:db8::1`.
    Ipv6Addr: "an IPv6 address";
    /// Unicode: `192.0.2.1:80` or `[2001:db8::1]:80`.
    SocketAddr: "a socket address";
    /// Unicode: `192.0.2.1:80`.
    SocketAddrV4: "an IPv4 socket address";
    /// Unicode: `[2001:db8::1]:80`, or `[fe80::1%2]:80` with a scope. The flow information is not
    /// written, and zero when it is read.
    SocketAddrV6: "an IPv6 socket address";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode};

    #[test]
    fn addresses_are_text() {
        let v4 = Ipv4Addr::new(192, 0, 2, 1);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        assert_wire(v4, "192.0.2.1");
        assert_wire(v6, "2001:db8::1");
        assert_wire(IpAddr::V4(v4), "192.0.2.1");
        assert_wire(IpAddr::V6(v6), "2001:db8::1");
        assert_wire(SocketAddr::new(v4.into(), 80), "192.0.2.1:80");
        assert_wire(SocketAddr::new(v6.into(), 80), "[2001:db8::1]:80");
        assert_wire(SocketAddrV4::new(v4, 80), "192.0.2.1:80");
        assert_wire(SocketAddrV6::new(v6, 80, 0, 2), "[2001:db8::1%2]:80");
        let long = b"2001:0DB8:0000::0000:0001";
        assert_eq!(decode::<Ipv6Addr>(long).unwrap(), v6);
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for other in ["", "1", "192.0.2", "192.0.2.01", "192.0.2.256", " ::1", "::1\n", "host"] {
            assert_malformed::<IpAddr>(other.as_bytes(), "an IP address");
            assert_malformed::<SocketAddr>(other.as_bytes(), "a socket address");
        }
        assert_malformed::<Ipv4Addr>(b"::1", "an IPv4 address");
        assert_malformed::<Ipv6Addr>(b"127.0.0.1", "an IPv6 address");
        assert_malformed::<SocketAddr>(b"127.0.0.1:65536", "a socket address");
        assert_malformed::<SocketAddrV4>(b"[::1]:1", "an IPv4 socket address");
        assert_malformed::<SocketAddrV6>(b"127.0.0.1:1", "an IPv6 socket address");
        assert_malformed::<IpAddr>(b"127.0.0.1\xff", "an IP address");
    }

    proptest! {
        #[test]
        fn any_address_comes_back(address: IpAddr, port: u16, bytes: Vec<u8>) {
            assert_wire(address, encode(&address));
            let socket = SocketAddr::new(address, port);
            assert_wire(socket, encode(&socket));
            let _ = decode::<SocketAddr>(&bytes);
        }
    }
}
