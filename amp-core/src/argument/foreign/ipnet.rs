//! The IP networks of `ipnet`: Unicode, as they are usually written, or packed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::argument::displayed::displayed;
use crate::argument::{Argument, DecodeError, EncodeError, Packed, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

displayed! {
    /// Unicode: `192.0.2.0/24` or `2001:db8::/32`. The bits behind the prefix are kept.
    IpNet: "an IP network";
    /// Unicode: `192.0.2.0/24`. The bits behind the prefix are kept.
    Ipv4Net: "an IPv4 network";
    /// Unicode: `2001:db8::/32`. The bits behind the prefix are kept.
    Ipv6Net: "an IPv6 network";
}

macro_rules! packed_network {
    ($network:ident, $address:ident, $docs:literal, $what:literal) => {
        #[doc = $docs]
        ///
        /// As in MAAS, the bits behind the prefix are written as zeros; those that are received
        /// are kept.
        impl Argument for Packed<$network> {
            fn to_string_proto(
                &self,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                Packed(self.0.network()).to_string_proto(proto, out)?;
                out.put_slice(&[self.0.prefix_len()]);
                Ok(())
            }

            fn from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                let (len, address) = value.split_last().unwrap_or((&0, &[]));
                Packed::<$address>::from_string_proto(address.into(), proto)
                    .ok()
                    .and_then(|address| $network::new(address.0, *len).ok())
                    .map(Self)
                    .ok_or_else(|| DecodeError::malformed($what, value))
            }

            fn wire_type(_: &mut WireTypes) -> WireType {
                WireType::named("IpNetworkBytes")
            }
        }
    };
}

packed_network!(IpNet, IpAddr, "String: 5 bytes, or 17.", "an IP network of 5 or 17 bytes");
packed_network!(Ipv4Net, Ipv4Addr, "String: exactly 5 bytes.", "an IPv4 network of 5 bytes");
packed_network!(Ipv6Net, Ipv6Addr, "String: exactly 17 bytes.", "an IPv6 network of 17 bytes");

#[cfg(test)]
mod tests {
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

    #[test]
    fn packed_networks_are_bytes() {
        let network = |text: &str| Packed(text.parse::<IpNet>().unwrap());
        assert_wire(network("192.0.2.0/24"), b"\xc0\0\x02\0\x18");
        assert_wire(network("0.0.0.0/0"), [0; 5]);
        assert_wire(network("10.1.2.3/32"), [10, 1, 2, 3, 32]);
        let seventeen = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0\x20";
        assert_wire(network("2001:db8::/32"), seventeen);
        assert_wire(Packed("10.0.0.0/8".parse::<Ipv4Net>().unwrap()), [10, 0, 0, 0, 8]);
        assert_wire(Packed("2001:db8::/32".parse::<Ipv6Net>().unwrap()), seventeen);

        let host = network("192.0.2.1/24");
        assert_eq!(encode(&host), b"\xc0\0\x02\0\x18", "as of MAAS");
        assert_eq!(decode::<Packed<IpNet>>(b"\xc0\0\x02\x01\x18").unwrap(), host);
    }

    #[test]
    fn what_is_not_a_packed_network_is_refused() {
        let others: [&[u8]; 7] =
            [b"", b"\0", &[0; 4], &[0; 6], &[0; 16], &[0; 18], b"\x0a\0\0\0\x21"];
        for other in others {
            assert_malformed::<Packed<IpNet>>(other, "an IP network of 5 or 17 bytes");
            assert_malformed::<Packed<Ipv4Net>>(other, "an IPv4 network of 5 bytes");
        }
        assert_malformed::<Packed<Ipv6Net>>(&[0x81; 17], "an IPv6 network of 17 bytes");
        assert_malformed::<Packed<Ipv6Net>>(&[0; 5], "an IPv6 network of 17 bytes");
        assert_malformed::<Packed<Ipv4Net>>(&[0; 17], "an IPv4 network of 5 bytes");
    }

    proptest! {
        #[test]
        fn any_packed_network_comes_back(address: IpAddr, prefix in 0..=32_u8, bytes: Vec<u8>) {
            let network = Packed(IpNet::new(address, prefix).unwrap().trunc());
            assert_wire(network, encode(&network));
            let _ = decode::<Packed<IpNet>>(&bytes);
        }

        #[test]
        fn any_network_comes_back(address: IpAddr, prefix in 0..=32_u8, bytes: Vec<u8>) {
            let network = IpNet::new(address, prefix).unwrap();
            assert_wire(network, encode(&network));
            let _ = decode::<IpNet>(&bytes);
        }
    }
}
