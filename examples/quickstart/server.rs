//! The side that listens: a responder for each command, and a socket.

use amp_core::streams::StreamOf;
use amp_core::{Context, Failure, NoError, Responders};
use amp_unix::{AnyListener, UnixSocketListener};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Mutex;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use crate::AnyError;
use crate::address::Address;
use crate::commands::{
    CallBack, ConcatenateFiles, Content, CountDown, CountNotes, Countdown, Divide, DivideError,
    Note, NoteCount, OpenFile, OpenTemporary, Quotient, Sum, Total,
};

/// What the responders share, whichever connection a call comes from.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

/// The responders of all commands. Which command each answers is the type of its argument.
pub(crate) fn responders() -> Responders<Notes> {
    Responders::new(Notes::default())
        .respond(sum)
        .respond(divide)
        .respond(note)
        .respond(count_notes)
        .respond(count_down)
        .try_respond(call_back)
        .try_respond(open_temporary)
        .try_respond(concatenate_files)
}

/// For any state, so that the client can answer with it too.
pub(crate) async fn sum<S>(_: Context<S>, Sum { a, b }: Sum) -> Result<Total, NoError> {
    Ok(Total { total: i128::from(a) + i128::from(b) })
}

async fn divide(
    _: Context<Notes>,
    Divide { numerator, denominator }: Divide,
) -> Result<Quotient, DivideError> {
    if denominator == 0 {
        return Err(DivideError::ZeroDivision);
    }
    Ok(Quotient { result: f64::from(numerator) / f64::from(denominator) })
}

async fn note(context: Context<Notes>, Note { text }: Note) -> Result<(), NoError> {
    context.state().0.lock().unwrap().push(text);
    Ok(())
}

async fn count_notes(context: Context<Notes>, _: CountNotes) -> Result<NoteCount, NoError> {
    Ok(NoteCount { count: context.state().0.lock().unwrap().len() })
}

/// `?` takes any error: see [`Failure`]. The caller is told only that the call failed.
async fn call_back(
    context: Context<Notes>,
    CallBack { a, b }: CallBack,
) -> Result<Total, Failure<NoError>> {
    Ok(context.peer().call_remote(Sum { a, b }).await?)
}

/// The stream goes on behind the answer. Its sink waits while the client takes nothing, and fails once
/// the client has dropped the stream.
async fn count_down(
    _: Context<Notes>,
    CountDown { from }: CountDown,
) -> Result<Countdown, NoError> {
    let (mut sink, numbers) = StreamOf::pair();
    tokio::spawn(async move {
        for number in (0..=from).rev() {
            sink.send(number).await?;
        }
        sink.close().await
    });
    Ok(Countdown { numbers })
}

/// A responder must not block, so what uses files runs on a thread for that.
async fn open_temporary(
    _: Context<Notes>,
    OpenTemporary { content }: OpenTemporary,
) -> Result<OpenFile, Failure<NoError>> {
    let file = spawn_blocking(move || temporary_file(&content)).await??;
    Ok(OpenFile { file: file.into() })
}

async fn concatenate_files(
    _: Context<Notes>,
    ConcatenateFiles { files }: ConcatenateFiles,
) -> Result<Content, Failure<NoError>> {
    let content = spawn_blocking(move || {
        let mut content = Vec::new();
        for OpenFile { file } in files {
            File::try_from(file)?.read_to_end(&mut content)?;
        }
        io::Result::Ok(content)
    });
    Ok(Content { content: content.await?? })
}

/// An open file with this content, to be read from its start. A file that is handed over keeps
/// its position.
pub(crate) fn temporary_file(content: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Listens for clients, and says where: the system chooses the port where 0 is asked for.
pub(crate) async fn listen(address: &Address) -> Result<(AnyListener, Address), AnyError> {
    match address {
        // Its errors say where.
        Address::Unix(path) => {
            Ok((AnyListener::Unix(UnixSocketListener::bind(path)?), address.clone()))
        }
        Address::Tcp(at) => match TcpListener::bind(at).await {
            Ok(listener) => {
                let address = Address::Tcp(listener.local_addr()?.to_string());
                Ok((AnyListener::Tcp(listener), address))
            }
            Err(error) => Err(format!("cannot listen at {at}: {error}").into()),
        },
    }
}
