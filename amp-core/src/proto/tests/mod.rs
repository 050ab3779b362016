//! Two cores that talk to each other, without sockets, tasks or clocks.

#![cfg_attr(not(test), allow(dead_code, reason = "a fuzzer needs but a part of it"))]

mod command;
#[cfg(test)]
mod conversations;
mod driver;
#[cfg(fuzzing)]
pub(crate) mod fuzzed;
mod hands;
mod model;
mod pair;
mod pipe;
#[cfg(test)]
mod properties;
mod queueing;
mod reached;
mod seen;
mod side;
mod way;
mod world;
