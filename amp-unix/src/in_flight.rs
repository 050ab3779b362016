//! How many descriptors are on their way to a peer.

/// After this many descriptors, the next ones wait until the peer has received those before these. If many wait, a
/// write takes this many at once, so two writes may be on their way.
const HALF: usize = 64;

/// The memory that the kernel needs for a message beside its bytes, at least. Linux takes some 700 bytes.
const MESSAGE: usize = 512;

/// The descriptors that were sent to a peer which may not have received them yet: at most twice [`HALF`], unless one
/// box names more.
///
/// Linux counts those of all processes of a user, and refuses to send more once there are too many. So a peer
/// that does not read is sent no more than these.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// Those that were sent before, and that the peer is not known to have received.
    before: usize,
    /// Those that were sent since then.
    since: usize,
    /// The memory that the kernel needs at least for what was sent since then, in bytes.
    memory: usize,
    /// Whether more follow of the same box: it goes whole, or the peer could not read it.
    follows: bool,
}

impl InFlight {
    /// Makes room for so many descriptors. Where there is none, it returns how much memory everything that is
    /// unreceived may take for there to be some: [`received`](Self::received) is called once it takes no more.
    pub(crate) fn lacks_room_for(&mut self, descriptors: usize) -> Option<usize> {
        if self.since == 0 || self.follows || self.since + descriptors <= HALF {
            return None;
        }
        if self.before > 0 {
            // If one of those before were unreceived, all since then would be, too.
            return Some(self.memory.saturating_add(MESSAGE - 1));
        }
        self.received();
        None
    }

    /// The peer has received those that were sent before.
    pub(crate) fn received(&mut self) {
        *self = Self { before: self.since, ..Self::default() };
    }

    /// A message was sent, which others may follow with more descriptors of the same box.
    pub(crate) fn sent(&mut self, bytes: usize, descriptors: usize, follows: bool) {
        self.follows = follows;
        self.since += descriptors;
        self.memory = self.memory.saturating_add(MESSAGE + bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends messages until there is no room, and returns how many.
    fn fill(in_flight: &mut InFlight, bytes: usize, descriptors: usize) -> (usize, usize) {
        for sent in 0..1000 {
            if let Some(most) = in_flight.lacks_room_for(descriptors) {
                assert_eq!(
                    in_flight.lacks_room_for(descriptors),
                    Some(most),
                    "it waits for the same"
                );
                return (sent, most);
            }
            in_flight.sent(bytes, descriptors, false);
        }
        panic!("there is room for any number");
    }

    #[test]
    fn twice_as_many_go_as_are_looked_at_at_once() {
        for (descriptors, messages) in
            [(1, 128), (2, 64), (3, 42), (33, 2), (64, 2), (65, 2), (200, 2)]
        {
            let mut in_flight = InFlight::default();
            let (sent, most) = fill(&mut in_flight, 10, descriptors);
            assert_eq!(sent, messages, "{descriptors} each");
            // The older half was received, and nothing of the other.
            assert_eq!(most, messages / 2 * (MESSAGE + 10) + MESSAGE - 1);
            in_flight.received();
            assert_eq!(fill(&mut in_flight, 10, descriptors).0, messages / 2);
        }
    }

    #[test]
    fn messages_without_descriptors_count_where_what_is_before_them_was_received() {
        let mut in_flight = InFlight::default();
        fill(&mut in_flight, 10, 64);
        in_flight.sent(100_000, 0, false);
        in_flight.sent(usize::MAX - MESSAGE, 0, false);
        assert_eq!(in_flight.lacks_room_for(1), Some(usize::MAX));
    }

    #[test]
    fn a_box_goes_whole_however_many_it_names() {
        let mut in_flight = InFlight::default();
        for left in (0..10).rev() {
            assert_eq!(in_flight.lacks_room_for(253), None);
            in_flight.sent(1, 253, left > 0);
        }
        assert_eq!(fill(&mut in_flight, 1, 1).0, 64);
    }
}
