//! A proxy that shows what passes.
//!
//! Bytes and descriptors are passed on as they came, and a copy of the bytes is looked at. So nothing
//! that is said can be changed by that, and what cannot be read is passed on all the same.

mod link;
mod private;
mod proxy;
mod saving;
mod stats;
mod view;
mod wire;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::process::ExitCode;

use crate::mistake::Mistake;
use crate::watch_options::Tap;

pub(crate) fn tap(options: &Tap) -> Result<ExitCode, Mistake> {
    // Each descriptor that passes is open here for a moment, and the soft limit is often 1024 where the
    // hard one is much higher.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    proxy::run(options)
}
