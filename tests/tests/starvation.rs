//! A client is answered beside one that calls without end. How long that takes depends on the machine:
//! it is printed, and compared where the machine does nothing else.

use amp_tests::starvation::{Kind, measure};
use std::time::Duration;

#[test]
fn a_client_is_answered_beside_one_that_floods() {
    const TIME: Duration = Duration::from_millis(100);
    for workers in [None, Some(2)] {
        for kind in [Kind::Amp, Kind::Echo] {
            let latencies = measure(kind, workers, 1, TIME).unwrap();
            println!("{kind:?} on {workers:?}: {latencies}");
        }
    }
}
