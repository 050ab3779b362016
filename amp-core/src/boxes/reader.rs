use super::{AmpBox, Value};

/// Takes the values of a received box, key by key.
#[derive(Debug)]
pub struct BoxReader<'a> {
    ampbox: &'a AmpBox,
    /// The place behind the last one taken: arguments are mostly taken in the order of keys.
    next: usize,
}

impl<'a> BoxReader<'a> {
    /// A reader of `ampbox`.
    pub fn new(ampbox: &'a AmpBox) -> Self {
        Self { ampbox, next: 0 }
    }

    /// The value of `key`.
    pub fn take(&mut self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        let at = match self.ampbox.key_at(self.next) {
            Some(next) if next == key => self.next,
            _ => self.ampbox.find(key).ok()?,
        };
        self.next = at + 1;
        Some(self.ampbox.value_at(at))
    }

    /// The box that is read.
    pub fn ampbox(&self) -> &'a AmpBox {
        self.ampbox
    }
}
