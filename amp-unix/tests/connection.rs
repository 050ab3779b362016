//! Descriptors as arguments of calls over real sockets.

mod support;

use amp_core::{Arguments, Command, Responders};
use amp_unix::Descriptor;
use support::{tag, tagged};
use tokio::net::UnixStream;

/// Gives back what it gets, in the opposite order.
#[derive(Command, Debug)]
#[amp(response = Turned)]
struct Turn {
    files: Vec<Descriptor>,
}

#[derive(Arguments, Debug)]
struct Turned {
    files: Vec<Descriptor>,
}

#[test]
fn a_call_and_its_answer_carry_any_number_of_descriptors_and_leave_none_open() {
    let name = "a_call_and_its_answer_carry_any_number_of_descriptors_and_leave_none_open";
    support::in_own_process(name, || {
        support::limit_open_files(8192);
        let before = support::open_descriptors();
        support::block_on(async {
            let (near, far) = UnixStream::pair().unwrap();
            let peer = amp_unix::connection(near).unwrap().spawn();
            let responders = Responders::new(()).respond(|_, Turn { mut files }| async move {
                files.reverse();
                Ok(Turned { files })
            });
            let _far = amp_unix::connection(far).unwrap().responders(responders).spawn();
            for count in [1, 16, 253, 254, 1000] {
                let files = (0..count).map(|n| tagged(n).into()).collect();
                let Turned { files } = peer.call_remote(Turn { files }).await.unwrap();
                let tags: Vec<_> = files.iter().map(tag).collect();
                assert_eq!(tags, (0..count).rev().collect::<Vec<_>>());
            }
        });
        assert_eq!(support::open_descriptors(), before);
    });
}
