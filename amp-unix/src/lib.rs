//! AMP over Unix sockets.
