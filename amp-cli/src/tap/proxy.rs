//! Accepting clients, and connecting to the server for each.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::sleep;

use super::link::Link;
use super::saving::Saving;
use super::view::View;
use super::wire::Wire;
use crate::address::Address;
use crate::config::Profile;
use crate::connecting::Connecting;
use crate::exit::Failure;
use crate::listening::Listening;
use crate::mistake::Mistake;
use crate::printing::tell;
use crate::running::{self, Interrupts};
use crate::schemas::{load_all, of_both};
use crate::stream::Stream;
use crate::watch_options::Tap;
use crate::watching::Schemas;

/// The time for which lines are gathered before they are written together: whoever reads them takes time of
/// the processor each time.
const GATHERED: Duration = Duration::from_millis(20);

/// Where clients come from, and where they go.
struct Route {
    address: Address,
    server: Address,
    connecting: Connecting,
    within: Duration,
    saving: Option<Saving>,
}

pub(super) fn run(options: &Tap) -> Result<ExitCode, Mistake> {
    let profile = Profile::of(&options.peer)?;
    let (connecting, within) = options.connecting.with(&profile)?;
    if connecting.route.is_some() || connecting.tls.start_tls.is_some() {
        return Err(Mistake::new(
            "--route and --start-tls are for whoever speaks: the client does that through the tap",
        ));
    }
    let address: Address = options.address.parse().map_err(Mistake::new)?;
    if address.takes_stdout() {
        return Err(Mistake::new(format!("{address}: standard output is for what is printed")));
    }
    if address.is_tls() {
        let what = "clients are passed on as they come, and TLS would have to end here";
        return Err(Mistake::new(format!("{address}: {what}")));
    }
    let server = Address::of_peer(&profile.address)?;
    connecting.tls.at_once(&server)?;
    let schemas = if options.schemas.is_empty() { &profile.schema } else { &options.schemas };
    let peer_schemas =
        if options.peer_schemas.is_empty() { &profile.peer_schema } else { &options.peer_schemas };
    let schema = of_both(&load_all(schemas)?, &load_all(peer_schemas)?)?;
    let hidden = [&options.hidden[..], &profile.hide].concat();
    let known = Schemas::new(&schema, &hidden);
    let ending = Rc::new(Notify::new());
    let waiting = Rc::new(Notify::new());
    let saving = options.save_descriptors.as_deref().map(Saving::new).transpose()?;
    let view = View::new(options, known, ending.clone(), waiting.clone())?;
    let view = Rc::new(RefCell::new(view));
    let route = Rc::new(Route { address, server, connecting, within, saving });
    let accepting = async {
        let ended = LocalSet::new().run_until(accept(&route, &view, &ending, &waiting)).await;
        ended.map(|()| ExitCode::SUCCESS)
    };
    let ended = running::run(accepting);
    let mut view = view.borrow_mut();
    view.end();
    match view.failed() {
        Some(Failure { code, said }) => {
            tell(said);
            Ok(ExitCode::from(code))
        }
        None => ended,
    }
}

/// Passes connections on until the user has seen enough.
async fn accept(
    route: &Rc<Route>,
    view: &Rc<RefCell<View>>,
    ending: &Notify,
    waiting: &Notify,
) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let mut listening = Listening::bind(&route.address).await?;
    view.borrow_mut().begin()?;
    view.borrow_mut().say(&format!("listening {}", listening.place(&route.address)));
    let accepting = async {
        let mut number = 0;
        loop {
            match listening.accept().await {
                Some(client) => {
                    number += 1;
                    let link = link(route.clone(), number, client, view.clone());
                    tokio::task::spawn_local(link);
                }
                None => std::future::pending().await,
            }
        }
    };
    let flushing = async {
        loop {
            waiting.notified().await;
            sleep(GATHERED).await;
            view.borrow_mut().flush();
        }
    };
    tokio::select! {
        () = accepting => {}
        () = flushing => {}
        () = ending.notified() => {}
        _ = interrupts.recv() => {}
    }
    Ok(())
}

/// Passes one client on.
async fn link(route: Rc<Route>, number: u64, client: Stream, view: Rc<RefCell<View>>) {
    view.borrow_mut().note(number, "opened");
    match route.connecting.stream(&route.server, route.within).await {
        Ok(server) => {
            let (client, server) = (Wire::new(client), Wire::new(server));
            let saving = route.saving.clone();
            Link { number, client, server, saving, view }.run().await;
        }
        Err(failure) => view.borrow_mut().note(number, &format!("closed: {}", failure.said)),
    }
}
