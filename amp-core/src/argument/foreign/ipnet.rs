//! The IP networks of `ipnet`: Unicode, as they are usually written.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::argument::displayed::displayed;

displayed! {
    /// Unicode: `192.0.2.0/24` or `2001:db8::/32`. The bits behind the prefix are kept.
    IpNet: "an IP network";
    /// Unicode: `192.0.2.0/24`. The bits behind the prefix are kept.
    Ipv4Net: "an IPv4 network";
    /// Unicode: `2001:db8::/32`. The bits behind the prefix are kept.
    Ipv6Net: "an IPv6 network";
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode};

    #[test]
    fn networks_are_text() {
        for network in ["192.0.2.0/24", "192.0.2.1/24", "0.0.0.0/0", "2001:db8::/32", "::1/128"] {
            assert_wire(network.parse::<IpNet>().unwrap(), network);
        }
        assert_wire("10.0.0.0/8".parse::<Ipv4Net>().unwrap(), "10.0.0.0/8");
        assert_wire("fe80::/10".parse::<Ipv6Net>().unwrap(), "fe80::/10");
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for other in ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10/8", "::/0 "] {
            assert_malformed::<IpNet>(other.as_bytes(), "an IP network");
        }
        assert_malformed::<Ipv4Net>(b"::/0", "an IPv4 network");
        assert_malformed::<Ipv6Net>(b"10.0.0.0/8", "an IPv6 network");
    }

    proptest! {
        #[test]
        fn any_network_comes_back(address: IpAddr, prefix in 0..=32_u8, bytes: Vec<u8>) {
            let network = IpNet::new(address, prefix).unwrap();
            assert_wire(network, encode(&network));
            let _ = decode::<IpNet>(&bytes);
        }
    }
}
