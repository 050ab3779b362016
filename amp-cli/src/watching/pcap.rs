//! Captures: boxes as packets that Wireshark gives to the dissector of boxes.
//!
//! Each packet is an "exported PDU": a few tags that say who has sent it and which dissector is to read
//! it, and then a box. So what went over a Unix socket can be looked at too, which no capture of a
//! network sees.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::side::Side;
use crate::mistake::Mistake;

/// Bytes in the order of this machine's, microseconds.
const MAGIC: u32 = 0xa1b2_c3d4;
/// The same with nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// The first bytes of captures of a newer kind.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// `LINKTYPE_WIRESHARK_UPPER_PDU`.
const EXPORTED_PDU: u32 = 252;
/// Wireshark refuses files with longer packets of this kind.
const LONGEST: usize = 262_144;

/// The tags of an exported PDU.
const TAG_END: u16 = 0;
const TAG_DISSECTOR: u16 = 12;
const TAG_SOURCE: u16 = 20;
const TAG_TARGET: u16 = 21;
const TAG_PORT_TYPE: u16 = 24;
const TAG_SOURCE_PORT: u16 = 25;
const TAG_TARGET_PORT: u16 = 26;
/// That ports are those of TCP.
const TCP: u32 = 2;

/// The name of the dissector in `amp.lua`.
const DISSECTOR: &[u8] = b"ampbox";
/// Wireshark's own, for what is not looked into.
const NO_DISSECTOR: &[u8] = b"data";

/// The client and the server have made-up addresses; the client's port says which connection it is.
const CLIENT: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SERVER_PORT: u32 = 1;
const FIRST_PORT: u64 = 40_000;

/// Makes packets.
pub(crate) struct Packets {
    /// When the first one was at the earliest.
    begun: Duration,
}

impl Packets {
    /// The beginning of a capture, and what makes packets of it.
    pub(crate) fn begin() -> (Vec<u8>, Self) {
        let mut file = Vec::new();
        for word in [MAGIC, 0x0004_0002, 0, 0, u32::try_from(LONGEST).unwrap_or(u32::MAX)] {
            file.extend(word.to_le_bytes());
        }
        file.extend(EXPORTED_PDU.to_le_bytes());
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (file, Self { begun })
    }

    /// A packet with one box.
    pub(crate) fn of_box(
        &self,
        connection: u64,
        from: Side,
        at: Duration,
        ampbox: &[u8],
    ) -> Vec<u8> {
        self.packet(connection, from, at, DISSECTOR, ampbox)
    }

    /// A packet with bytes that are not looked into.
    pub(crate) fn of_bytes(
        &self,
        connection: u64,
        from: Side,
        at: Duration,
        bytes: &[u8],
    ) -> Vec<u8> {
        self.packet(connection, from, at, NO_DISSECTOR, bytes)
    }

    fn packet(
        &self,
        connection: u64,
        from: Side,
        at: Duration,
        dissector: &[u8],
        bytes: &[u8],
    ) -> Vec<u8> {
        // Ports have 16 bits for whoever reads them; there are seldom so many connections.
        let port = u32::try_from(FIRST_PORT + (connection - 1) % 25_000).unwrap_or(u32::MAX);
        let (client, server) = ((CLIENT, port), (SERVER, SERVER_PORT));
        let ((source, source_port), (target, target_port)) = match from {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let mut tags = Vec::new();
        put_tag(&mut tags, TAG_DISSECTOR, dissector);
        put_tag(&mut tags, TAG_SOURCE, &source.octets());
        put_tag(&mut tags, TAG_TARGET, &target.octets());
        put_tag(&mut tags, TAG_PORT_TYPE, &TCP.to_be_bytes());
        put_tag(&mut tags, TAG_SOURCE_PORT, &source_port.to_be_bytes());
        put_tag(&mut tags, TAG_TARGET_PORT, &target_port.to_be_bytes());
        put_tag(&mut tags, TAG_END, &[]);
        let kept = &bytes[..bytes.len().min(LONGEST - tags.len())];
        let when = self.begun + at;
        let seconds = u32::try_from(when.as_secs()).unwrap_or(u32::MAX);
        let mut packet = Vec::with_capacity(16 + tags.len() + kept.len());
        for word in [seconds, when.subsec_micros()] {
            packet.extend(word.to_le_bytes());
        }
        for len in [tags.len() + kept.len(), tags.len() + bytes.len()] {
            packet.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        }
        packet.extend(tags);
        packet.extend(kept);
        packet
    }
}

fn put_tag(tags: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let padded = value.len().next_multiple_of(4);
    tags.extend(tag.to_be_bytes());
    tags.extend(u16::try_from(padded).unwrap_or(u16::MAX).to_be_bytes());
    tags.extend(value);
    tags.resize(tags.len() + padded - value.len(), 0);
}

/// Reads captures of exported PDUs.
pub(crate) struct PcapReader<'a> {
    file: &'a [u8],
    /// What was not read yet.
    rest: &'a [u8],
    big_endian: bool,
    nanoseconds: bool,
    begun: Option<Duration>,
}

/// A packet for the dissector of boxes.
pub(crate) struct Packet<'a> {
    pub(crate) connection: u64,
    pub(crate) from: Side,
    /// Since the first packet.
    pub(crate) at: Duration,
    pub(crate) bytes: &'a [u8],
    /// Says whether it was longer than captures can have.
    pub(crate) is_cut: bool,
}

impl<'a> PcapReader<'a> {
    /// Returns whether a file is a capture, of any kind.
    pub(crate) fn is_one(file: &[u8]) -> bool {
        let magic = file.first_chunk().copied().unwrap_or_default();
        let is = |magic| magic == MAGIC || magic == MAGIC_NANOSECONDS;
        magic == PCAPNG || is(u32::from_le_bytes(magic)) || is(u32::from_be_bytes(magic))
    }

    pub(crate) fn new(file: &'a [u8]) -> Result<Self, Mistake> {
        if file.starts_with(&PCAPNG) {
            let what =
                "it is a capture of the kind pcapng; `editcap -F pcap` makes one of the kind pcap";
            return Err(Mistake::new(what));
        }
        let (head, rest) = file
            .split_first_chunk::<24>()
            .ok_or_else(|| Mistake::new("the capture is cut short in its head of 24 bytes"))?;
        let magic = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let big_endian = magic.swap_bytes() == MAGIC || magic.swap_bytes() == MAGIC_NANOSECONDS;
        let magic = if big_endian { magic.swap_bytes() } else { magic };
        let nanoseconds = magic == MAGIC_NANOSECONDS;
        if magic != MAGIC && !nanoseconds {
            return Err(Mistake::new("it is no capture of the kind pcap"));
        }
        let reader = Self { file, rest, big_endian, nanoseconds, begun: None };
        let kind = reader.word([head[20], head[21], head[22], head[23]]);
        if kind & 0x0fff_ffff != EXPORTED_PDU {
            return Err(Mistake::new(format!(
                "it is a capture of a network, of link type {kind}; `tshark -X lua_script:amp.lua` shows \
                 its boxes, and captures of `ampctl tap --pcap` are read here, of link type {EXPORTED_PDU}"
            )));
        }
        Ok(reader)
    }

    /// Where in the file the rest begins.
    pub(crate) fn position(&self) -> usize {
        self.file.len() - self.rest.len()
    }

    /// The next packet for the dissector of boxes.
    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet<'a>>, Mistake> {
        while !self.rest.is_empty() {
            let at = self.position();
            let cut = || Mistake::new(format!("the packet at byte {at} is cut short"));
            let (head, rest) = self.rest.split_first_chunk::<16>().ok_or_else(cut)?;
            let word = |at: usize| self.word([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let fraction = if self.nanoseconds { word(4) } else { word(4).saturating_mul(1000) };
            let when = Duration::from_secs(word(0).into()) + Duration::from_nanos(fraction.into());
            let (len, whole) = (word(8), word(12));
            let (packet, rest) = usize::try_from(len)
                .ok()
                .and_then(|len| rest.split_at_checked(len))
                .ok_or_else(cut)?;
            self.rest = rest;
            let begun = *self.begun.get_or_insert(when);
            if let Some(read) = read_tags(packet) {
                let (connection, from, bytes) = read;
                let at = when.saturating_sub(begun);
                return Ok(Some(Packet { connection, from, at, bytes, is_cut: len < whole }));
            }
        }
        Ok(None)
    }

    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// The connection of an exported PDU, who has sent it, and what is behind the tags, if the dissector of
/// boxes is to read it.
fn read_tags(mut packet: &[u8]) -> Option<(u64, Side, &[u8])> {
    let (mut ours, mut ports) = (false, [0; 2]);
    loop {
        let (&[tag_high, tag_low, len_high, len_low], rest) = packet.split_first_chunk::<4>()?;
        let len = u16::from_be_bytes([len_high, len_low]);
        let (value, rest) = rest.split_at_checked(len.into())?;
        packet = rest;
        let port = || value.first_chunk().copied().map(u32::from_be_bytes);
        match u16::from_be_bytes([tag_high, tag_low]) {
            TAG_END => break,
            TAG_DISSECTOR => ours = value.starts_with(DISSECTOR),
            TAG_SOURCE_PORT => ports[0] = port()?,
            TAG_TARGET_PORT => ports[1] = port()?,
            _ => {}
        }
    }
    let (from, port) = match ports {
        [SERVER_PORT, port] => (Side::Server, port),
        [port, _] => (Side::Client, port),
    };
    ours.then(|| (u64::from(port).saturating_sub(FIRST_PORT) + 1, from, packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let (mut file, packets) = Packets::begin();
        assert!(PcapReader::is_one(&file));
        let at = Duration::from_micros(1_234_567);
        file.extend(packets.of_box(1, Side::Client, Duration::ZERO, b"one"));
        file.extend(packets.of_bytes(1, Side::Client, at, b"not a box"));
        file.extend(packets.of_box(2, Side::Server, at, &vec![1; LONGEST + 1]));
        let mut reader = PcapReader::new(&file).unwrap();
        let one = reader.next_packet().unwrap().unwrap();
        assert_eq!((one.connection, one.from, one.bytes), (1, Side::Client, &b"one"[..]));
        let two = reader.next_packet().unwrap().unwrap();
        assert_eq!((two.connection, two.from, two.at), (2, Side::Server, at));
        assert!(two.is_cut && !one.is_cut && two.bytes.len() < LONGEST);
        assert!(reader.next_packet().unwrap().is_none());
        assert_eq!(reader.position(), file.len());

        for cut in 0..24 {
            assert!(PcapReader::new(&file[..cut]).is_err());
        }
        let mut reader = PcapReader::new(&file[..50]).unwrap();
        let said = reader.next_packet().err().unwrap().to_string();
        assert_eq!(said, "the packet at byte 24 is cut short");
    }
}
