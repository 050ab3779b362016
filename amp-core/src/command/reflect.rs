use super::{Arguments, Command, NoError};
use crate::argument::{Argument, Continued, DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter};
use crate::schema::{BoxSchema, WireTypes};

/// Asks for the [schema](crate::schema) of the commands that the peer answers: a command named
/// `_Schema`, without arguments.
///
/// `Responders::respond_schema` answers it, and nothing does without that: what a server can do is
/// not for everybody to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reflect;

/// The answer to [`Reflect`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reflected {
    /// A [`Schema`](crate::schema::Schema) as its text.
    pub schema: String,
}

const KEY: &str = "schema";

impl Reflected {
    /// Returns the answer with this text.
    pub fn new(schema: String) -> Self {
        Self { schema }
    }
}

impl Arguments for Reflect {
    fn write_to(&self, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn read_from(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn schema(_: &mut WireTypes) -> BoxSchema {
        BoxSchema::new()
    }
}

/// The text may be longer than one value.
impl Arguments for Reflected {
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        Continued(std::borrow::Cow::Borrowed(&*self.schema)).to_box(KEY, out, proto)
    }

    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Continued::from_box(KEY, input, proto).map(|Continued(schema)| Self { schema })
    }

    fn schema(types: &mut WireTypes) -> BoxSchema {
        Continued::<String>::box_schema(KEY, types)
    }
}

impl Command for Reflect {
    const NAME: &'static str = "_Schema";
    const IS_IDEMPOTENT: bool = true;
    const DOCS: &'static str = "Asks for the schema of the commands that are answered.";

    type Response = Reflected;
    type Error = NoError;
}
