//! How a side is set up.

use std::time::Duration;

use crate::proto::FailurePolicy;

/// How a side is set up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    pub(super) watched: Vigil,
    /// What becomes of the connection when a responder fails.
    pub(super) policy: FailurePolicy,
    /// Whether a lone caller writes its call itself.
    pub(super) lends: bool,
    /// Whether several threads run those who call.
    pub(super) shares_threads: bool,
    /// Whether all that it holds counts among what both do, however little.
    pub(super) counts_all: bool,
}

/// By what a side finds out whether its peer is alive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vigil {
    pub(super) idle: Option<Duration>,
    pub(super) first_box: Option<Duration>,
    /// How often a ping is sent, and how long its answer may take.
    pub(super) ping: Option<(Duration, Duration)>,
}
