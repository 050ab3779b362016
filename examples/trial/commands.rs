// Written from trial.schema by ampctl. What is changed here is lost.
use amp_core::schema::Schema;
use amp_core::{Arguments, Command};
use bytes::Bytes;

/// An answer with `success`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Success {
    /// `Boolean` on the wire.
    pub success: bool,
}

/// Add an error.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success, rename_all = "camelCase")]
pub struct AddError {
    /// `Unicode` on the wire.
    pub error_class: String,
    /// `Integer` on the wire.
    pub error_stream_id: i64,
    /// `Integer` on the wire.
    pub frames_stream_id: i64,
    /// `Unicode` on the wire.
    pub test_name: String,
}

/// Add an expected failure.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success, rename_all = "camelCase")]
pub struct AddExpectedFailure {
    /// `Integer` on the wire.
    pub error_stream_id: i64,
    /// `Unicode` on the wire.
    pub test_name: String,
    /// `Unicode` on the wire.
    pub todo: String,
}

/// Add a failure.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success, rename_all = "camelCase")]
pub struct AddFailure {
    /// `Unicode` on the wire.
    pub fail_class: String,
    /// `Integer` on the wire.
    pub fail_stream_id: i64,
    /// `Integer` on the wire.
    pub frames_stream_id: i64,
    /// `Unicode` on the wire.
    pub test_name: String,
}

/// Add a skip.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success)]
pub struct AddSkip {
    /// `Unicode` on the wire.
    pub reason: String,
    /// `Unicode` on the wire.
    #[amp(rename = "testName")]
    pub test_name: String,
}

/// Add a success.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success)]
pub struct AddSuccess {
    /// `Unicode` on the wire.
    #[amp(rename = "testName")]
    pub test_name: String,
}

/// Add an unexpected success.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success)]
pub struct AddUnexpectedSuccess {
    /// `Unicode` on the wire.
    #[amp(rename = "testName")]
    pub test_name: String,
    /// `Unicode` on the wire.
    pub todo: String,
}

/// Run a test.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success)]
pub struct Run {
    /// `Unicode` on the wire.
    #[amp(rename = "testCase")]
    pub test_case: String,
}

/// Set up the worker process, giving the running directory.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success)]
pub struct Start {
    /// `Unicode` on the wire.
    pub directory: String,
}

/// An answer with `streamId`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Opened {
    /// `Integer` on the wire.
    #[amp(rename = "streamId")]
    pub stream_id: i64,
}

/// Open a new stream.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Opened)]
pub struct StreamOpen;

/// Write a chunk of data to a stream.
#[derive(Clone, Command, Debug, PartialEq)]
pub struct StreamWrite {
    /// `String` on the wire.
    pub data: Bytes,
    /// `Integer` on the wire.
    #[amp(rename = "streamId")]
    pub stream_id: i64,
}

/// Write test log.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = Success)]
pub struct TestWrite {
    /// `Unicode` on the wire.
    pub out: String,
}

/// Returns what these commands are on the wire, to be compared with what they were written from.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = Schema::default();
    schema.add::<AddError>();
    schema.add::<AddExpectedFailure>();
    schema.add::<AddFailure>();
    schema.add::<AddSkip>();
    schema.add::<AddSuccess>();
    schema.add::<AddUnexpectedSuccess>();
    schema.add::<Run>();
    schema.add::<Start>();
    schema.add::<StreamOpen>();
    schema.add::<StreamWrite>();
    schema.add::<TestWrite>();
    schema
}
