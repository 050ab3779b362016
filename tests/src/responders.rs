//! What our peer of the compliance suite answers.

use crate::commands::{
    CallBack, Concatenate, ConcatenateFiles, Concatenated, Content, Count, CountNotes, Divide,
    DivideError, EchoLists, EchoScalars, Fail, FailError, FileSize, NoNumber, Note, OpenTemporary,
    Opened, Quotient, Size, Sum, SwitchError, SwitchToEcho, Total, Wait, Waited, Who, WhoAmI,
};
use amp_core::{Context, Failure, NoError, PeerAddress, Responders, Switched};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

/// How many notes came over a connection.
#[derive(Debug, Default)]
pub struct Notes(AtomicUsize);

/// One for every command of the suite but `StartTLS`.
pub fn all() -> Responders {
    Responders::new(())
        .respond(sum)
        .respond(divide)
        .respond(concatenate)
        .respond(echo_scalars)
        .respond(echo_lists)
        .try_respond(fail)
        .respond(note)
        .respond(count_notes)
        .try_respond(wait)
        .try_respond(call_back)
        .respond(who_am_i)
        .respond_switch(|_, SwitchToEcho { refuse }| async move {
            match refuse {
                Some(true) => Err(SwitchError::Friendly("not today".into())),
                _ => Ok(echo),
            }
        })
        .try_respond(file_size)
        .try_respond(open_temporary)
        .try_respond(concatenate_files)
}

async fn sum(_: Context, Sum { a, b }: Sum) -> Result<Total, NoError> {
    Ok(Total { total: a + b })
}

#[expect(clippy::cast_precision_loss, reason = "so it is in the quotient")]
async fn divide(_: Context, command: Divide) -> Result<Quotient, DivideError> {
    if command.denominator == 0 {
        return Err(DivideError::ZeroDivision);
    }
    Ok(Quotient { result: command.numerator as f64 / command.denominator as f64 })
}

async fn concatenate(_: Context, command: Concatenate) -> Result<Concatenated, NoError> {
    Ok(Concatenated { both: command.left_hand + &command.right_hand })
}

async fn echo_scalars(_: Context, scalars: EchoScalars) -> Result<EchoScalars, NoError> {
    Ok(scalars)
}

async fn echo_lists(_: Context, lists: EchoLists) -> Result<EchoLists, NoError> {
    Ok(lists)
}

async fn fail(_: Context, Fail { how, text }: Fail) -> Result<NoNumber, Failure<FailError>> {
    match how.as_str() {
        "friendly" => Err(Failure::Declared(FailError::Friendly(text))),
        "deadly" => Err(Failure::Declared(FailError::Deadly(text))),
        "bad-response" => Ok(NoNumber { number: 0 }),
        _ => Err(Failure::Other(text.into())),
    }
}

/// Never waits, so that a note is counted before the next call is looked at.
async fn note(context: Context, _: Note) -> Result<(), NoError> {
    notes(&context).fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn count_notes(context: Context, _: CountNotes) -> Result<Count, NoError> {
    Ok(Count { count: notes(&context).load(Ordering::Relaxed) })
}

fn notes(context: &Context) -> &AtomicUsize {
    let Notes(count) = context.get().expect("each connection has its notes");
    count
}

async fn wait(_: Context, Wait { seconds, token }: Wait) -> Result<Waited, Failure<NoError>> {
    tokio::time::sleep(Duration::try_from_secs_f64(seconds)?).await;
    Ok(Waited { token })
}

async fn call_back(
    context: Context,
    CallBack { a, b }: CallBack,
) -> Result<Total, Failure<NoError>> {
    Ok(context.peer().call_remote(Sum { a, b }).await?)
}

async fn who_am_i(context: Context, _: WhoAmI) -> Result<Who, NoError> {
    let peer = match context.peer_address() {
        PeerAddress::Socket(SocketAddr::V4(peer)) => {
            format!("IPv4Address(type='TCP', host='{}', port={})", peer.ip(), peer.port())
        }
        PeerAddress::Name(path) if path.is_empty() => "UNIXAddress(None)".to_owned(),
        other => other.to_string(),
    };
    Ok(Who { peer })
}

/// Ends when the other side does. One that vanishes is no failure of ours.
async fn echo(stream: Switched) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
        let _ = writer.shutdown().await;
    }
}

async fn file_size(_: Context, FileSize { file }: FileSize) -> Result<Size, Failure<NoError>> {
    Ok(Size { size: File::try_from(file)?.metadata()?.len() })
}

async fn open_temporary(
    _: Context,
    OpenTemporary { content }: OpenTemporary,
) -> Result<Opened, Failure<NoError>> {
    let write = move || {
        let mut file = tempfile::tempfile()?;
        file.write_all(&content)?;
        file.rewind()?;
        Ok(Opened { file: file.into() })
    };
    spawn_blocking(write).await?
}

async fn concatenate_files(
    _: Context,
    ConcatenateFiles { files }: ConcatenateFiles,
) -> Result<Content, Failure<NoError>> {
    let read = move || {
        let mut content = Vec::new();
        for Opened { file } in files {
            File::try_from(file)?.read_to_end(&mut content)?;
        }
        Ok(Content { content: content.into() })
    };
    spawn_blocking(read).await?
}
