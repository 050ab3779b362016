//! Calls that were recorded, made again; and a server that answers as it has answered then.

mod client;
mod recorded;
mod server;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;

use self::recorded::Recorded;
use crate::mistake::{Mistake, none_of};
use crate::peering::Target;
use crate::running::{run, until_interrupted};
use crate::watch_options::Replay;
use crate::watching::Entry;

pub(crate) fn replay(options: &Replay) -> Result<ExitCode, Mistake> {
    let Replay { record, peer, serve, saved, allow_not_made } = options;
    let name = record.display().to_string();
    let text = fs::read_to_string(record)
        .map_err(|error| Mistake::new(format!("cannot read the record {name}: {error}")))?;
    let saved = saved.as_deref().map(Arc::from);
    let recorded = |target: &Target| {
        let recorded = Entry::read_all(&text)
            .and_then(|entries| Recorded::new(&entries, target, saved.as_ref()));
        recorded.map_err(|mistake| mistake.at(&name))
    };
    if *serve {
        let flags = peer.flags_of_callers().chain([("--allow-not-made", *allow_not_made)]);
        none_of(flags, "it is for whoever calls, and --serve waits to be called")?;
        let target = peer.listening()?;
        let recorded = recorded(&target)?;
        return run(server::serve(target, recorded));
    }
    let respond = [("--respond", peer.respond.is_some())];
    none_of(respond, "the peer's calls are answered as they were when they were recorded")?;
    let mut target = peer.target()?;
    // A mistake in the record is one whatever the schema is.
    recorded(&target)?;
    until_interrupted(async {
        if target.reflects() {
            target.learn().await?;
        }
        client::run(recorded(&target)?, target, *allow_not_made).await
    })
}
