//! What the descriptions of errors that have fields are without the feature `json`: a mistake that says so.

/// Stands in for what `#[derive(CommandError)]` expands to calls.
#[derive(Debug, Default)]
pub struct DescribedInJson(());

/// The type of a field, which none is here.
#[diagnostic::on_unimplemented(
    message = "an error's variant with named fields needs the feature `json` of amp-core",
    label = "this field would be sent as JSON",
    note = "`cargo add amp-core --features json`, or give the variant no field, or one without a name"
)]
pub trait SentAsJson {}

impl DescribedInJson {
    /// Reads nothing.
    pub fn read(_: &str) -> Option<Self> {
        None
    }

    /// Takes no field.
    pub fn take<T>(&mut self, _: &str) -> Option<T> {
        None
    }

    /// Adds no field.
    pub fn put<T: SentAsJson>(&mut self, _: &str, _: &T) {}

    /// Returns nothing.
    pub fn into_text(self) -> String {
        String::new()
    }
}
