//! Addresses as bytes rather than text, as in MAAS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::wrapper::wrapper;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// An IP address or network as bytes, the highest first, as MAAS sends it.
///
/// An IPv4 address has 4 bytes and an IPv6 address 16. A network of the crate `ipnet` (feature `ipnet`) has one more:
/// the length of its prefix.
///
/// ```
/// use amp_core::Arguments;
/// use amp_core::argument::Packed;
/// use std::net::{IpAddr, Ipv4Addr};
///
/// #[derive(Arguments)]
/// struct Host {
///     address: Packed<IpAddr>,
/// }
///
/// let host = Host { address: Packed(Ipv4Addr::LOCALHOST.into()) };
/// assert_eq!(&host.encode()?[..], b"\0\x07address\0\x04\x7f\0\0\x01\0\0");
/// # Ok::<(), amp_core::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packed<T>(pub T);

wrapper!(Packed);

macro_rules! packed_address {
    ($address:ty, $len:literal, $what:literal) => {
        #[doc = concat!("String: exactly ", $len, " bytes.")]
        impl Argument for Packed<$address> {
            fn to_string_proto(
                &self,
                _proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                out.put_slice(&self.0.octets());
                Ok(())
            }

            fn from_string_proto(
                value: Value<'_>,
                _proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                <[u8; $len]>::try_from(value.as_slice())
                    .map(|bytes| Self(bytes.into()))
                    .map_err(|_| DecodeError::malformed($what, value))
            }

            fn wire_type(_: &mut WireTypes) -> WireType {
                WireType::named("IpAddressBytes")
            }
        }
    };
}

packed_address!(Ipv4Addr, 4, "an IPv4 address of 4 bytes");
packed_address!(Ipv6Addr, 16, "an IPv6 address of 16 bytes");

/// String: 4 bytes, or 16.
impl Argument for Packed<IpAddr> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        match self.0 {
            IpAddr::V4(address) => Packed(address).to_string_proto(proto, out),
            IpAddr::V6(address) => Packed(address).to_string_proto(proto, out),
        }
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        match value.len() {
            4 => Packed::<Ipv4Addr>::from_string_proto(value, proto).map(|v4| Self(v4.0.into())),
            16 => Packed::<Ipv6Addr>::from_string_proto(value, proto).map(|v6| Self(v6.0.into())),
            _ => Err(DecodeError::malformed("an IP address of 4 or 16 bytes", value)),
        }
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("IpAddressBytes")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, encode};

    #[test]
    fn addresses_are_their_bytes() {
        let v4 = Ipv4Addr::new(192, 0, 2, 1);
        let v6: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let sixteen = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
        assert_wire(Packed(v4), [192, 0, 2, 1]);
        assert_wire(Packed(v6), sixteen);
        assert_wire(Packed(IpAddr::from(v4)), [192, 0, 2, 1]);
        assert_wire(Packed(IpAddr::from(v6)), sixteen);
        assert_wire(Packed(IpAddr::from(v4.to_ipv6_mapped())), v4.to_ipv6_mapped().octets());
        assert_wire(
            vec![Packed(v4), Packed(Ipv4Addr::UNSPECIFIED)],
            b"\0\x04\xc0\0\x02\x01\0\x04\0\0\0\0",
        );
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        for len in [0, 1, 3, 5, 15, 17, 65_535] {
            let bytes = vec![0; len];
            assert_malformed::<Packed<IpAddr>>(&bytes, "an IP address of 4 or 16 bytes");
            assert_malformed::<Packed<Ipv4Addr>>(&bytes, "an IPv4 address of 4 bytes");
            assert_malformed::<Packed<Ipv6Addr>>(&bytes, "an IPv6 address of 16 bytes");
        }
        assert_malformed::<Packed<Ipv4Addr>>(&[0; 16], "an IPv4 address of 4 bytes");
        assert_malformed::<Packed<Ipv6Addr>>(&[0; 4], "an IPv6 address of 16 bytes");
        assert_malformed::<Packed<IpAddr>>(b"127.0.0.1", "an IP address of 4 or 16 bytes");
    }

    proptest! {
        #[test]
        fn any_address_comes_back(address: IpAddr) {
            assert_wire(Packed(address), encode(&Packed(address)));
        }
    }
}
