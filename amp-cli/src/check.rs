//! Which changes break peers.

use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

use crate::mistake::Mistake;
use crate::on_line::{OnLine, plain_json};
use crate::options::{Check, Format};
use crate::schemas;

pub(crate) fn check(options: &Check, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let (old, new) = (schemas::load(&options.old)?, schemas::load(&options.new)?);
    let changes = new.changes_since(&old);
    let written = match options.format {
        Format::Text => changes.iter().try_for_each(|change| {
            let what = change.to_string();
            writeln!(out, "{} {}", if change.breaks { "breaks" } else { "passes" }, OnLine(&what))
        }),
        Format::Json => {
            let changes = changes.iter().map(
                |change| json!({ "breaks": change.breaks, "at": change.at, "what": change.what }),
            );
            let changes = changes.collect::<serde_json::Value>();
            writeln!(out, "{}", plain_json(format_args!("{changes:#}")))
        }
        Format::Github => changes.iter().try_for_each(|change| {
            let (kind, title) =
                if change.breaks { ("error", "breaks peers") } else { ("notice", "passes") };
            // What GitHub would take for the end of the message.
            let message = change.to_string().replace('%', "%25").replace('\n', "%0A");
            let message = message.replace('\r', "%0D");
            writeln!(out, "::{kind} title=AMP: {title}::{message}")
        }),
    };
    written.map_err(|error| Mistake::new(error.to_string()))?;
    let breaks = changes.iter().any(|change| change.breaks);
    Ok(if breaks { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
