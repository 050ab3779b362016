//! The types of a schema that this crate knows.

use super::Scope;
use crate::argument::Scheme;
use crate::schema::WireType;

/// A box that says to be one of those around it, of which there are not as many.
pub(super) const NOWHERE: &str = "a box that is to be one around it, and none is there,";

/// The form that a value is written in.
pub(super) enum Form<'a> {
    Integer,
    /// Values of types that nothing is known of are bytes too.
    Bytes,
    Text,
    OneOf(&'a [String]),
    Float,
    Boolean,
    Decimal,
    DateTime,
    #[cfg(feature = "json")]
    Json,
    IpAddress,
    #[cfg(feature = "ipnet")]
    IpNetwork,
    Attachment,
    /// An end of a stream: an Integer to be looked at.
    Stream,
    ListOf(&'a WireType),
    #[cfg(feature = "zlib")]
    Zlib(&'a WireType),
    /// Over several keys.
    Parts(Scheme, &'a WireType),
    Box(Scope<'a>),
    AmpList(Scope<'a>),
    /// A box that the schema says to be one of those around it, and that is not.
    Nowhere,
    /// Of a type that a feature knows which is not there. As other bytes it would be another value as soon
    /// as any crate of the program has the feature.
    #[cfg_attr(all(feature = "ipnet", feature = "json", feature = "zlib"), expect(dead_code))]
    Without(&'static str),
}

impl<'a> Form<'a> {
    pub(super) fn of(wire_type: &'a WireType, scope: &Scope<'a>) -> Self {
        match wire_type {
            WireType::Named(name) => Self::named(name),
            WireType::OneOf(texts) => Form::OneOf(texts),
            WireType::Of(form, inner) => match &**form {
                "ListOf" => Form::ListOf(inner),
                #[cfg(feature = "zlib")]
                "Zlib" => Form::Zlib(inner),
                #[cfg(not(feature = "zlib"))]
                "Zlib" => Form::Without("a Zlib, without the feature `zlib` of amp-core,"),
                "StreamOf" | "SinkOf" => Form::Stream,
                "Numbered" => Form::Parts(Scheme::FromZero, inner),
                "Continued" => Form::Parts(Scheme::PlainFirst, inner),
                #[cfg(feature = "zlib")]
                "ContinuedZlib" => Form::Parts(Scheme::Compressed, inner),
                #[cfg(not(feature = "zlib"))]
                "ContinuedZlib" => {
                    Form::Without("a ContinuedZlib, without the feature `zlib` of amp-core,")
                }
                _ => Form::Bytes,
            },
            WireType::Box(inner) => scope.inside(inner).map_or(Form::Nowhere, Form::Box),
            WireType::AmpList(inner) => scope.inside(inner).map_or(Form::Nowhere, Form::AmpList),
            WireType::Unknown(_) => Form::Bytes,
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "Integer" => Form::Integer,
            "Unicode" | "Path" => Form::Text,
            "Float" => Form::Float,
            "Boolean" => Form::Boolean,
            "Decimal" => Form::Decimal,
            "DateTime" => Form::DateTime,
            #[cfg(feature = "json")]
            "Json" => Form::Json,
            #[cfg(not(feature = "json"))]
            "Json" => Form::Without("JSON, without the feature `json` of amp-core,"),
            "IpAddressBytes" => Form::IpAddress,
            #[cfg(feature = "ipnet")]
            "IpNetworkBytes" => Form::IpNetwork,
            #[cfg(not(feature = "ipnet"))]
            "IpNetworkBytes" => {
                Form::Without("an IP network, without the feature `ipnet` of amp-core,")
            }
            "Descriptor" => Form::Attachment,
            "ByteStream" | "ByteSink" => Form::Stream,
            _ => Form::Bytes,
        }
    }
}
