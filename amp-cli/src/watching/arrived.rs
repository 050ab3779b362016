use amp_core::argument::{Attachment, AttachmentKind, Attachments};
use amp_core::{DecodeError, EncodeError, Value};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many of the latest descriptors of one direction are remembered: boxes that name older ones are
/// shown without saying what those are.
const REMEMBERED: usize = 4096;

/// What the descriptors of one direction are, of which the latest are remembered.
#[derive(Default)]
pub(crate) struct Arrived {
    /// Says whether nobody says what descriptors are.
    are_unknown: bool,
    /// How many there were before the remembered ones.
    forgotten: u64,
    /// What each is, as JSON.
    are: VecDeque<String>,
}

/// A descriptor that a box names: what it is, as JSON.
struct Named(String);

impl Arrived {
    /// Descriptors of which nobody says anything.
    pub(crate) fn unknown() -> Self {
        Self { are_unknown: true, ..Self::default() }
    }

    /// How many have come so far, which is the ordinal of the next one.
    pub(crate) fn count(&self) -> u64 {
        self.forgotten + self.are.len() as u64
    }

    /// One more has come, and is this.
    pub(crate) fn push(&mut self, is: String) {
        if self.are.len() == REMEMBERED {
            self.are.pop_front();
            self.forgotten += 1;
        }
        self.are.push_back(is);
    }
}

/// Boxes are only looked at, so a descriptor can be named more than once.
impl Attachments for &Arrived {
    fn kind(&self) -> Option<AttachmentKind> {
        Some(AttachmentKind::of::<Named>("a descriptor"))
    }

    fn attach(&mut self, _: Attachment) -> Result<u64, EncodeError> {
        Err(EncodeError::custom("descriptors are only looked at here"))
    }

    fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        let place = ordinal.checked_sub(self.forgotten).and_then(|at| usize::try_from(at).ok());
        let is = match place.and_then(|at| self.are.get(at)) {
            Some(is) => is.clone(),
            None if self.are_unknown || ordinal < self.forgotten => {
                json!({ "descriptor": ordinal }).to_string()
            }
            None => {
                let text = ordinal.to_string();
                return Err(DecodeError::malformed(
                    "the ordinal of a descriptor that has come",
                    Value::from(text.as_bytes()),
                ));
            }
        };
        Ok(Arc::new(Named(is)))
    }
}

/// What a descriptor that a box names is, as JSON.
pub(super) fn shown(attachment: &Attachment) -> String {
    let named = attachment.downcast_ref::<Named>();
    named.map_or_else(|| "null".to_owned(), |named| named.0.clone())
}
