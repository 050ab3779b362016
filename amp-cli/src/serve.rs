//! A server that answers by rules: a test double.

use amp_core::tls::Role;
use amp_core::{Report, Responders, tls};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::address::Address;
use crate::called::Calls;
use crate::connecting::on_route;
use crate::exit::{self, Failure};
use crate::hide::Hidden;
use crate::listen::WAITING;
use crate::listening::Listening;
use crate::mistake::Mistake;
use crate::options::Serve;
use crate::printing::{print_line, tell, tell_line};
use crate::programs;
use crate::rules::Rules;
use crate::running::{Interrupts, run};
use crate::schemas;
use crate::stream::Stream;

pub(crate) fn serve(options: &Serve) -> Result<ExitCode, Mistake> {
    let address: Address = options.address.parse().map_err(Mistake::new)?;
    let schema = Arc::new(schemas::load_all(&options.schemas)?);
    let program = options.exec.as_deref().map_or(Ok(Vec::new()), programs::words);
    let program = program.map_err(|mistake| mistake.at("--exec"))?;
    let hidden = Hidden::new(&options.hidden);
    let rules = Rules::new(options.rules.as_deref(), program, &schema, &hidden)?;
    rules.calls_are_of(&schema)?;
    let role = options.tls.accepting(&address)?;
    let under_way = options.tls.start_tls.is_some();
    let (at_once, under_way) = if under_way { (None, role) } else { (role, None) };
    let (lines, received) = mpsc::channel(WAITING);
    let calls =
        Calls { schema, rules: Some(rules.clone()), hidden, lines: Some(lines), held: None };
    let serving = Serving {
        calls,
        at_once,
        under_way,
        route: options.route.clone(),
        prints: !address.takes_stdout(),
    };
    run(serving.until_stopped(address, rules, received))
}

/// The things that each connection is served with.
struct Serving {
    calls: Calls,
    at_once: Option<Role>,
    under_way: Option<Role>,
    route: Option<String>,
    prints: bool,
}

impl Serving {
    async fn until_stopped(
        self,
        address: Address,
        rules: Rules,
        mut lines: mpsc::Receiver<String>,
    ) -> Result<ExitCode, Failure> {
        let mut interrupts = Interrupts::new()?;
        let mut listening = Listening::bind(&address).await?;
        self.print(&format!("listening {}", listening.place(&address)))?;
        let mut connections = JoinSet::new();
        let mut more = true;
        loop {
            tokio::select! {
                // What was received is printed before the end counts.
                biased;
                Some(line) = lines.recv() => match self.print(&line) {
                    // The reader of the output wants no more of it, and the rules still have to be counted.
                    Err(failure) if failure.said.is_empty() => break,
                    printed => printed?,
                },
                _ = interrupts.recv() => break,
                accepted = listening.accept(), if more => match accepted {
                    Some(stream) => {
                        connections.spawn(self.connection(stream));
                    }
                    None => more = false,
                },
                Some(_) = connections.join_next() => {}
                else => break,
            }
            if !more && connections.is_empty() {
                while let Ok(line) = lines.try_recv() {
                    self.print(&line)?;
                }
                break;
            }
        }
        let unused = rules.unused();
        for rule in &unused {
            tell(rule);
        }
        Ok(if unused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::DECLARED) })
    }

    /// Serves one connection to its end.
    fn connection(&self, stream: Stream) -> impl Future<Output = ()> + Send + use<> {
        let (held, mut over) = mpsc::channel(1);
        let calls = Calls { held: Some(held), ..self.calls.clone() };
        let responders = calls.responders_with_tls(self.under_way.clone());
        let (role, route) = (self.at_once.clone(), self.route.clone());
        async move {
            if let Err(error) = serve_one(stream, responders, role, route.as_deref()).await {
                tell(format_args!("a connection failed: {error}"));
            }
            // Nothing is sent there: it ends once nobody holds it any more.
            let _ = over.recv().await;
        }
    }

    fn print(&self, line: &str) -> Result<(), Failure> {
        if self.prints {
            return print_line(line);
        }
        tell_line(line);
        Ok(())
    }
}

async fn serve_one(
    stream: Stream,
    responders: Responders,
    role: Option<Role>,
    route: Option<&str>,
) -> Result<(), String> {
    let told = |error: &io::Error| Report::new(error).to_string();
    let connection = match role {
        None => stream.connection().map_err(|error| told(&error))?,
        Some(Role::Server(config)) => {
            let (stream, address) = stream.into_bytes();
            let shaken = tls::server(stream, config).await;
            shaken.map_err(|error| Report::new(&error).to_string())?.peer_address(address)
        }
        Some(_) => return Err("a server has the server's side of TLS".to_owned()),
    };
    let connection = match route {
        None => connection,
        Some(route) => on_route(connection, route).map_err(|error| told(&error))?,
    };
    connection.responders(responders).run().await;
    Ok(())
}
