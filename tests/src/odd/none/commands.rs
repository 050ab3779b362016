// Written from none.schema by ampctl. What is changed here is lost.
use amp_core::schema::Schema;

/// Returns what these commands are on the wire, to be compared with what they were written from.
#[must_use]
pub fn schema() -> Schema {
    Schema::default()
}
