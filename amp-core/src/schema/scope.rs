use super::{BoxSchema, InnerBox};

/// The box that an argument stands in, and those around it. A type may refer to one of them.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// From the outermost to the box itself, which is always there.
    boxes: Vec<&'a BoxSchema>,
}

impl<'a> Scope<'a> {
    /// Creates the scope of a box that is inside of no other box.
    pub fn new(schema: &'a BoxSchema) -> Self {
        Self { boxes: vec![schema] }
    }

    /// Returns what is in the box itself.
    pub fn schema(&self) -> &'a BoxSchema {
        self.boxes[self.boxes.len() - 1]
    }

    /// Returns the scope of a box inside of this one's values. `None` when it refers to a box further out than there are.
    pub fn inside(&self, inner: &'a InnerBox) -> Option<Self> {
        let mut boxes = self.boxes.clone();
        match inner {
            InnerBox::Of(schema) => boxes.push(schema),
            InnerBox::Outer(0) => return None,
            InnerBox::Outer(levels) => {
                let len = (boxes.len() + 1).checked_sub(*levels).filter(|len| *len > 0)?;
                boxes.truncate(len);
            }
        }
        Some(Self { boxes })
    }
}
