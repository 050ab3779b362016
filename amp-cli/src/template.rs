//! Arguments to fill in.

use amp_core::schema::{BoxSchema, InnerBox, WireType};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// An object with a value for each argument. Of cases it is the first. Dynamic values read it as it is, but
/// for ends of streams, which have none, and boxes that contain themselves, which are to be filled in.
pub(crate) fn of(schema: &BoxSchema) -> Value {
    let parts = schema.parts();
    let tags = parts.iter().flat_map(|part| part.arguments()).filter_map(|tag| {
        let WireType::OneOf(texts) = &tag.wire_type else { return None };
        Some((&*tag.name, &**texts.first()?))
    });
    let firsts: HashMap<_, _> = tags.collect();
    let parts = schema.parts_where(|tag| firsts.get(tag).copied());
    let arguments = parts.iter().flat_map(|part| part.arguments());
    let pairs = arguments.map(|argument| (argument.name.clone(), sample(&argument.wire_type)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn sample(wire_type: &WireType) -> Value {
    match wire_type {
        WireType::OneOf(texts) => json!(texts.first()),
        WireType::Of(form, inner) if form == "ListOf" => json!([sample(inner)]),
        WireType::Of(_, inner) => sample(inner),
        WireType::Box(InnerBox::Of(schema)) => of(schema),
        WireType::AmpList(InnerBox::Of(schema)) => json!([of(schema)]),
        // It is empty where it contains itself, or would never end.
        WireType::AmpList(InnerBox::Outer(_)) => json!([]),
        WireType::Box(InnerBox::Outer(_)) => json!({}),
        WireType::Named(name) => match &**name {
            "Integer" => json!(0),
            "Float" => json!(0.5),
            "Boolean" => json!(false),
            "Decimal" => json!("0.00"),
            "DateTime" => json!("2000-01-01T00:00:00.000000-00:00"),
            "IpAddressBytes" => json!("192.0.2.1"),
            "IpNetworkBytes" => json!("192.0.2.0/24"),
            "Descriptor" => json!({ "file": "FILE", "access": "r" }),
            _ => json!("text"),
        },
        _ => json!("text"),
    }
}
