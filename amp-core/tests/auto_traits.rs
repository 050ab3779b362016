//! What programs may do with the types of this crate from any thread: what a compiler proves of them is
//! part of the API, and a field could take it away unseen.

use amp_core::argument::{
    AttachmentKind, Continued, ContinuedZlib, DateTime, DateTimeError, Decimal, DecimalError,
    DecimalKind, DecodeErrorKind, EncodeErrorKind, Extensions, FromConnection, Json, Numbered,
    Packed, Shortened, UnknownKeys, UuidBytes, UuidInteger, Zlib,
};
use amp_core::boxes::{BoxCodec, BoxError, BoxLimits, Decoder, IntoIter};
use amp_core::dynamic::{self, Integer, IntegerError, JsonError, Values};
use amp_core::login::{Attempt, Login, NoMoreAttempts};
use amp_core::proto::{
    Body, CallId, Counters, Event, IncomingCall, NotQueued, Outgoing, Protocol, ProtocolError,
    ProtocolLimits, SwitchRefused, TooManyCalls,
};
use amp_core::reconnect::{
    self, Backoff, Client, ConnectError, Connector, Jitter, NotConnected, NotConnectedKind, State,
};
use amp_core::router::{BoundRoute, Route, RouteError, RouteName, Router, RouterLimits, Routes};
use amp_core::schema::{
    ArgumentSchema, BoxSchema, CaseSchema, Change, CommandSchema, ErrorSchema, InnerBox, Presence,
    Schema, SchemaClash, SchemaError, WireType, WireTypes,
};
use amp_core::streams::{ByteSink, ByteStream, SinkError, SinkOf, StreamError, StreamOf};
use amp_core::tcp::KeepaliveListener;
use amp_core::testing::{ExpectedCall, Golden, PrintedRecord, RunningScript, SchemaRecord, Script};
use amp_core::tls::{
    Agreement, Authorities, ClientCertificates, Identity, IdentityParts, PeerCertificates, Role,
    StartTls, StartTlsCall, TlsConfigError, TlsError, TlsListener,
};
use amp_core::tower::{
    ClientService, LayeredAnswer, LayeredCall, LayeredResponder, NamedRequest, PeerService,
    TypedCalls,
};
use amp_core::{
    AmpBox, Answered, Call, CallError, CameBeforeTls, CloseReason, Connection, Context,
    DecodeError, Drained, EncodeError, Failure, FailurePolicy, LimitKind, Limits, LimitsError,
    NamedCall, NamedCallWith, NamedNotification, NamedNotificationWith, NoError, Notification,
    Peer, PeerAddress, Ping, ReceivedCall, Reflect, Reflected, RefusedAttachment, RemoteError,
    ResponderClash, Responders, Serve, SwitchCall, Switched, SwitchedParts, WireLog, blocking,
};
use std::error::Error;
use tokio::net::TcpListener;

/// A command that wants no answer.
#[derive(amp_core::Command)]
#[amp(one_way)]
struct Note {}

fn sent<T: Send + 'static>() {}
fn shared<T: Send + Sync + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}

#[test]
fn errors_go_anywhere() {
    error::<BoxError>();
    error::<CallError>();
    error::<CameBeforeTls>();
    error::<ResponderClash>();
    error::<CloseReason>();
    error::<ConnectError>();
    error::<DateTimeError>();
    error::<DecimalError>();
    error::<DecodeError>();
    error::<EncodeError>();
    error::<IntegerError>();
    error::<JsonError>();
    error::<LimitsError>();
    error::<NoError>();
    error::<NoMoreAttempts>();
    error::<NotConnected>();
    error::<NotQueued>();
    error::<ProtocolError>();
    error::<RefusedAttachment>();
    error::<RemoteError>();
    error::<RouteError>();
    error::<SchemaClash>();
    error::<SchemaError>();
    error::<SinkError>();
    error::<StreamError>();
    error::<SwitchRefused>();
    error::<TlsConfigError>();
    error::<TlsError>();
    error::<TooManyCalls>();
}

#[test]
fn handles_and_values_are_shared_by_threads() {
    shared::<AmpBox>();
    shared::<IntoIter>();
    shared::<ArgumentSchema>();
    shared::<AttachmentKind>();
    shared::<Attempt>();
    shared::<Agreement>();
    shared::<Authorities>();
    shared::<Body>();
    shared::<BoundRoute>();
    shared::<BoxSchema>();
    shared::<CallId>();
    shared::<CaseSchema>();
    shared::<Change>();
    shared::<Client>();
    shared::<CommandSchema>();
    shared::<Context<String>>();
    shared::<Continued<String>>();
    shared::<ContinuedZlib<String>>();
    shared::<Protocol<()>>();
    shared::<Counters>();
    shared::<DateTime>();
    shared::<Decimal>();
    shared::<DecimalKind>();
    shared::<DecodeErrorKind>();
    shared::<EncodeErrorKind>();
    shared::<ErrorSchema>();
    shared::<Event<()>>();
    shared::<Extensions>();
    shared::<FromConnection<String>>();
    shared::<Identity>();
    shared::<IdentityParts>();
    shared::<Drained>();
    shared::<IncomingCall>();
    shared::<InnerBox>();
    shared::<Integer>();
    shared::<Json<String>>();
    shared::<Login>();
    shared::<NamedRequest>();
    shared::<NotConnectedKind>();
    shared::<Numbered<String>>();
    shared::<Outgoing>();
    shared::<Packed<String>>();
    shared::<Peer>();
    shared::<PeerAddress>();
    shared::<PeerCertificates>();
    shared::<Ping>();
    shared::<Presence>();
    shared::<ReceivedCall>();
    shared::<Reflect>();
    shared::<Reflected>();
    shared::<Responders<String>>();
    shared::<Role>();
    shared::<Route>();
    shared::<RouteName>();
    shared::<Routes>();
    shared::<Schema>();
    shared::<Shortened>();
    shared::<StartTls>();
    shared::<State>();
    shared::<UuidBytes>();
    shared::<UuidInteger>();
    shared::<dynamic::Value>();
    shared::<Values>();
    shared::<WireLog>();
    shared::<blocking::ReceivedCall>();
    shared::<WireType>();
    shared::<WireTypes>();
    shared::<Zlib<String>>();
}

#[test]
fn settings_are_shared_by_threads() {
    shared::<Backoff>();
    shared::<BoxLimits>();
    shared::<ClientCertificates>();
    shared::<ProtocolLimits>();
    shared::<FailurePolicy>();
    shared::<Golden>();
    shared::<Jitter>();
    shared::<KeepaliveListener>();
    shared::<LimitKind>();
    shared::<Limits>();
    shared::<PrintedRecord>();
    shared::<RouterLimits>();
    shared::<SchemaRecord>();
    shared::<TlsListener<TcpListener>>();
    shared::<UnknownKeys>();
}

#[test]
fn what_is_set_up_and_what_is_awaited_goes_to_other_threads() {
    sent::<Answered<Ping>>();
    sent::<BoxCodec>();
    sent::<ByteSink>();
    sent::<ByteStream>();
    sent::<Call<Ping>>();
    sent::<ClientService>();
    sent::<Connection>();
    sent::<Connector>();
    sent::<Decoder>();
    sent::<ExpectedCall<Ping>>();
    sent::<Failure<NoError>>();
    sent::<LayeredAnswer>();
    sent::<LayeredCall>();
    sent::<NamedCall>();
    sent::<NamedNotification>();
    sent::<Notification<Note>>();
    sent::<PeerService>();
    sent::<Router>();
    sent::<LayeredResponder>();
    sent::<RunningScript>();
    sent::<Script>();
    sent::<NamedCallWith<(), fn(), fn()>>();
    sent::<NamedNotificationWith<fn()>>();
    sent::<Serve<TcpListener>>();
    sent::<StartTlsCall>();
    sent::<SinkOf<String>>();
    sent::<StreamOf<String>>();
    sent::<Switched>();
    sent::<SwitchCall<'static>>();
    sent::<SwitchedParts>();
    sent::<TypedCalls<PeerService>>();
    sent::<blocking::Client<std::net::TcpStream>>();
    sent::<reconnect::ClientCall<(), NoError>>();
}
