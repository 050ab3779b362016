//! Two cores that talk to each other, without sockets, tasks or clocks.

mod conversations;
mod driver;
mod model;
mod pair;
mod pipe;
mod properties;
mod side;
mod timing;
mod world;
mod writing;
