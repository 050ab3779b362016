//! The calls that one side makes, and the other steps that a connection takes by itself.

use amp_core::streams::StreamOf;
use amp_core::{CallError, Peer};
use amp_fuzz::Input;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

use crate::commands::{
    After, Back, Download, Echo, Fail, Failed, Late, Note, Open, Progress, Switch, Upload, Work,
    Writing, follow, read, write,
};

/// The calls that were made.
pub(crate) struct Calls {
    pub(crate) tasks: JoinSet<()>,
    pub(crate) aborts: Vec<AbortHandle>,
    /// Whether nothing was done that a connection may end by.
    pub(crate) calm: bool,
    /// Whether the peer answers as a responder would.
    pub(crate) honest: bool,
    /// Whether a call has failed by the end of its connection.
    pub(crate) closed: Arc<AtomicBool>,
}

impl Calls {
    pub(crate) fn add(&mut self, call: impl Future<Output = ()> + Send + 'static) {
        self.aborts.push(self.tasks.spawn(call));
    }

    /// Makes a call with a stream, or with a sink.
    pub(crate) fn stream(&mut self, peer: &Peer, what: u8, input: &mut Input<'_>) -> Option<()> {
        let (honest, peer) = (self.honest, peer.clone());
        let [count, size, how, take] = [input.byte()?, input.byte()?, input.byte()?, input.byte()?];
        let writing = Writing { count, size, how };
        match what % 4 {
            0 => {
                let (sink, stream) = StreamOf::pair();
                let call = peer.call_remote(Upload { count, take, stream });
                self.add(async move { _ = tokio::join!(call, write(writing, sink)) });
            }
            1 => self.add(async move {
                if let Ok(fed) = peer.call_remote(Download { count, size, how }).await {
                    read(honest, count, take, fed.stream).await;
                }
            }),
            2 => {
                let (sink, stream) = StreamOf::pair();
                let call = peer.call_remote(Progress { count, size, how, sink });
                self.add(async move { _ = tokio::join!(call, read(honest, count, take, stream)) });
            }
            _ => self.add(async move {
                if let Ok(opened) = peer.call_remote(Open { count, take }).await {
                    write(writing, opened.sink).await;
                }
            }),
        }
        Some(())
    }

    /// Makes a call, whose outcome is looked at, or another step that a connection takes by itself.
    pub(crate) fn step(&mut self, peer: &Peer, what: u8, input: &mut Input<'_>) -> Option<()> {
        if what >= 84 {
            return self.stream(peer, what, input);
        }
        let (honest, closed) = (self.honest, Arc::clone(&self.closed));
        let peer = peer.clone();
        match what % 12 {
            0 => {
                let (n, count, size) = (input.byte()?, input.byte()?, input.number()?);
                let size = if size < 200 { size } else { (size - 199) * 200 };
                let padding = vec![n; size];
                self.add(async move {
                    let call = Echo { n, turns: count, padding: padding.clone() };
                    match peer.call_remote(call).await {
                        Ok(answer) => {
                            assert!(!honest || (answer.n, answer.padding) == (n, padding));
                        }
                        Err(error) => _ = closed.fetch_or(error.is_closed(), Relaxed),
                    }
                });
            }
            1 => {
                let (n, milliseconds) = (input.byte()?, 1 << (input.byte()? % 14));
                self.add(async move { _ = peer.call_remote(Work { n, milliseconds }).await });
            }
            2 => {
                let n = input.byte()?;
                self.add(async move { _ = peer.notify(Note { n }).await });
            }
            3 => {
                let n = input.byte()?;
                self.add(async move { _ = peer.notify(Late { n }).await });
            }
            4 => {
                let times = input.byte()?;
                self.add(async move { _ = peer.call_remote(Back { times }).await });
            }
            5 => {
                let turns = input.byte()?;
                self.add(async move { _ = peer.call_remote(After { turns }).await });
            }
            6 => {
                let fatal = input.byte()? == 0;
                self.calm &= !fatal;
                self.add(async move {
                    // The side that speaks bytes may answer with anything.
                    match peer.call_remote(Fail { fatal }).await {
                        Ok(()) => assert!(!honest, "it fails"),
                        Err(CallError::Command(error)) => {
                            assert!(!honest || (error == Failed::Fatally) == fatal);
                        }
                        Err(_) => {}
                    }
                });
            }
            7 => {
                let refuse = input.byte()? % 2 == 1;
                self.calm = false;
                self.add(async move {
                    if let Ok(stream) = peer.switch_protocol(Switch { refuse }).await {
                        assert!(!honest || !refuse, "it was refused");
                        follow(stream).await;
                    }
                });
            }
            8 => {
                let after = Duration::from_millis(1 << (input.byte()? % 14));
                let call = async move { peer.call_remote(Back { times: 3 }).timeout(after).await };
                self.add(async move { _ = call.await });
            }
            9 => {
                self.calm = false;
                self.add(async move { peer.close().await });
            }
            10 => {
                self.calm = false;
                let within = Duration::from_millis(1 << (input.byte()? % 14));
                self.add(async move { _ = peer.close_gracefully(within).await });
            }
            _ => {
                let count = self.aborts.len().max(1);
                if let Some(call) = self.aborts.get(input.number()? % count) {
                    call.abort();
                }
            }
        }
        Some(())
    }

    pub(crate) async fn end(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                assert!(error.is_cancelled(), "{error}");
            }
        }
    }
}
