use std::sync::Arc;

use super::handshake::{Role, TIMEOUT, handshake, transport};
use crate::argument::{DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter};
use crate::command::{Arguments, Command, NoError, ProtocolSwitch};
use crate::connection::{Upgrade, Upgraded};
use crate::error::CloseReason;

/// Asks for TLS on a connection that began in clear text: Twisted's `StartTLS`.
///
/// [`Peer::start_tls`](crate::Peer::start_tls) calls it, and
/// [`Responders::respond_start_tls`](crate::Responders::respond_start_tls) answers it. A command
/// of one's own that implements [`ProtocolSwitch`] can take its place, with another name and with
/// arguments.
///
/// What is said before TLS is started can be read and changed by anybody on the way, and so can
/// the call itself be taken out. Where both sides know that they want TLS, begin with it.
///
/// A call that came before is answered like any other, and its responder may still be running when
/// the peer has shown its certificates. So [`PeerCertificates`](super::PeerCertificates) that are
/// there say who the peer is by now, and not who made that call: a responder that goes by them
/// looks before it first waits, or belongs to a set that is put in place after TLS was started
/// ([`Peer::replace_responders`](crate::Peer::replace_responders)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTls;

impl Arguments for StartTls {
    fn to_box(&self, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn from_box(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Command for StartTls {
    const NAME: &'static str = "StartTLS";

    type Response = ();
    type Error = NoError;
}

impl ProtocolSwitch for StartTls {}

/// Makes a transport out of a stream in clear text. What was read behind the switch goes to the
/// TLS layer, and never to the boxes.
pub(crate) fn upgrade(role: Role) -> Upgrade {
    Box::new(move |stream| {
        Box::pin(async move {
            let shaken = handshake(stream, role, TIMEOUT).await;
            let (stream, certificates) =
                shaken.map_err(|error| CloseReason::Tls(Arc::new(error)))?;
            Ok(Upgraded {
                transport: Box::pin(transport(stream)),
                data: certificates.map(|certificates| Arc::new(certificates) as _),
            })
        })
    })
}
