//! The protocol without any input or output: tags, outstanding calls, what is to be sent.
//!
//! [`Protocol`] is one side of one connection. It takes received boxes ([`handle_box`](Protocol::handle_box)) and
//! returns events. It takes calls and answers, and returns bytes to send ([`outgoing`](Protocol::outgoing)). It knows
//! no sockets, no clocks and no tasks. So it can run in a thread that blocks, and in a test that cuts its bytes
//! anywhere.
//!
//! ```
//! use amp_core::proto::{Body, Event, Protocol, ProtocolLimits};
//! use amp_core::AmpBox;
//! use amp_core::boxes::{BoxLimits, Decoder};
//! use bytes::BytesMut;
//!
//! let mut asking = Protocol::<()>::new(ProtocolLimits::default());
//! let mut answering = Protocol::<()>::new(ProtocolLimits::default());
//!
//! // One side calls,
//! let id = asking.call(b"Ping", &mut Body::default(), ())?;
//! let mut wire = BytesMut::from(&asking.outgoing().take_bytes()[..]);
//! assert_eq!(&wire[..], b"\0\x04_ask\0\x011\0\x08_command\0\x04Ping\0\0");
//!
//! // the other one answers,
//! let mut decoder = Decoder::new(BoxLimits::default());
//! let ampbox = decoder.decode(&mut wire)?.unwrap();
//! let Event::Called(call) = answering.handle_box(ampbox)? else { panic!() };
//! assert_eq!(call.command(), b"Ping");
//! answering.answer(call.tag().unwrap(), &mut Body::default())?;
//! let mut wire = BytesMut::from(&answering.outgoing().take_bytes()[..]);
//!
//! // and the answer finds its call.
//! let ampbox = decoder.decode(&mut wire)?.unwrap();
//! assert!(matches!(asking.handle_box(ampbox)?, Event::Answered { .. }));
//! assert!(asking.take_answer(id).unwrap().is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Those who make and answer calls need but a part of it.
#![cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "a connection needs all of it"))]

mod admission;
mod body;
mod box_number;
mod calls;
mod core;
#[cfg(feature = "tokio")]
mod drive;
mod ending;
pub(crate) mod error;
mod farewell;
pub(crate) mod held;
mod host;
mod inbound;
mod lanes;
#[cfg(feature = "tokio")]
mod leftover;
pub(crate) mod limit_kind;
pub(crate) mod limits;
mod liveness;
mod not_queued;
mod outgoing;
#[cfg(feature = "tokio")]
mod parking;
mod phase;
pub(crate) mod policy;
#[cfg(feature = "tokio")]
mod portions;
mod protocol;
pub(crate) mod reason;
#[cfg(feature = "tokio")]
pub(crate) mod refused;
mod released;
mod stint;
mod surplus;
mod switch;
#[cfg(all(any(test, fuzzing), feature = "tokio"))]
pub(crate) mod tests;
mod timers;
mod together;
mod unclaimed;
mod unfinished;
mod waiters;
mod wants;

pub(crate) use self::core::Core;
#[cfg(feature = "tokio")]
pub(crate) use self::core::STREAM_CALLS;
pub use self::core::{Answer, Counters, Event, IncomingCall};
pub use body::Body;
pub(crate) use body::Scratch;
pub use calls::CallId;
pub use error::ProtocolError;
pub(crate) use error::RemoteError;
pub(crate) use host::Host;
pub(crate) use limit_kind::LimitKind;
pub(crate) use limits::Limits;
pub use limits::ProtocolLimits;
pub use not_queued::{NotQueued, SwitchRefused, TooManyCalls};
pub use outgoing::Outgoing;
pub(crate) use policy::FailurePolicy;
pub use protocol::Protocol;
pub(crate) use reason::CloseReason;

#[cfg(feature = "tokio")]
pub(crate) use self::core::{Answers, CallOutcome, Failed};
pub(crate) use inbound::Inbound;
#[cfg(feature = "tokio")]
pub(crate) use refused::RefusedAttachment;

#[cfg(all(any(test, fuzzing), feature = "tokio"))]
pub(crate) use portions::Portions;
#[cfg(feature = "tokio")]
pub(crate) use {
    admission::{Busy, Refusal},
    box_number::BoxNumber,
    drive::{
        AnsweredBy, BUFFERS_KEPT, Drive, Hands, LOOK_EVERY, Line, Next, Note, Ping, Rest, Watched,
    },
    ending::Ending,
    inbound::{Reading, WaitingCall},
    lanes::{LaneId, Place, Turn},
    leftover::{Leftover, NextLeft},
    liveness::{Liveness, Pings},
    outgoing::removing::Removed,
    parking::Parking,
    phase::End,
    released::Released,
    stint::Stint,
    switch::{Leaving, Then},
    timers::{Timer, Timers},
    together::{Share, Together},
    unclaimed::{Claimed, dropped_for},
    waiters::RoomPlace,
    wants::Public,
};
#[cfg(all(test, feature = "tls"))]
pub(crate) use {
    drive::READ_AT_ONCE,
    inbound::LARGE_BUFFERS,
    together::{HELD_UNCOUNTED, SPARED},
};
