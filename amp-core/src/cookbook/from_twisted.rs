//! From Twisted, step by step.
//!
//! A service in Twisted can go over to Rust one command at a time, and stay half way for as long as it
//! likes: both sides are one protocol. The steps are below, and each of them is a program or a test of this
//! repository.
//!
//! # The names side by side
//!
//! | Twisted | here |
//! |---|---|
//! | `class Sum(amp.Command)` | `#[derive(Command)] struct Sum` |
//! | `arguments` | the fields of the struct |
//! | `response` | `#[amp(response = Total)]`, a struct that derives [`Arguments`](macro@crate::Arguments) |
//! | `errors`, `fatalErrors` | `#[amp(error = E)]`, an enum that derives [`CommandError`](macro@crate::CommandError); `#[amp(fatal)]` |
//! | `commandName` | `#[amp(name = "...")]` |
//! | `requiresAnswer = False` | `#[amp(one_way)]`, sent by [`Peer::notify`](crate::Peer::notify), or by `call_remote` as [`Answered`](crate::Answered) |
//! | `(b"left-hand", amp.Unicode())` | `#[amp(rename = "left-hand")] left_hand: String` |
//! | `optional=True` | `Option<T>` |
//! | a key that says which of the `optional=True` ones are there | an enum that derives [`Arguments`](macro@crate::Arguments), with `#[amp(tag = "key")]` |
//! | `amp.Integer()`, `amp.String()`, `amp.AmpList(...)` and the others | the table of [`argument`](crate::argument) |
//! | arguments that commands share by inheritance | `#[amp(flatten)]` |
//! | `amp.Descriptor()` | `amp_unix::Descriptor` |
//! | a subclass of `amp.Argument` with `toString` and `fromString`, or `toStringProto` and `fromStringProto` | a type of one's own that implements [`Argument`](trait@crate::Argument), with `to_string_proto` and `from_string_proto` |
//! | `amp.AMP`, `CommandLocator` | [`Responders`](crate::Responders) |
//! | `amp.AMP(locator=...)` | [`Connection::responders`](crate::Connection::responders) |
//! | a responder that returns a `Deferred` | an `async` function; all responders are |
//! | `Factory`, `listenTCP`, endpoints that listen | [`serve`](crate::serve), [`serve_with`](crate::serve_with); `tls::TlsListener` for TLS, `amp_unix::UnixSocketListener` for Unix sockets |
//! | `connectTCP`, endpoints that connect | [`tcp::connect`](crate::tcp::connect), `tls::connect`, `amp_unix::connect` |
//! | `ReconnectingClientFactory`, `ClientService` | [`reconnect::Connector`](crate::reconnect::Connector) |
//! | `@Sum.responder` | [`Responders::respond`](crate::Responders::respond) |
//! | `callRemote(Sum, a=1, b=2)` | [`peer.call_remote(Sum { a: 1, b: 2 })`](crate::Peer::call_remote) |
//! | `callRemoteString` | [`Peer::call_by_name`](crate::Peer::call_by_name) |
//! | `RemoteAmpError`, `UnknownRemoteError`, `UnhandledCommand` | [`CallError::Remote`](crate::CallError::Remote) |
//! | `ProtocolSwitchCommand` | [`ProtocolSwitch`](crate::ProtocolSwitch) |
//! | `StartTLS` | `Peer::start_tls`, with the feature `tls` |
//! | `self.transport.getPeer()` | [`Peer::peer_address`](crate::Peer::peer_address) |
//! | `self.transport.loseConnection()` | [`Peer::close`](crate::Peer::close) |
//! | `connectionLost` | [`Peer::closed`](crate::Peer::closed) |
//!
//! # Step 1: import the classes
//!
//! The service stays where it is, and a crate begins beside it. Here they are the folders `service`, which has
//! a package `shop` with the service's commands in it (in this repository it is `tests/service`), and `front`,
//! and this repository is cloned beside both as `amp`:
//!
//! ```sh
//! cargo install --path amp/amp-cli
//! cargo new front
//! cd front
//! touch hints.toml
//! ```
//!
//! `ampctl import python` prints what the classes are on the wire. It runs in the Python of the service, which is
//! `python3` unless `--python` says another, and executes no more of the service than the commands need.
//! Arguments of its own it calls with samples; what it has found so stays marked until a file of hints confirms
//! it.
//!
//! ```console
//! $ ampctl import python shop.commands --path ../service --hints hints.toml > wire.schema
//! ampctl: a hint file has to say, or to confirm, what these arguments are on the wire:
//!
//! # probed: ../service/shop/commands.py:33: Stock, response items
//! [argument."shop.arguments.CompressedAmpList"]
//! wire = "Zlib(base)"
//! ```
//!
//! What it says are lines for the file `hints.toml`. With `--strict` it fails until all of them are there. Where a
//! command may be missing, since a module is not there or something is only known when the program runs, a line
//! says where. (`amp-cli/tests/import.rs`; and `amp-cli/tests/guide.rs`, which runs the commands of this page)
//!
//! # Step 2: generate
//!
//! ```console
//! $ ampctl import python shop.commands --path ../service --hints hints.toml --strict > wire.schema
//! $ ampctl generate rust wire.schema --hints hints.toml --keep-names --by-hand src/by_hand.rs --responders src/responders.rs > src/commands.rs
//! $ ampctl generate markdown wire.schema > COMMANDS.md
//! ```
//!
//! The code is committed. `--keep-names` writes the names of its types into the hints, so that another
//! command never renames one; there, integers get their widths as well: `[rust.integers]`, `serial = "u128"`.
//! Arguments that this crate has no type for are written by hand, in a file that `--by-hand` begins where there
//! are any, as `--responders` begins that of the responders; neither is written again. (`amp-cli/tests/generate`;
//! and `examples/trial`, whose commands are generated from those of Twisted's own trial)
//!
//! They are the modules of a library, `src/lib.rs`, with a line `mod by_hand;` where there is such a file:
//!
//! ```text
//! pub mod commands;
//! pub mod responders;
//! ```
//!
//! The code needs, in `Cargo.toml`,
//!
//! ```toml
//! [dependencies]
//! amp-core = { path = "../amp/amp-core", features = ["zlib"] }
//! bytes = "1"
//! thiserror = "2"
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "sync", "time"] }
//!
//! [dev-dependencies]
//! amp-core = { path = "../amp/amp-core", features = ["testing"] }
//! ```
//!
//! and more where the schema has certain types:
//!
//! | a type of the schema | needs |
//! |---|---|
//! | `Zlib`, `ContinuedZlib` | amp-core's feature `zlib` |
//! | `Json` | its feature `json`, and the crate `serde_json` |
//! | `IpNetworkBytes` | its feature `ipnet`, and the crate `ipnet` |
//! | `Descriptor` | the crate `amp-unix` |
//! | `Integer`, with a hint that says `BigInt` or `BigUint` | its feature `num-bigint`, and the crate `num-bigint` |
//!
//! # Step 3: hold both sides together
//!
//! A test runs both programs again. It fails when somebody changes a class, and when the code is stale.
//! [`SchemaRecord::agree`](crate::testing::SchemaRecord::agree) compares what the compiler has made of the
//! code with what the classes are. It is a function in `tests/agree.rs` with `#[test]` above it, and in it:
//!
//! ```no_run
//! # mod front { pub mod commands { pub fn schema() -> amp_core::schema::Schema { Default::default() } } }
//! use amp_core::testing::{PrintedRecord, SchemaRecord};
//! use std::process::Command;
//!
//! fn ampctl(arguments: &str) -> Command {
//!     let mut ampctl = Command::new("ampctl");
//!     ampctl.args(arguments.split(' '));
//!     ampctl
//! }
//!
//! let import = ampctl("import python shop.commands --path ../service --hints hints.toml --strict");
//! PrintedRecord::new("wire.schema", import).check();
//! let generate = ampctl("generate rust wire.schema --hints hints.toml");
//! PrintedRecord::new("src/commands.rs", generate).check();
//! SchemaRecord::new("wire.schema").schema(front::commands::schema()).agree();
//! ```
//!
//! Where a change is meant, `AMP_RECORD=all cargo test` writes the schema and the code anew, and fails once more,
//! since what it runs was compiled of the old code; run again, it passes. Which changes break the programs that
//! are out there, `ampctl check` says, of the schema as it was committed and as it is:
//!
//! ```console
//! $ ampctl check git:HEAD:wire.schema wire.schema
//! ```
//!
//! # Step 4: one command at a time
//!
//! The new service stands before the old one. What it does not answer itself it passes on, by its name and
//! without knowing it; so the commands move over one after another. Each client has a connection of its own to
//! the old service, and the two end together: where Twisted closes its connection, as it does after an error
//! that nobody declares, the client finds its own closed, as it always did. What the old service calls of its
//! clients goes back the same way. This is all of `src/main.rs`:
//!
//! ```no_run
//! # mod front { pub mod responders { pub fn responders() -> amp_core::Responders { amp_core::Responders::new(()) } } }
//! use amp_core::{Connection, Peer, ReceivedCall, Responders, tcp};
//! use front::responders::responders;
//! use std::env;
//! use std::io;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::net::{TcpListener, TcpStream};
//! use tokio::sync::SetOnce;
//! use tokio::time::sleep;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut arguments = env::args().skip(1);
//!     let (Some(here), Some(there)) = (arguments.next(), arguments.next()) else {
//!         return Err("it takes an address to listen on, and that of the old service".into());
//!     };
//!     let listener = TcpListener::bind(here).await?;
//!     println!("listening on {}", listener.local_addr()?);
//!     loop {
//!         match listener.accept().await {
//!             Ok((stream, _)) => {
//!                 let there = there.clone();
//!                 tokio::spawn(async move {
//!                     if let Err(error) = stand_before(&there, stream).await {
//!                         eprintln!("no connection to {there}: {error}");
//!                     }
//!                 });
//!             }
//!             Err(error) => {
//!                 // For want of descriptors, say: others will give theirs back.
//!                 eprintln!("cannot accept a connection: {error}");
//!                 sleep(Duration::from_millis(100)).await;
//!             }
//!         }
//!     }
//! }
//!
//! async fn stand_before(old_address: &str, stream: TcpStream) -> io::Result<()> {
//!     // Each side's responders are to know the other, and one of the two is there first.
//!     let client = Arc::new(SetOnce::<Peer>::new());
//!     let calls_back = Arc::clone(&client);
//!     let back = Responders::new(()).fallback(move |call: ReceivedCall| {
//!         let client = Arc::clone(&calls_back);
//!         async move { call.pass_on(client.wait().await).await }
//!     });
//!     let old = tcp::connect(old_address).await?.responders(back).spawn();
//!     let passed_on = old.clone();
//!     let new = responders().fallback(move |call: ReceivedCall| call.pass_on(&passed_on));
//!     let server = Connection::tcp(stream)?.responders(new).spawn();
//!     let _ = client.set(server.clone());
//!     end_with(old, server).await;
//!     Ok(())
//! }
//!
//! async fn end_with(old: Peer, client: Peer) {
//!     tokio::select! {
//!         // What it has answered last is handed on first.
//!         _ = old.closed() => {
//!             client.close_gracefully(Duration::from_secs(5)).await;
//!         }
//!         _ = client.closed() => old.close().await,
//!     }
//! }
//! ```
//!
//! `src/responders.rs` is begun with all commands. Only what has moved over stays in it, so that the fallback has
//! the rest; here that is `Price`:
//!
//! ```
//! # mod commands {
//! #     #[derive(amp_core::Command)] #[amp(response = PriceResponse, error = PriceError)]
//! #     pub struct Price { pub item: String }
//! #     #[derive(amp_core::Arguments)] pub struct PriceResponse { pub cents: i64 }
//! #     #[derive(amp_core::CommandError, Debug, thiserror::Error)]
//! #     pub enum PriceError { #[error("{0}")] NoSuchItem(String) }
//! # }
//! # mod responders {
//! use amp_core::{Context, Responders};
//!
//! use super::commands::{Price, PriceError, PriceResponse};
//!
//! /// Returns what answers the peer.
//! pub fn responders() -> Responders {
//!     Responders::new(()).respond(price)
//! }
//!
//! /// Answers `Price`.
//! async fn price(_context: Context, command: Price) -> Result<PriceResponse, PriceError> {
//!     match &*command.item {
//!         "apple" => Ok(PriceResponse { cents: 30 }),
//!         "pear" => Ok(PriceResponse { cents: 45 }),
//!         other => Err(PriceError::NoSuchItem(format!("no {other}"))),
//!     }
//! }
//! # }
//! # fn main() { responders::responders(); }
//! ```
//!
//! With the old service on port 4001, its clients find on port 4000 what they found there, and `Price` is
//! answered in Rust:
//!
//! ```console
//! $ cargo run -- 127.0.0.1:4000 127.0.0.1:4001
//! listening on 127.0.0.1:4000
//! ```
//!
//! Protocol switches and descriptors can be passed on too: `examples/proxy.rs`. How calls fail through it is
//! tested in `tests/tests/from_twisted.rs`; and `.ci/from-twisted` takes all the steps of this page, in an empty
//! folder.
//!
//! # What failures look like from the other side
//!
//! After a failure that its command does not declare, Twisted closes the connection. By default this crate keeps
//! it, and describes the failure by a reference to the log. A service whose clients rely on being cut off sets
//! [`FailurePolicy::Close`](crate::FailurePolicy::Close) with
//! [`Connection::failure_policy`](crate::Connection::failure_policy): then the connection is closed where
//! Twisted closes it, and the description is Twisted's `Unknown Error`, without a reference.
//!
//! Where Rust answers, with the default, a Twisted client sees
//!
//! | in Rust | the exception in Twisted | the connection |
//! |---|---|---|
//! | a declared error | the one of `errors`, with what the error displays | goes on |
//! | a declared error that is `fatal` | the one of `fatalErrors` | is closed |
//! | any other failure, or a panic | `UnknownRemoteError`, with a reference to the log in place of the cause | goes on |
//! | an argument is missing | `UnknownRemoteError` | goes on |
//! | an argument does not decode | `UnknownRemoteError` | goes on |
//! | the response is not what the client reads | whatever its argument raises | goes on |
//! | there is no responder | `UnhandledCommand` | goes on |
//! | the connection ends | `ConnectionDone` or `ConnectionLost` | is closed |
//!
//! Where Twisted answers, a client in Rust sees
//!
//! | in Twisted | the error in Rust | the connection |
//! |---|---|---|
//! | an exception of `errors` | `CallError::Command` | goes on |
//! | an exception of `fatalErrors` | `CallError::Command` | is closed |
//! | any other exception | `CallError::Remote`, `is_unknown` | is closed |
//! | an argument is missing | `CallError::Remote`, `is_unknown` | is closed |
//! | an argument does not decode | `CallError::Remote`, `is_unknown` | is closed |
//! | the response is not what the client reads | `CallError::Decode` | goes on |
//! | there is no responder | `CallError::Remote`, `is_unhandled` | goes on |
//! | the connection ends | `CallError::Closed` | is closed |
//!
//! # Where this differs from Twisted
//!
//! A peer can tell this crate from Twisted by two things. The first is the default after failures, which is
//! described above. The second are the cases of this table: with `FailurePolicy::Close`, all other conversations of
//! the compliance suite go byte for byte as with Twisted.
//!
//! | what the peer sends | Twisted | this crate | why |
//! |---|---|---|---|
//! | the empty box behind a whole one | closes, and drops the answer that it has not sent yet | answers the call, then closes | a call that was good is answered, whatever follows it |
//! | an argument whose key comes before `_` | sorts it before `_ask`, `_answer` and `_command` | writes it behind these | the protocol's own keys come first in every box, where peers look for them |
//! | `StartTLS` to a peer without a certificate | makes one for this connection | answers `UNHANDLED` | a certificate that nobody can check protects nobody |
//! | a command name that is not ASCII | closes | answers `UNHANDLED` | a command with any name is answered |
//! | a call back that fails | answers the call that led to it with `UNKNOWN` and the description of that error, and goes on | answers with `UNKNOWN` and `Unknown Error`, as after any failure that is not declared | what another call failed with is told to the log, not to the peer |
//! | `_error` beside `_command` | as above | as above | what another call failed with is told to the log, not to the peer |
//! | an error without a description | closes | fails the call with that error | a description is for people, and may be missing |
//! | an answer to no call | closes | drops the answer, and goes on | a call that was given up may still be answered |
//! | an error to no call | closes | drops the error, and goes on | a call that was given up may still be answered |
//! | an Integer of 5000 digits | refuses it | reads it | Python's limit on digits is not the protocol's |
//! | a Path with dots | makes `/a/b/d` of `/a//b/./c/../d` | leaves it as it came | a path means what the file system says, and is passed on as it came |
//! | a ListOf that is cut short | reads the elements that are whole | refuses it | a value that is cut short is refused, not shortened |
//! | an AmpList that is cut short | reads the boxes that are whole | refuses it | a value that is cut short is refused, not shortened |
//!
//! `ampctl comply` holds these conversations with any peer; with `--differences ours` it says of each which
//! side of the table it expects. (`amp-cli/tests/comply.rs`)
//!
//! # Testing both sides
//!
//! - In Rust, [`testing::pair`](crate::testing::pair) and [`testing::Script`](crate::testing::Script) need no
//!   Twisted: see [`tests`](super::tests).
//! - A test that starts the other side waits until that has printed where it listens, and gives it a socket
//!   in a folder of its own: `tests/src/peer.rs` and `tests/python/peer.py` do so.
//! - For values at random in both directions, and each error, `amp-cli/tests/spoken.rs` has a Twisted peer
//!   that knows its commands only by their classes: `tests/python/trade_peer.py`.
//! - Tests in Python can run on workers of trial that are children of a program in Rust: `examples/trial`.
//!
//! # What Twisted cannot speak
//!
//! Its `amp.ListOf` is for elements that need nothing but themselves: lists of lists of boxes, of compressed
//! values and of descriptors it cannot write. It has no values over 65 535 bytes, none that are compressed,
//! and no JSON. For all of these there are classes in the package `amp-arguments`, which
//! `pip install ./amp-arguments` installs from this repository. Enums with fixed texts are `amp.Unicode()`
//! there, or `OneOf`. Keys are ASCII, since it makes names of Python of them; `ampctl generate python` says
//! where a schema has others, and what else of it classes do not say. What only this crate has is on the wire
//! what any peer can refuse: the codes with which calls are told not to have been acted upon, and `_Schema`,
//! which hands out the schema, if it is asked to.
