//! The side that speaks bytes.

use amp_core::boxes::Decoder;
use amp_core::{AmpBox, keys};
use amp_fuzz::Input;
use bytes::BytesMut;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

/// The side that speaks bytes.
pub(crate) struct Raw {
    pub(crate) stream: DuplexStream,
    pub(crate) read: BytesMut,
    pub(crate) decoder: Decoder,
    /// How many times each tag was asked with and not answered.
    pub(crate) asked: HashMap<Vec<u8>, usize>,
    /// Whether it may be that boxes end.
    pub(crate) switches: bool,
}

impl Raw {
    /// Sends what there is room for; the rest is lost.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(Duration::from_millis(1), self.stream.write_all(bytes)).await;
    }

    pub(crate) async fn send_box(&mut self, pairs: &[(&str, &[u8])]) {
        let bytes = AmpBox::from_pairs(pairs.iter().copied()).expect("a box").to_bytes();
        self.send(&bytes).await;
    }

    /// Reads what there is, up to so many bytes. Whether there may be more.
    pub(crate) async fn receive(&mut self, bytes: usize) -> bool {
        let mut part = (&mut self.stream).take(bytes as u64);
        let read = timeout(Duration::from_millis(1), part.read_buf(&mut self.read)).await;
        while !self.switches {
            let ampbox = self.decoder.decode(&mut self.read).expect("what it sends is boxes");
            let Some(ampbox) = ampbox else { break };
            let tag = ampbox.get(keys::ANSWER).or_else(|| ampbox.get(keys::ERROR));
            if let Some(tag) = tag {
                let asked = self.asked.get_mut(tag).expect("only what was asked is answered");
                *asked = asked.checked_sub(1).expect("it is answered once");
            }
        }
        matches!(read, Ok(Ok(1..)))
    }

    pub(crate) async fn step(&mut self, what: u8, input: &mut Input<'_>) -> Option<()> {
        match what % 8 {
            0 | 1 => {
                let (command, tag) = (input.number()?, input.byte()?);
                let value = [b'0' + input.byte()? % 10];
                let commands: [(_, &[&str]); 19] = [
                    ("Echo", &["n", "turns", "padding"]),
                    ("Work", &["n", "milliseconds"]),
                    ("Note", &["n"]),
                    ("Late", &["n"]),
                    ("Back", &["times"]),
                    ("After", &["turns"]),
                    ("Fail", &["fatal"]),
                    ("Switch", &["refuse"]),
                    ("Nothing", &[]),
                    ("Upload", &["count", "take", "stream"]),
                    ("Download", &["count", "size", "how"]),
                    ("Progress", &["count", "size", "how", "sink"]),
                    ("Open", &["count", "take"]),
                    ("_StreamOpen", &["stream", "items", "bytes"]),
                    ("_StreamTaken", &["stream"]),
                    ("_StreamItems", &["stream", "items"]),
                    ("_StreamItems", &["stream", "item"]),
                    ("_StreamEnd", &["stream", "end"]),
                    ("_StreamStop", &["stream"]),
                ];
                let (name, arguments) = commands[command % commands.len()];
                let digit = value[0];
                let value = |key| -> &[u8] {
                    match (name, key) {
                        ("Fail" | "Switch", _) if digit.is_multiple_of(2) => b"True",
                        ("Fail" | "Switch", _) => b"False",
                        // One item, several, or what is none.
                        ("_StreamItems", "items") if digit < b'4' => b"\0\x01a",
                        ("_StreamItems", "items") if digit < b'8' => b"\0\0\0\x02ab\0\0\0\0",
                        ("_StreamItems", "items") => b"\0\x01",
                        (_, "end") if digit < b'4' => b"closed",
                        (_, "end") if digit < b'8' => b"failed",
                        (_, "end") => b"dropped",
                        _ => &value,
                    }
                };
                let mut pairs: Vec<_> = arguments.iter().map(|key| (*key, value(*key))).collect();
                let one_way = tag & 0x80 != 0;
                let tag = [tag & 3];
                if !one_way {
                    pairs.push(("_ask", &tag));
                    *self.asked.entry(tag.to_vec()).or_default() += 1;
                }
                pairs.push(("_command", name.as_bytes()));
                self.switches |= name == "Switch";
                self.send_box(&pairs).await;
            }
            2 => {
                // Tags of calls are numbers, so small ones are likely to be outstanding.
                let tag = format!("{:x}", input.byte()? % 8);
                self.send_box(&[("_answer", tag.as_bytes()), ("n", b"5"), ("padding", b"")]).await;
            }
            3 => {
                let tag = format!("{:x}", input.byte()? % 8);
                let code: &[u8] = if input.byte()? % 2 == 0 { b"FAILED" } else { b"UNKNOWN" };
                let (code, why) = (("_error_code", code), ("_error_description", &b"no"[..]));
                self.send_box(&[("_error", tag.as_bytes()), code, why]).await;
            }
            4 => {
                let count = input.number()? % 64;
                let bytes = input.take(count);
                // A tag in them is any.
                self.switches |= bytes.len() >= 2;
                self.send(bytes).await;
            }
            5 | 6 => {
                let count = input.number()?;
                self.receive(if count < 0x80 { count } else { 1 << (count % 16) }).await;
            }
            _ => _ = self.stream.shutdown().await,
        }
        Some(())
    }
}
