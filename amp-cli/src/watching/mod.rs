//! Boxes that others exchange, understood and shown: what `tap`, `decode` and `replay` have in common.

mod arrived;
mod conversation;
mod entry;
mod pcap;
mod schemas;
mod seen;
mod side;

pub(crate) use conversation::Conversation;
pub(crate) use entry::{Entry, Kept};
pub(crate) use pcap::{Packets, PcapReader};
pub(crate) use schemas::Schemas;
pub(crate) use seen::{Kind, Seen, shown_time};
pub(crate) use side::Side;
