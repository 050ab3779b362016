//! What the two sides call on each other, and what answers.

use amp_core::streams::{SinkOf, StreamOf};
use amp_core::{Arguments, Command, CommandError, Context, NoError, Responders, Switched};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::sleep;

/// Answers with `n` after so many turns of the others.
#[derive(Command)]
#[amp(response = Number)]
pub(crate) struct Echo {
    pub(crate) n: u8,
    pub(crate) turns: u8,
    pub(crate) padding: Vec<u8>,
}

#[derive(Arguments)]
pub(crate) struct Number {
    pub(crate) n: u8,
    pub(crate) padding: Vec<u8>,
}

/// Is answered when whoever asks has answered: so many times.
#[derive(Command)]
pub(crate) struct Back {
    pub(crate) times: u8,
}

/// Takes so much time, and nothing else of its lane does meanwhile.
#[derive(Command)]
pub(crate) struct Work {
    pub(crate) n: u8,
    pub(crate) milliseconds: u16,
}

#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Note {
    pub(crate) n: u8,
}

/// As `Note`, in the lane of `Work`.
#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Late {
    pub(crate) n: u8,
}

/// Goes on behind its answer.
#[derive(Command)]
pub(crate) struct After {
    pub(crate) turns: u8,
}

#[derive(Command)]
#[amp(error = Failed)]
pub(crate) struct Fail {
    pub(crate) fatal: bool,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Failed {
    #[error("it has failed")]
    Failed,
    #[error("it has failed for good")]
    #[amp(fatal)]
    Fatally,
}

#[derive(Command, Clone)]
#[amp(error = Failed, switch)]
pub(crate) struct Switch {
    pub(crate) refuse: bool,
}

/// What a sink is given, and how it ends.
#[derive(Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) count: u8,
    pub(crate) size: u8,
    pub(crate) how: u8,
}

/// Brings so many items, of which so many are taken.
#[derive(Command)]
pub(crate) struct Upload {
    pub(crate) count: u8,
    pub(crate) take: u8,
    pub(crate) stream: StreamOf<Vec<u8>>,
}

#[derive(Command)]
#[amp(response = Fed)]
pub(crate) struct Download {
    pub(crate) count: u8,
    pub(crate) size: u8,
    pub(crate) how: u8,
}

#[derive(Arguments)]
pub(crate) struct Fed {
    pub(crate) stream: StreamOf<Vec<u8>>,
}

/// Sends items before it is answered.
#[derive(Command)]
pub(crate) struct Progress {
    pub(crate) count: u8,
    pub(crate) size: u8,
    pub(crate) how: u8,
    pub(crate) sink: SinkOf<Vec<u8>>,
}

/// Answers with a sink, of which so many items are taken.
#[derive(Command)]
#[amp(response = Opened)]
pub(crate) struct Open {
    pub(crate) count: u8,
    pub(crate) take: u8,
}

#[derive(Arguments)]
pub(crate) struct Opened {
    pub(crate) sink: SinkOf<Vec<u8>>,
}

/// What the responders of a connection know.
pub(crate) struct State {
    /// How many of the lane run.
    pub(crate) lane: AtomicUsize,
    /// Whether the peer sends what its commands say.
    pub(crate) honest: bool,
}

impl State {
    pub(crate) fn enter(&self) {
        assert_eq!(self.lane.fetch_add(1, Relaxed), 0, "one of a lane runs at a time");
    }

    pub(crate) fn leave(&self) {
        self.lane.fetch_sub(1, Relaxed);
    }
}

pub(crate) async fn turns(turns: u8) {
    for _ in 0..turns % 8 {
        yield_now().await;
    }
}

pub(crate) async fn write(writing: Writing, mut sink: SinkOf<Vec<u8>>) {
    let Writing { count, size, how } = writing;
    for at in 0..count % 32 {
        turns(how / 8).await;
        if sink.send(vec![at; 1 + usize::from(size) * 8]).await.is_err() {
            return;
        }
    }
    match how % 4 {
        0 => {}
        1 => sink.fail(&Failed::Failed),
        _ => _ = sink.close().await,
    }
}

/// Takes so many items, which come once each and in order, all of them before the end.
pub(crate) async fn read(honest: bool, count: u8, take: u8, mut stream: StreamOf<Vec<u8>>) {
    for at in 0..=take % 64 {
        turns(take / 64).await;
        match stream.next().await {
            Some(Ok(item)) => {
                assert!(!honest || at < count % 32 && item.iter().all(|byte| *byte == at));
            }
            Some(Err(_)) => return,
            None => {
                assert!(!honest || at == count % 32, "{at} of {}", count % 32);
                return;
            }
        }
    }
}

/// What follows a switch: as many bytes of each side, and the end.
pub(crate) async fn follow(stream: Switched) {
    let (mut read, mut write) = tokio::io::split(stream);
    // What was sent behind the switch by a peer that speaks bytes may be anything.
    let send = async {
        let _ = write.write_all(b"hello").await;
        let _ = write.shutdown().await;
    };
    let mut received = Vec::new();
    let _ = tokio::join!(send, read.read_to_end(&mut received));
}

pub(crate) fn responders(honest: bool) -> Responders<State> {
    type In = Context<State>;
    Responders::new(State { lane: AtomicUsize::new(0), honest })
        .respond(|context: In, Work { n: _, milliseconds }: Work| async move {
            let state = context.state();
            state.enter();
            sleep(Duration::from_millis(milliseconds.into())).await;
            state.leave();
            Ok::<_, NoError>(())
        })
        .respond(|context: In, Late { n }: Late| async move {
            context.state().enter();
            turns(n).await;
            context.state().leave();
            Ok::<_, NoError>(())
        })
        .one_at_a_time()
        .respond(|_: In, Echo { n, turns: count, padding }: Echo| async move {
            turns(count).await;
            Ok::<_, NoError>(Number { n, padding })
        })
        .respond(|context: In, Back { times }: Back| async move {
            let times = times % 16;
            if times > 0 {
                // It fails where the connection ends or has too much to do.
                let _ = context.peer().call_remote(Back { times: times - 1 }).await;
            }
            Ok::<_, NoError>(())
        })
        .respond(|_: In, Note { n }: Note| async move {
            turns(n).await;
            Ok::<_, NoError>(())
        })
        .respond_then(|_: In, After { turns: count }: After| async move {
            Ok::<_, NoError>(((), turns(count)))
        })
        .respond(|_: In, Fail { fatal }: Fail| async move {
            Err::<(), _>(if fatal { Failed::Fatally } else { Failed::Failed })
        })
        .respond_switch(|_: In, Switch { refuse }| async move {
            if refuse { Err(Failed::Failed) } else { Ok(follow) }
        })
        .respond(|context: In, Upload { count, take, stream }: Upload| async move {
            read(context.state().honest, count, take, stream).await;
            Ok::<_, NoError>(())
        })
        .respond(|_: In, Download { count, size, how }: Download| async move {
            let (sink, stream) = StreamOf::pair();
            tokio::spawn(write(Writing { count, size, how }, sink));
            Ok::<_, NoError>(Fed { stream })
        })
        .respond(|_: In, Progress { count, size, how, sink }: Progress| async move {
            write(Writing { count, size, how }, sink).await;
            Ok::<_, NoError>(())
        })
        .respond(|context: In, Open { count, take }: Open| async move {
            let (sink, stream) = StreamOf::pair();
            tokio::spawn(read(context.state().honest, count, take, stream));
            Ok::<_, NoError>(Opened { sink })
        })
        .respond_ping()
}
