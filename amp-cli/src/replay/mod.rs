//! Calls that were recorded, made again; and a server that answers as it has answered then.

mod client;
mod recorded;
mod server;

use std::fs;
use std::process::ExitCode;

use self::recorded::Recorded;
use crate::mistake::Mistake;
use crate::running::{run, until_interrupted};
use crate::watch_options::Replay;
use crate::watching::Entry;

pub(crate) fn replay(options: &Replay) -> Result<ExitCode, Mistake> {
    let name = options.record.display().to_string();
    let text = fs::read_to_string(&options.record)
        .map_err(|error| Mistake::new(format!("cannot read the record {name}: {error}")))?;
    let known = options.peering.known()?;
    let schema = known.schema.clone();
    let recorded = Entry::read_all(&text).and_then(|entries| Recorded::new(&entries, schema));
    let recorded = recorded.map_err(|mistake| mistake.at(&name))?;
    if options.serve {
        run(server::serve(known.address, recorded))
    } else {
        until_interrupted(client::run(known, recorded))
    }
}
