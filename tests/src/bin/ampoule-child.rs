//! A child for ampoule, the process pool made of Twisted and AMP, to start in place of its own.
//!
//! It reads calls from descriptor 3 and writes answers to descriptor 4, or as its arguments say:
//! `ampoule-child --pipes 0 1` is a child with plain pipes. It serves ampoule's commands, and `Sum`,
//! `Divide` and `CallBack` of the compliance suite. Its exit code is 0 if it was told to shut down.

use amp_core::{Arguments, CloseReason, Command, Context, Failure, NoError, Responders, Switched};
use amp_tests::commands::{CallBack, Divide, DivideError, Quotient, Sum, Total};
use amp_unix::inherited;
use bytes::Bytes;
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use tokio::io::AsyncWriteExt;

/// Asks whether the child is there.
#[derive(Command)]
#[amp(response = Response)]
struct Ping;

/// Asks for its data.
#[derive(Command)]
#[amp(response = Response)]
struct Echo {
    data: Bytes,
}

/// What [`Ping`] and [`Echo`] are answered with.
#[derive(Arguments)]
struct Response {
    response: Bytes,
}

/// Ends the child. The answer is a `QuitBox` in Twisted: an empty one, behind which its sender
/// closes the connection. That is a switch to a protocol in which nothing is said.
#[derive(Command)]
#[amp(switch)]
struct Shutdown;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(CloseReason::Switched) => ExitCode::SUCCESS,
        Ok(reason) => failure(&reason.to_string()),
        Err(error) => failure(&error.to_string()),
    }
}

async fn run() -> Result<CloseReason, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (reader, writer) = match &arguments[..] {
        [option, reader, writer] if option == "--pipes" => (reader.parse()?, writer.parse()?),
        // ampoule's own arguments are for a child in Python.
        _ => (3, 4),
    };
    Ok(inherited::pipes(reader, writer)?.responders(responders()).run().await)
}

fn responders() -> Responders {
    Responders::new(())
        .respond(|_, _: Ping| async { Ok(Response { response: Bytes::from_static(b"pong") }) })
        .respond(|_, Echo { data }: Echo| async { Ok(Response { response: data }) })
        .respond_switch(|_, _: Shutdown| async { Ok(quit) })
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) })
        .respond(divide)
        .try_respond(call_back)
}

async fn quit(mut stream: Switched) {
    // A parent that has gone is as good as one that was told.
    let _ = stream.shutdown().await;
}

#[expect(clippy::cast_precision_loss, reason = "so it is in the quotient")]
async fn divide(_: Context, command: Divide) -> Result<Quotient, DivideError> {
    if command.denominator == 0 {
        return Err(DivideError::ZeroDivision);
    }
    Ok(Quotient { result: command.numerator as f64 / command.denominator as f64 })
}

async fn call_back(
    context: Context,
    CallBack { a, b }: CallBack,
) -> Result<Total, Failure<NoError>> {
    Ok(context.peer().call_remote(Sum { a, b }).await?)
}

fn failure(text: &str) -> ExitCode {
    // A parent that has gone reads nothing any more.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::FAILURE
}
