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
//! | `amp.AMP`, `CommandLocator` | [`Responders`](crate::Responders) |
//! | `@Sum.responder` | [`Responders::respond`](crate::Responders::respond) |
//! | `callRemote(Sum, a=1, b=2)` | [`peer.call_remote(Sum { a: 1, b: 2 })`](crate::Peer::call_remote) |
//! | `callRemoteString` | [`Peer::call_by_name`](crate::Peer::call_by_name) |
//! | `RemoteAmpError`, `UnknownRemoteError`, `UnhandledCommand` | [`CallError::Remote`](crate::CallError::Remote) |
//! | `ProtocolSwitchCommand` | [`ProtocolSwitch`](crate::ProtocolSwitch) |
//! | `StartTLS` | `Peer::start_tls`, with the feature `tls` |
//! | `connectionLost` | [`Peer::closed`](crate::Peer::closed) |
//!
//! # Step 1: import the classes
//!
//! `ampctl import python` prints what the classes are on the wire. It runs in the Python of the service, and
//! executes no more of it than the commands need. Arguments of its own it calls with samples; what it has
//! found so stays marked until a file of hints confirms it.
//!
//! ```console
//! $ ampctl import python shop.commands --path src --hints hints.toml > wire.schema
//! ampctl: a hint file has to say, or to confirm, what these arguments are on the wire:
//!
//! # probed: src/shop/commands.py:84: Custom, argument compressed
//! [argument."shop.arguments.CompressedAmpList"]
//! wire = "Zlib(base)"
//! ```
//!
//! What it says are lines for the file. With `--strict` it fails until all of them are there. Where a command
//! may be missing, since a module is not there or something is only known when the program runs, a line says
//! where. (`amp-cli/tests/import.rs`; and `amp-cli/tests/guide.rs`, which runs the commands of this page)
//!
//! # Step 2: generate
//!
//! ```console
//! $ ampctl generate rust wire.schema --hints hints.toml --keep-names --by-hand src/by_hand.rs --responders src/responders.rs > src/commands.rs
//! $ ampctl generate markdown wire.schema > COMMANDS.md
//! ```
//!
//! The code is committed. `--keep-names` writes the names of its types into the hints, so that another
//! command never renames one; there, integers get their widths as well: `[rust.integers]`, `serial = "u128"`.
//! Arguments that this crate has no type for are written by hand, in a file that `--by-hand` begins, as
//! `--responders` begins that of the responders; neither is written again. (`amp-cli/tests/generate.rs`; and
//! `examples/trial`, whose commands are generated from those of Twisted's own trial)
//!
//! # Step 3: hold both sides together
//!
//! A test runs both programs again. It fails when somebody changes a class, and when the code is stale.
//! [`SchemaRecord::agree`](crate::testing::SchemaRecord::agree) compares what the compiler has made of the
//! code with what the classes are.
//!
//! ```no_run
//! # mod commands { pub fn schema() -> amp_core::schema::Schema { Default::default() } }
//! use amp_core::testing::{PrintedRecord, SchemaRecord};
//! use std::process::Command;
//!
//! fn ampctl(arguments: &str) -> Command {
//!     let mut ampctl = Command::new("ampctl");
//!     ampctl.args(arguments.split(' '));
//!     ampctl
//! }
//!
//! let import = ampctl("import python shop.commands --path src --hints hints.toml --strict");
//! PrintedRecord::new("wire.schema", import).check();
//! let generate = ampctl("generate rust wire.schema --hints hints.toml");
//! PrintedRecord::new("src/commands.rs", generate).check();
//! SchemaRecord::new("wire.schema").schema(commands::schema()).agree();
//! ```
//!
//! # Step 4: one command at a time
//!
//! The new service stands before the old one. What it does not answer itself it passes on, by its name and
//! without knowing it; so the commands move over one after another. Each client has a connection of its own to
//! the old service, and the two end together: where Twisted closes its connection, as it does after an error
//! that nobody declares, the client finds its own closed, as it always did.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{AmpBox, CallError, Peer, ReceivedCall, RemoteError, Responders, testing};
//! # use amp_core::{Arguments, Command, Context, NoError};
//! # #[derive(Command)] #[amp(response = Total)] struct Sum { a: i64, b: i64 }
//! # #[derive(Command)] #[amp(response = Total)] struct Product { a: i64, b: i64 }
//! # #[derive(Arguments, Debug, PartialEq)] struct Total { total: i64 }
//! use std::time::Duration;
//!
//! async fn pass_on(old: Peer, call: ReceivedCall) -> Result<AmpBox, RemoteError> {
//!     let arguments = call.arguments.iter();
//!     let answer = if call.requires_answer {
//!         old.call_by_name(&call.command, arguments).await
//!     } else {
//!         old.notify_by_name(&call.command, arguments).await.map(|()| AmpBox::new())
//!     };
//!     answer.map_err(|error| match error {
//!         // Its errors go on as they are, declared ones too.
//!         CallError::Remote(error) => error,
//!         _ => RemoteError::new("UNKNOWN", "the old service has not answered"),
//!     })
//! }
//!
//! async fn end_with(old: Peer, client: Peer) {
//!     tokio::select! {
//!         // What it has answered last is handed on first.
//!         _ = old.closed() => client.close_gracefully(Duration::from_secs(5)).await,
//!         _ = client.closed() => old.close().await,
//!     }
//! }
//!
//! // Over a socket, to Twisted:
//! # let product = async |_: Context, Product { a, b }: Product| Ok::<_, NoError>(Total { total: a * b });
//! # let twisted = Responders::new(()).respond(product);
//! let (old, _service) = testing::pair(Responders::new(()), twisted);
//! // Rust answers Sum by now, and Twisted all the rest.
//! let sum = async |_: Context, Sum { a, b }: Sum| Ok::<_, NoError>(Total { total: a + b });
//! let passed_on = old.clone();
//! let new = Responders::new(()).respond(sum).fallback(move |call| pass_on(passed_on.clone(), call));
//!
//! let (client, server) = testing::pair(Responders::new(()), new);
//! tokio::spawn(end_with(old, server));
//! assert_eq!(client.call_remote(Sum { a: 2, b: 3 }).await?.total, 5);
//! assert_eq!(client.call_remote(Product { a: 2, b: 3 }).await?.total, 6);
//! # Ok(()) }
//! ```
//!
//! Calls that the old service makes of its clients go back the same way, so each client has a connection of
//! its own to it. Protocol switches and descriptors can be passed on too: `examples/proxy.rs`. With Twisted
//! behind it, this is `tests/tests/from_twisted.rs`.
//!
//! # What failures look like from the other side
//!
//! Where Rust answers, a Twisted client sees
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
//! With [`FailurePolicy::Close`](crate::FailurePolicy::Close) the connection is closed where Twisted closes
//! it: after failures that are not declared. What it says of those is then Twisted's `Unknown Error`, without
//! a reference.
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
//! # Testing both sides
//!
//! - In Rust, [`testing::pair`](crate::testing::pair) and [`testing::Script`](crate::testing::Script) need no
//!   Twisted: see [`tests`](super::tests).
//! - A test that starts the other side waits until that has printed where it listens, and gives it a socket
//!   in a folder of its own: `tests/src/peer.rs` and `tests/python/peer.py` do so.
//! - For values at random in both directions, and each error, `amp-cli/tests/generate.rs` has a Twisted peer
//!   that knows its commands only by their classes: `tests/python/trade_peer.py`.
//! - Tests in Python can run on workers of trial that are children of a program in Rust: `examples/trial`.
//!
//! # What Twisted cannot speak
//!
//! Its `amp.ListOf` is for elements that need nothing but themselves: lists of lists of boxes, of compressed
//! values and of descriptors it cannot write. It has no values over 65 535 bytes, none that are compressed,
//! and no JSON. For all of these there are classes in the package
//! `amp-arguments`, which `pip install ./amp-arguments` installs from this repository. Enums with fixed texts
//! are `amp.Unicode()` there, or `OneOf`. What only this crate has is on the wire what any peer can
//! refuse: the codes with which calls are told not to have been acted upon, and `_Schema`, which hands out the
//! schema, if it is asked to.
