//! What programs may do with the types of this crate from any thread: what a compiler proves of them is
//! part of the API, and a field could take it away unseen.

use amp_core::argument::{DateTimeError, DecimalError, Extensions};
use amp_core::dynamic::{Integer, IntegerError, JsonError, Value as DynamicValue, Values};
use amp_core::login::{Attempt, Login, NoMoreAttempts};
use amp_core::proto::{Core, NotQueued, ProtocolError, SwitchRefused, TooManyCalls};
use amp_core::reconnect::{self, Backoff, Client, ConnectError, Connector, NotConnected, State};
use amp_core::router::{BoundRoute, Route, RouteError, RouteName, Router, RouterLimits, Routes};
use amp_core::schema::{Schema, SchemaError};
use amp_core::streams::{ByteSink, ByteStream, SinkError, SinkOf, StreamError, StreamOf};
use amp_core::tls::{TlsConfigError, TlsError, TlsListener};
use amp_core::{
    AmpBox, BoxError, BoxLimits, Call, CallError, Clash, CloseReason, Connection, Context,
    DecodeError, EncodeError, Failure, FailurePolicy, Limits, NamedCall, NamedNotification,
    NoError, Peer, PeerAddress, Ping, ReceivedCall, RefusedAttachment, RemoteError, Responders,
    Serve, Switched, UnknownKeys, WireLog, blocking,
};
use std::error::Error;
use tokio::net::TcpListener;

fn sent<T: Send + 'static>() {}
fn shared<T: Send + Sync + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}

#[test]
fn errors_go_anywhere() {
    error::<BoxError>();
    error::<CallError>();
    error::<Clash>();
    error::<CloseReason>();
    error::<ConnectError>();
    error::<DateTimeError>();
    error::<DecimalError>();
    error::<DecodeError>();
    error::<EncodeError>();
    error::<IntegerError>();
    error::<JsonError>();
    error::<NoError>();
    error::<NoMoreAttempts>();
    error::<NotConnected>();
    error::<NotQueued>();
    error::<ProtocolError>();
    error::<RefusedAttachment>();
    error::<RemoteError>();
    error::<RouteError>();
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
    shared::<Attempt>();
    shared::<BoundRoute>();
    shared::<Client>();
    shared::<Context<String>>();
    shared::<Core<()>>();
    shared::<DynamicValue>();
    shared::<Extensions>();
    shared::<Integer>();
    shared::<Login>();
    shared::<Peer>();
    shared::<PeerAddress>();
    shared::<ReceivedCall>();
    shared::<Responders<String>>();
    shared::<Route>();
    shared::<RouteName>();
    shared::<Routes>();
    shared::<Schema>();
    shared::<State>();
    shared::<Values>();
    shared::<WireLog>();
}

#[test]
fn settings_are_shared_by_threads() {
    shared::<Backoff>();
    shared::<BoxLimits>();
    shared::<FailurePolicy>();
    shared::<Limits>();
    shared::<RouterLimits>();
    shared::<TlsListener<TcpListener>>();
    shared::<UnknownKeys>();
}

#[test]
fn what_is_set_up_and_what_is_awaited_goes_to_other_threads() {
    sent::<ByteSink>();
    sent::<ByteStream>();
    sent::<Call<Ping>>();
    sent::<Connection>();
    sent::<Connector>();
    sent::<Failure<NoError>>();
    sent::<NamedCall>();
    sent::<NamedNotification>();
    sent::<Router>();
    sent::<Serve<TcpListener>>();
    sent::<SinkOf<String>>();
    sent::<StreamOf<String>>();
    sent::<Switched>();
    sent::<blocking::Client<std::net::TcpStream>>();
    sent::<reconnect::ClientCall<(), NoError>>();
}
