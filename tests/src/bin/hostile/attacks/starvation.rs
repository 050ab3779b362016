//! Clients that call without end beside one that calls now and then.

use amp_tests::starvation::{Kind, measure};
use std::io;
use std::time::Duration;

use crate::figure::Figure;
use crate::options::Options;

/// How much longer the one waits than beside as many that flood a plain echo server.
pub(super) fn flooded(options: &Options) -> io::Result<Vec<Figure>> {
    let time = Duration::from_millis(options.pick(1000, 5000) as u64);
    let mut figures = Vec::new();
    for (what, flooders) in [
        ("wait beside one flooder, times that of a plain echo", 1),
        ("wait beside ten flooders, times that of a plain echo", 10),
    ] {
        let half = |kind| Ok::<_, io::Error>(measure(kind, None, flooders, time)?.at(0.5));
        let (amp, echo) = (half(Kind::Amp)?, half(Kind::Echo)?);
        figures.push(Figure::new(what, amp.as_secs_f64() / echo.as_secs_f64(), 1.5, "times"));
    }
    Ok(figures)
}
