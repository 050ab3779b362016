// What amp-core has no type for. This file is written once: it is yours.
use amp_core::boxes::{BoxReader, BoxWriter};
use amp_core::schema::{BoxSchema, WireType, WireTypes};
use amp_core::{
    AmpBox, Argument, Arguments, CommandError, DecodeError, EncodeError, Proto, Value, ValueWriter,
};
use bytes::Bytes;

/// `Foo(Integer)` on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Foo(pub Bytes);

impl Argument for Foo {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Bytes::from_string_proto(value, proto).map(Self)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Integer").in_form("Foo")
    }
}

/// `Foo(String)` on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Foo2(pub Bytes);

impl Argument for Foo2 {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Bytes::from_string_proto(value, proto).map(Self)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("String").in_form("Foo")
    }
}

/// Errors whose codes are not known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{description}")]
pub struct NoErrorCommandError {
    /// The code on the wire.
    pub code: String,
    /// What is said of it.
    pub description: String,
}

impl CommandError for NoErrorCommandError {
    fn code(&self) -> &str {
        &self.code
    }

    fn from_wire(code: &[u8], description: &str) -> Option<Self> {
        let code = String::from_utf8(code.to_vec()).ok()?;
        let description = description.to_owned();
        Some(Self { code, description })
    }
}

/// `unknown("x.Price")` on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Price(pub Bytes);

impl Argument for Price {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Bytes::from_string_proto(value, proto).map(Self)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::Unknown("x.Price".to_owned())
    }
}

/// `unknown("y.Price")` on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Price2(pub Bytes);

impl Argument for Price2 {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Bytes::from_string_proto(value, proto).map(Self)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::Unknown("y.Price".to_owned())
    }
}

/// Arguments that are only known as `a::Rest`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest(pub AmpBox);

impl Arguments for Rest {
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        self.0.write_to(out, proto)
    }

    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        AmpBox::read_from(input, proto).map(Self)
    }

    fn schema(_: &mut WireTypes) -> BoxSchema {
        BoxSchema::unknown_type("a::Rest")
    }
}
