//! What was done about each call, so that nothing is done twice, and nothing for nobody.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of a call, which is on the wire: who made it, and which of theirs it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallId(pub(crate) u64);

/// One book for each that makes calls one after the other.
pub(crate) struct Ledger {
    books: Vec<Mutex<Vec<Entry>>>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// How often it may be acted upon.
    most: u8,
    acted: u8,
    heeded: u8,
    confirmed: u8,
}

impl CallId {
    /// The book of whoever made it.
    pub(crate) fn book(self) -> usize {
        usize::try_from(self.0 >> 32).expect("a book is a small number")
    }

    fn number(self) -> usize {
        usize::try_from(self.0 & u64::from(u32::MAX)).expect("a usize has 32 bits")
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of book {}", self.number(), self.book())
    }
}

impl Ledger {
    pub(crate) fn new(books: usize) -> Self {
        Self { books: (0..books).map(|_| Mutex::default()).collect() }
    }

    /// A new call that may be acted upon so often.
    pub(crate) fn begin(&self, book: usize, most: u8) -> CallId {
        let mut entries = lock(&self.books[book]);
        let number = entries.len();
        entries.push(Entry { most, ..Entry::default() });
        CallId((book as u64) << 32 | number as u64)
    }

    /// The server acts upon a call.
    pub(crate) fn act(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| {
            entry.acted = entry.acted.saturating_add(1);
            match *entry {
                Entry { most, acted, .. } if acted <= most => Ok(()),
                Entry { most: 0, .. } => Err(format!("{call} was acted upon, and never sent")),
                Entry { most, acted, .. } => {
                    Err(format!("{call} was acted upon {acted} times, {most} at most are right"))
                }
            }
        })
    }

    /// The caller has its answer, so somebody has acted.
    pub(crate) fn answered(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| match entry.acted {
            0 => Err(format!("{call} was answered, and not acted upon")),
            _ => Ok(()),
        })
    }

    /// The caller knows that the call was not sent, or could not be acted upon.
    pub(crate) fn not_acted(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| {
            entry.most = 0;
            match entry.acted {
                0 => Ok(()),
                acted => Err(format!("{call} was acted upon {acted} times, and should not be")),
            }
        })
    }

    /// The client heeds what the server tells it.
    pub(crate) fn heed(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| {
            entry.heeded = entry.heeded.saturating_add(1);
            match entry.heeded {
                1 => Ok(()),
                times => Err(format!("the Heed of {call} came {times} times")),
            }
        })
    }

    /// What was to be heeded has been, once.
    pub(crate) fn heeded(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| match entry.heeded {
            1 => Ok(()),
            times => Err(format!("{call} should have been heeded once, and was {times} times")),
        })
    }

    /// The client confirms, having heeded.
    pub(crate) fn confirm(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| {
            entry.confirmed = entry.confirmed.saturating_add(1);
            match *entry {
                Entry { confirmed: 1, heeded: 1, .. } => Ok(()),
                Entry { heeded: 0, .. } => {
                    Err(format!("the Confirm of {call} came before the Heed sent ahead of it"))
                }
                Entry { confirmed, .. } => {
                    Err(format!("the Confirm of {call} came {confirmed} times"))
                }
            }
        })
    }

    /// The server has called back, and the client must have confirmed.
    pub(crate) fn confirmed(&self, call: CallId) -> Result<(), String> {
        self.change(call, |entry| match entry.confirmed {
            1 => Ok(()),
            times => Err(format!("the Confirm of {call} was answered, and came {times} times")),
        })
    }

    fn change(
        &self,
        call: CallId,
        change: impl FnOnce(&mut Entry) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut entries = self.books.get(call.book()).map(lock);
        match entries.as_mut().and_then(|entries| entries.get_mut(call.number())) {
            Some(entry) => change(entry),
            None => Err(format!("nobody has made {call}")),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_twice_or_for_nobody_is_seen() {
        let ledger = Ledger::new(2);
        let call = ledger.begin(1, 1);
        assert!(ledger.answered(call).is_err());
        assert!(ledger.act(call).is_ok());
        assert!(ledger.answered(call).is_ok());
        assert!(ledger.not_acted(call).is_err());
        assert!(ledger.act(call).is_err());

        let unsent = ledger.begin(1, 1);
        assert!(ledger.not_acted(unsent).is_ok());
        assert!(ledger.act(unsent).is_err());

        for unknown in [CallId(0), CallId(1 << 32 | 2), CallId(2 << 32)] {
            assert!(ledger.act(unknown).is_err());
        }
    }

    #[test]
    fn a_confirmation_comes_once_and_behind_what_was_to_be_heeded() {
        let ledger = Ledger::new(1);
        let [early, good] = [(); 2].map(|()| ledger.begin(0, 1));
        assert!(ledger.confirm(early).is_err());
        assert!(ledger.confirmed(good).is_err());
        assert!(ledger.heed(good).is_ok());
        assert!(ledger.confirm(good).is_ok());
        assert!(ledger.confirmed(good).is_ok());
        assert!(ledger.heed(good).is_err());
        assert!(ledger.confirm(good).is_err());
    }
}
