use std::sync::Arc;
use std::time::Duration;

use crate::argument::UnknownKeys;
use crate::observing::{Process, WireLog};
use crate::proto::{FailurePolicy, Limits, Together};
use crate::restraint::Restraint;

/// How a connection deals with what comes over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) policy: FailurePolicy,
    pub(crate) call_timeout: Option<Duration>,
    pub(crate) unknown_keys: UnknownKeys,
    pub(crate) wire_log: Option<WireLog>,
    /// Restrains the events that tell of failed calls.
    pub(crate) failures: Arc<Restraint>,
    /// Which process the peer is, for those who watch.
    pub(crate) process: Option<Process>,
    /// What the connections of the same server hold together.
    pub(crate) together: Option<Arc<Together>>,
}
