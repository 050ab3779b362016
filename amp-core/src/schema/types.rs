/// Describes types on the wire. A type gets the [`WireType`](super::WireType) of the types inside of it from this, even if
/// types contain themselves.
///
/// If an [`Argument`](crate::Argument) that you implement by hand is written as another type, it returns
/// [`of`](WireTypes::of) that type.
#[derive(Debug, Default)]
pub struct WireTypes {
    /// The types that are being described, from the outside to the inside.
    frames: Vec<Frame>,
    /// The keys that are marked as secret, in all boxes that were described.
    secrets: Vec<String>,
}

#[derive(Debug)]
struct Frame {
    type_name: &'static str,
    is_box: bool,
}

impl WireTypes {
    /// Notes that the values of this key are not to be shown.
    pub fn secret(&mut self, key: &str) {
        self.secrets.push(key.to_owned());
    }

    /// Returns the keys that were noted so.
    pub(crate) fn into_secrets(self) -> Vec<String> {
        self.secrets
    }

    /// Describes a value.
    pub(crate) fn within_value<R>(
        &mut self,
        type_name: &'static str,
        describe: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.describe(Frame { type_name, is_box: false }, describe)
    }

    /// Describes a box.
    pub(crate) fn within_box<R>(
        &mut self,
        type_name: &'static str,
        describe: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.describe(Frame { type_name, is_box: true }, describe)
    }

    /// Returns in how many values of this type the current one stands.
    pub(crate) fn values_around(&self, type_name: &'static str) -> usize {
        let is_one = |frame: &&Frame| !frame.is_box && frame.type_name == type_name;
        self.frames.iter().filter(is_one).count()
    }

    /// Returns how many boxes the nearest box of this type is away, if the current value stands in
    /// one: 1 is the box that it stands in itself.
    pub(crate) fn box_around(&self, type_name: &'static str) -> Option<usize> {
        let mut boxes = self.frames.iter().rev().filter(|frame| frame.is_box);
        boxes.position(|frame| frame.type_name == type_name).map(|at| at + 1)
    }

    fn describe<R>(&mut self, frame: Frame, describe: impl FnOnce(&mut Self) -> R) -> R {
        self.frames.push(frame);
        let described = describe(self);
        self.frames.pop();
        described
    }
}
