//! Arguments that are never on the wire: they come from the connection that the box came over.

use std::any::{Any, type_name};

use super::wrapper::wrapper;
use super::{
    Argument, DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, PeerAddress, Proto,
};
use crate::boxes::{BoxReader, BoxWriter, Value, ValueWriter};
use crate::schema::{BoxSchema, WireTypes};

/// An argument that is taken from the connection's data of type `T`, such as who has logged in over the connection.
/// If the connection has none, decoding fails.
///
/// ```
/// use amp_core::Command;
/// use amp_core::argument::FromConnection;
///
/// #[derive(Clone, Debug, Default)]
/// struct Account(u64);
///
/// #[derive(Command)]
/// struct Withdraw {
///     amount: u64,
///     account: FromConnection<Account>,
/// }
/// ```
///
/// The side that answers gives the account to `Connection::data`. The side that calls may put any value into the
/// field, since it is not sent.
///
/// Use it as the type of a field, also inside of `Box` or `Arc`. It always counts as present, so an `Option` of it or
/// a default has no use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FromConnection<T>(pub T);

wrapper!(FromConnection);

macro_rules! never_on_the_wire {
    ($(#[$docs:meta])* [$($generics:tt)*] $argument:ty, $read:expr) => {
        $(#[$docs])*
        impl<$($generics)*> Argument for $argument {
            fn to_string_proto(
                &self,
                _proto: &mut Proto<'_>,
                _out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                Err(EncodeErrorKind::NoForm { what: WHAT }.into())
            }

            fn from_string_proto(
                _value: Value<'_>,
                _proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                Err(DecodeErrorKind::NoForm { what: WHAT }.into())
            }

            fn to_box(
                &self,
                _name: &str,
                _out: &mut BoxWriter<'_>,
                _proto: &mut Proto<'_>,
            ) -> Result<(), EncodeError> {
                Ok(())
            }

            fn from_box(
                name: &str,
                _input: &mut BoxReader<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                $read(proto).map_err(|error: DecodeError| error.at(name))
            }

            fn is_in(_name: &str, _input: &BoxReader<'_>) -> bool {
                true
            }

            fn box_schema(
                _: &str,
                _: &mut WireTypes,
            ) -> BoxSchema {
                BoxSchema::new()
            }
        }
    };
}

const WHAT: &str = "what comes from the connection";

never_on_the_wire! {
    [T: Any + Clone + Send + Sync] FromConnection<T>,
    |proto: &mut Proto<'_>| match proto.get::<T>() {
        Some(value) => Ok(Self(value.clone())),
        None => Err(DecodeErrorKind::NoData { expected: type_name::<T>() }.into()),
    }
}

never_on_the_wire! {
    /// The address of the peer that the box came from. It is never on the wire: nothing is
    /// written, and nothing of the box is read.
    [] PeerAddress,
    |proto: &mut Proto<'_>| Ok(proto.peer_address().clone())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::argument::attachment::NoAttachments;
    use crate::argument::proto::Extensions;
    use crate::argument::testing::{from_ampbox, to_ampbox, try_encode};
    use crate::boxes::AmpBox;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Account(u64);

    /// Reads an argument that came over a connection.
    fn received<T: Argument>(ampbox: &AmpBox) -> Result<T, DecodeError> {
        let mut extensions = Extensions::default();
        extensions.insert(Account(5));
        let address = PeerAddress::from(SocketAddr::from(([127, 0, 0, 1], 1234)));
        let mut none = NoAttachments;
        let mut proto = Proto::new(&mut none, &address, &extensions);
        T::from_box("a", &mut BoxReader::new(ampbox), &mut proto)
    }

    #[test]
    fn nothing_is_written() {
        assert!(to_ampbox("a", &FromConnection(Account(5))).unwrap().is_empty());
        assert!(to_ampbox("a", &PeerAddress::Name("x".into())).unwrap().is_empty());
    }

    #[test]
    fn what_is_read_comes_from_the_connection_alone() {
        for ampbox in [AmpBox::new(), AmpBox::from_pairs([("a", "forged")]).unwrap()] {
            let account = received::<FromConnection<Account>>(&ampbox).unwrap();
            assert_eq!(*account, Account(5));
            let address = received::<PeerAddress>(&ampbox).unwrap();
            assert_eq!(address.to_string(), "127.0.0.1:1234");
            assert!(received::<Option<Box<PeerAddress>>>(&ampbox).unwrap().is_some());
        }
    }

    #[test]
    fn missing_data_is_named() {
        let error = received::<FromConnection<String>>(&AmpBox::new()).unwrap_err();
        let message = "argument a: the connection has no data of type alloc::string::String";
        assert_eq!(error.to_string(), message);
        assert!(from_ampbox::<FromConnection<Account>>("a", &AmpBox::new()).is_err());
        let unknown = from_ampbox::<PeerAddress>("a", &AmpBox::new()).unwrap();
        assert_eq!(unknown, PeerAddress::Unknown);
    }

    #[test]
    fn it_is_no_value() {
        let error = try_encode(&vec![FromConnection(1)]).unwrap_err();
        let message = "argument [0]: what comes from the connection has no form on the wire";
        assert_eq!(error.to_string(), message);
        let ampbox = AmpBox::from_pairs([("a", "\0\0")]).unwrap();
        let error = received::<Vec<PeerAddress>>(&ampbox).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::NoForm { .. }));
    }
}
