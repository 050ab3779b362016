//! Panics of a user's code that runs in a task which others share.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::report::Escaped;

/// The text that somebody's code panicked with.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a panic: {}", Escaped(text))]
pub struct Panic {
    /// The text as it is.
    pub text: Box<str>,
}

impl Panic {
    fn of(payload: &(dyn Any + Send)) -> Self {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "with something other than text",
        };
        Self { text: text.into() }
    }
}

/// Runs code of a user's.
///
/// # Errors
///
/// When that panics.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let panic = Panic::of(&*payload);
        // A payload's own drop is the user's too. If that panics, what it panics with is leaked, since its drop may
        // panic as well.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(second);
        }
        panic
    })
}

/// Polls code of a user's until it is done, or panics.
pub(crate) async fn caught_future<T>(future: impl Future<Output = T>) -> Result<T, Panic> {
    let mut future = pin!(future);
    poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    /// Panics when it is dropped, with another one.
    struct Again(usize);

    impl Drop for Again {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Again(self.0 - 1));
            }
        }
    }

    #[test]
    fn whatever_somebody_panics_with_goes_no_further() {
        for times in 0..4 {
            let panic = caught(|| panic_any(Again(times))).unwrap_err();
            assert_eq!(&*panic.text, "with something other than text");
        }
    }
}
