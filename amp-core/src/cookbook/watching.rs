//! Seeing what happens: traces, metrics, and what is on the wire.
//!
//! Each call is a span of `tracing` on both sides. So what a responder logs belongs to the call that it answers. All
//! names are in [`observing`](crate::observing).
//!
//! To see spans and events on the terminal, add the crate `tracing-subscriber`:
//!
//! ```toml
//! [dependencies]
//! tracing-subscriber = { version = "0.3", features = ["env-filter"] }
//! ```
//!
//! and begin `main` with this:
//!
//! ```
//! # use amp_core::{Command, Responders, testing};
//! # use std::sync::Arc;
//! # #[derive(Command)]
//! # struct Restart {}
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let written = tempfile::NamedTempFile::new()?;
//! # let there = Arc::new(written.reopen()?);
//! tracing_subscriber::fmt()
//!     .with_env_filter("amp_core=debug,info")
//! #     .with_ansi(false)
//! #     .with_writer(there)
//!     .init();
//! # let (peer, _there) = testing::pair(Responders::new(()), Responders::new(()));
//! # peer.call_remote(Restart {}).await.expect_err("nobody answers it");
//! # peer.close().await;
//! # let written = std::fs::read_to_string(written.path())?;
//! # for shown in ["call{", "no responder for a call", "\"Restart\"", "the connection has ended"] {
//! #     assert!(written.contains(shown), "no {shown} in:\n{written}");
//! # }
//! # Ok(()) }
//! ```
//!
//! It shows the calls, what went wrong, and why connections ended.
//!
//! A [`WireLog`](crate::WireLog) shows the boxes of a connection. It hides the values that you name:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Command, Connection, Context, NoError, Responders, WireLog};
//! use std::sync::{Arc, Mutex};
//!
//! #[derive(Command)]
//! struct Login {
//!     user: String,
//!     password: String,
//! }
//!
//! let lines = Arc::new(Mutex::new(Vec::new()));
//! let written = Arc::clone(&lines);
//! // Without `to`, they are events of the level TRACE.
//! let log = WireLog::new()
//!     .hide(["password"])
//!     .to(move |line| written.lock().unwrap().push(line.text.to_owned()));
//!
//! let (near, far) = tokio::io::duplex(1024);
//! let login = async |_: Context, Login { .. }: Login| Ok::<_, NoError>(());
//! let _there = Connection::new(far).responders(Responders::new(()).respond(login)).spawn();
//! let peer = Connection::new(near).wire_log(log).spawn();
//! peer.call_remote(Login { user: "ann".to_owned(), password: "xyzzy".to_owned() }).await?;
//!
//! let lines = lines.lock().unwrap().join("\n");
//! assert!(lines.contains("ann") && !lines.contains("xyzzy"), "{lines}");
//! assert_eq!(peer.counters().boxes_sent, 1);
//! # Ok(()) }
//! ```
//!
//! With the feature `metrics`, calls, durations, connections and bytes go to any exporter for the crate `metrics`.
//! Install the exporter before the first connection. For Prometheus, add:
//!
//! ```toml
//! [dependencies]
//! metrics-exporter-prometheus = { version = "0.18", default-features = false }
//! ```
//!
//! `install_recorder` gives the program the text of the metrics, to show it where it likes. With that crate's feature
//! `http-listener`, `install` serves them by HTTP on port 9000 instead.
//!
#![cfg_attr(feature = "metrics", doc = "```")]
#![cfg_attr(not(feature = "metrics"), doc = "```ignore")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Command, Context, NoError, Responders, testing};
//! use metrics_exporter_prometheus::PrometheusBuilder;
//!
//! #[derive(Command)]
//! struct Restart {}
//!
//! let metrics = PrometheusBuilder::new().install_recorder()?;
//!
//! let restart = async |_: Context, Restart {}: Restart| Ok::<_, NoError>(());
//! let responders = Responders::new(()).respond(restart);
//! let (peer, _there) = testing::pair(Responders::new(()), responders);
//! peer.call_remote(Restart {}).await?;
//! let text = metrics.render();
//! let count = r#"amp_calls_total{side="asking",command="Restart",outcome="answered"} 1"#;
//! assert!(text.contains(count), "{text}");
//! # Ok(()) }
//! ```
//!
//! - **One connection**: [`Peer::counters`](crate::Peer::counters), and
//!   [`Peer::running_responders`](crate::Peer::running_responders).
//! - **An error with its causes**, on one line: [`Report`](crate::Report).
//! - **A trace over several processes** needs an argument for the identifier of the caller's span, in a struct that
//!   commands `#[amp(flatten)]`. The responder makes that span the parent of its own.
