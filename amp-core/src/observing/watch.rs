use std::fmt;
use std::time::Instant;
use tracing::field::{Empty, display};
use tracing::{Level, Span};

use super::Measures;
use super::outcome::{Outcome, Side};
use crate::argument::PeerAddress;
use crate::error::CallError;
use crate::proto::RemoteError;

/// One call, watched on one side from its beginning to its end. Nothing but a look at what is
/// enabled is done when nobody watches.
#[derive(Default)]
pub(crate) struct Watch(Option<Box<Watched>>);

struct Watched {
    span: Span,
    started: Instant,
    ended: bool,
    #[cfg(feature = "metrics")]
    measured: super::metrics::MeasuredCall,
}

impl Watch {
    /// Creates the watch of a call that begins. Whether its command is one of the program's own, or a name that came
    /// from elsewhere, is `known`.
    #[inline]
    pub(crate) fn new(
        side: Side,
        command: &[u8],
        known: bool,
        connection: u64,
        peer: &PeerAddress,
        measures: &Measures,
    ) -> Self {
        // Where no level of this kind is wanted, tracing's feature `log` still writes out all
        // fields, and then throws them away.
        let span = if tracing::level_enabled!(Level::DEBUG) {
            tracing::debug_span!(
                target: "amp_core::call",
                "call",
                side = side.word(),
                command = %Plain(command),
                %peer,
                connection,
                tag = Empty,
                outcome = Empty,
                code = Empty,
                duration_us = Empty,
            )
        } else {
            Span::none()
        };
        if span.is_disabled() && !cfg!(feature = "metrics") {
            return Self(None);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (known, measures);
        Self(Some(Box::new(Watched {
            span,
            started: Instant::now(),
            ended: false,
            #[cfg(feature = "metrics")]
            measured: measures.call(side, known.then_some(command)),
        })))
    }

    /// Returns the call's span, or one that is disabled.
    pub(crate) fn span(&self) -> Span {
        self.0.as_ref().map_or_else(Span::none, |watched| watched.span.clone())
    }

    /// The command is one of the program's own.
    #[cfg(feature = "metrics")]
    pub(crate) fn known(&mut self, command: &[u8], measures: &Measures) {
        if let Some(watched) = &mut self.0 {
            measures.known(&mut watched.measured, command);
        }
    }

    /// The call has a tag.
    #[inline]
    pub(crate) fn tag<T: fmt::Display>(&self, tag: impl FnOnce() -> T) {
        if let Some(watched) = &self.0
            && !watched.span.is_disabled()
        {
            watched.span.record("tag", display(tag()));
        }
    }

    /// The call is over, unless it was before.
    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome, code: Option<&[u8]>) {
        if let Some(mut watched) = self.0.take() {
            watched.end(outcome, code);
        }
    }

    /// The call is over, unless it has an answer that is still to be read.
    #[inline]
    pub(crate) fn end_unless_answered<T>(
        &mut self,
        ended: &Result<Result<T, RemoteError>, CallError>,
    ) {
        match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.end(Outcome::Failed, Some(&error.code)),
            Err(error) => self.end_failed(error),
        }
    }

    /// The call is over, and has no answer.
    pub(crate) fn end_failed(&mut self, error: &CallError) {
        let outcome = match error {
            CallError::Closed(_) => Outcome::Closed,
            CallError::Timeout { .. } => Outcome::TimedOut,
            _ => Outcome::NotSent,
        };
        self.end(outcome, None);
    }

    /// The answer was read.
    #[inline]
    pub(crate) fn end_read(&mut self, readable: bool) {
        self.end(if readable { Outcome::Answered } else { Outcome::Unreadable }, None);
    }
}

impl Watched {
    fn end(&mut self, outcome: Outcome, code: Option<&[u8]>) {
        self.ended = true;
        let duration = self.started.elapsed();
        if !self.span.is_disabled() {
            self.span.record("outcome", outcome.word());
            if let Some(code) = code {
                self.span.record("code", display(Plain(code)));
            }
            let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
            self.span.record("duration_us", micros);
        }
        #[cfg(feature = "metrics")]
        self.measured.end(outcome, duration);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::Dropped, None);
        }
    }
}

/// A name as it is, but for what is not printable ASCII; no more than the beginning of a long one.
pub(crate) struct Plain<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        write!(f, "{}", self.0[..self.0.len().min(SHOWN)].escape_ascii())?;
        if self.0.len() > SHOWN { f.write_str("...") } else { Ok(()) }
    }
}
