//! Clients that call without end beside one that calls now and then.

use amp_tests::starvation::{Kind, measure};
use std::io;
use std::time::Duration;

use crate::figure::Figure;
use crate::options::Options;

/// How much longer the one waits than beside as many that flood a plain echo server.
pub(super) fn flooded(options: &Options) -> io::Result<Vec<Figure>> {
    let time = Duration::from_millis(options.pick(1000, 5000) as u64);
    // A driver that is woken before others have had their turn makes it 23 times beside ten flooders
    // and 800 beside one, on any machine. What a busy one adds is less than that; more on two threads,
    // which have the cores only now and then.
    let bound = |busy: f64| if options.small { busy } else { 1.5 };
    let mut figures = Vec::new();
    for (threads, workers, busy) in [("one thread", None, 10.0), ("two threads", Some(2), 100.0)] {
        for (flooders, count) in [("one flooder", 1), ("ten flooders", 10)] {
            let half = |kind| Ok::<_, io::Error>(measure(kind, workers, count, time)?.at(0.5));
            let (amp, echo) = (half(Kind::Amp)?, half(Kind::Echo)?);
            let times = amp.as_secs_f64() / echo.as_secs_f64();
            let what = format!("wait beside {flooders}, times that of an echo, on {threads}");
            figures.push(Figure::new(&what, times, bound(busy), "times"));
        }
    }
    Ok(figures)
}
