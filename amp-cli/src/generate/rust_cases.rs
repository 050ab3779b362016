//! The enums that cases of a schema are.

use amp_core::schema::{ArgumentSchema, BoxSchema, CaseSchema, WireType};

use super::boxes::is_outer;
use super::rust::Writer;
use super::rust_docs::doc_comment;
use super::rust_items::{Variant, allowed_of_variants, attribute, joined, variants};
use super::text::{code, says_nothing};
use crate::mistake::Mistake;

impl Writer<'_> {
    /// An enum whose variants are the cases of this tag.
    pub(super) fn tagged(
        &mut self,
        schema: &BoxSchema,
        tag: &ArgumentSchema,
        place: &str,
        candidates: &[String],
        strict: bool,
    ) -> Result<String, Mistake> {
        let WireType::OneOf(texts) = &tag.wire_type else {
            return Err(Mistake::new(format!("{place}: a tag is one of a few texts")));
        };
        if self.secrets.contains(&tag.name) {
            let key = code(&tag.name);
            self.lost
                .insert(format!("{place}: that {key} is secret is not said, since it is a tag"));
        }
        let early = is_outer(schema, 0, 1).then(|| self.name(place, candidates, place));
        let is_box = self.beside == 0;
        self.around.extend(is_box.then(|| early.clone()));
        let owner = early.clone().unwrap_or_else(|| candidates[0].clone());
        let mut found: Vec<Variant> = Vec::new();
        for (name, text) in variants(texts, |text| text) {
            let is_of = |case: &&CaseSchema| case.tag == tag.name && case.text == *text;
            let case = schema.cases().iter().find(is_of);
            self.is_variant = true;
            let (fields, _) = match case {
                Some(case) => self.fields(&case.arguments, &format!("{place}.{text}"), &owner)?,
                None => Default::default(),
            };
            self.is_variant = false;
            let docs = case.map(|case| case.docs.clone()).filter(|docs| !says_nothing(docs));
            let docs = docs.unwrap_or_else(|| format!("{}.", code(text)));
            found.push(Variant { name, text: text.clone(), docs, fields });
        }
        if is_box {
            self.around.pop();
        }
        let lines: Vec<_> = found.iter().flat_map(Variant::lines).collect();
        let shape = early.as_ref().map_or_else(
            || format!("{strict} enum by {}: {}", tag.name, lines.join(" ")),
            |_| place.to_owned(),
        );
        let derives = self.derives("Arguments", schema);
        Ok(self.item(place, candidates, &shape, |name| {
            let mut options = vec![format!("tag = {:?}", tag.name)];
            options.extend(strict.then(|| "strict".to_owned()));
            let docs = format!("One of a few boxes, which {} tells apart.", code(&tag.name));
            let mut written = doc_comment(&docs, "");
            let names = found.iter().map(|variant| &*variant.name);
            written.extend(allowed_of_variants(name, names));
            written.push(format!("#[derive({derives})]"));
            written.extend(attribute(&options, ""));
            written.push(format!("pub enum {name} {{"));
            written.extend(lines);
            written.push("}".to_owned());
            joined(&written)
        }))
    }
}
