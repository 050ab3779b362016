//! A command that asks who is calling.

use amp_core::{Arguments, Command, Context, NoError, Responders};
use amp_unix::PeerCredentials;

#[derive(Command, Debug)]
#[amp(response = Caller)]
pub(crate) struct WhoAmI {}

#[derive(Arguments, Debug)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
}

/// Tells each caller which user it is.
pub(crate) fn telling_callers() -> Responders {
    Responders::new(()).respond(async |context: Context, _: WhoAmI| {
        Ok::<_, NoError>(Caller { uid: context.get::<PeerCredentials>().unwrap().uid })
    })
}
