//! Schemas are read or refused, and what is read is written as it was read.

#![no_main]

use amp_core::schema::Schema;

libfuzzer_sys::fuzz_target!(|text: &str| {
    // Two schemas, of which one is the other's past.
    let (old, new) = text.split_once("\n---\n").unwrap_or((text, ""));
    let [old, new] = [old, new].map(|text| {
        let schema: Schema = text.parse().ok()?;
        let written = schema.to_string();
        assert_eq!(written.parse().as_ref(), Ok(&schema), "{written}");
        assert_eq!(written.parse::<Schema>().expect("it was read before").to_string(), written);
        assert_eq!(schema.changes_since(&schema).len(), 0, "nothing has changed");
        Some(schema)
    });
    if let (Some(old), Some(new)) = (old, new) {
        let changes = new.changes_since(&old);
        assert!(old != new || changes.is_empty(), "{changes:?}");
        let mut merged = new.clone();
        match merged.merge(old.clone()) {
            Ok(()) => {
                for (name, command) in old.commands().chain(new.commands()) {
                    assert_eq!(merged.command(name), Some(command));
                }
            }
            Err(clash) => {
                assert_ne!(old.command(&clash.command), new.command(&clash.command));
                assert_eq!(merged, new, "nothing was added");
            }
        }
    }
});
