//! What is inside of the boxes of a schema.

use amp_core::schema::{BoxSchema, InnerBox, WireType};

use super::rust_types::is_stream;

/// A box and those inside of it, which are finitely many: one that contains itself says so by how far out
/// that is.
pub(super) fn boxes_in(schema: &BoxSchema) -> Vec<&BoxSchema> {
    let mut found = vec![schema];
    for part in schema.parts() {
        if !std::ptr::eq(part, schema) {
            found.push(part);
        }
        for key in part.arguments() {
            let mut wire_type = &key.wire_type;
            while let WireType::Of(_, inner) = wire_type {
                wire_type = inner;
            }
            if let WireType::Box(InnerBox::Of(inner)) | WireType::AmpList(InnerBox::Of(inner)) =
                wire_type
            {
                found.extend(boxes_in(inner));
            }
        }
    }
    found
}

/// Whether descriptors or ends of streams are in it.
pub(super) fn has_one_owner(schema: &BoxSchema) -> bool {
    fn is_one(wire_type: &WireType) -> bool {
        match wire_type {
            WireType::Named(name) => matches!(&**name, "ByteSink" | "ByteStream" | "Descriptor"),
            WireType::Of(form, inner) => is_stream(form) || is_one(inner),
            _ => false,
        }
    }
    let boxes = boxes_in(schema);
    boxes.iter().flat_map(|part| part.arguments()).any(|argument| is_one(&argument.wire_type))
}

/// Whether a box that is so many boxes inside of this one is this one again, from so far inside at least.
pub(super) fn is_outer(schema: &BoxSchema, depth: usize, least: usize) -> bool {
    fn looks(wire_type: &WireType, depth: usize, least: usize) -> bool {
        match wire_type {
            WireType::Of(_, inner) => looks(inner, depth, least),
            WireType::Box(inner) | WireType::AmpList(inner) => match inner {
                InnerBox::Outer(levels) => depth >= least && *levels == depth + 1,
                InnerBox::Of(schema) => is_outer(schema, depth + 1, least),
            },
            _ => false,
        }
    }
    let mut arguments = schema.parts().into_iter().flat_map(BoxSchema::arguments);
    arguments.any(|argument| looks(&argument.wire_type, depth, least))
}
