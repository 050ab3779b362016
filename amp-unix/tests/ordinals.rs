//! A peer that names descriptors wrongly, or not at all: none is taken for another, and the
//! connection goes on.

mod support;

use amp_core::{AmpBox, Arguments, CallError, Command, Context, Limits, NoError, Peer, Responders};
use amp_unix::Descriptor;
use support::numbered::{Far, number};
use support::{ask, without_leak};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Takes two descriptors.
#[derive(Command, Debug)]
struct Take {
    file: Descriptor,
    other: Descriptor,
}

/// Takes a descriptor of one kind, or none.
#[derive(Command, Debug)]
struct Open {
    #[amp(flatten)]
    source: Source,
}

#[derive(Arguments, Debug)]
#[amp(tag = "kind")]
enum Source {
    File { file: Descriptor },
    Nothing,
}

/// Gets two descriptors.
#[derive(Command, Debug)]
#[amp(response = Two)]
struct Get;

#[derive(Arguments, Debug)]
struct Two {
    file: Descriptor,
    other: Descriptor,
}

/// A side that answers `Take`, what it has taken, and its far side.
struct Sides {
    near: Peer,
    far: Far,
    taken: UnboundedReceiver<[u64; 2]>,
    /// How many descriptors are open while nobody has any.
    idle: usize,
}

fn sides() -> Sides {
    let (near, far) = UnixStream::pair().unwrap();
    let (take, taken) = unbounded_channel();
    let responders = Responders::new(()).respond(move |_, Take { file, other }| {
        take.send([file, other].map(number)).unwrap();
        async { Ok(()) }
    });
    let responders = responders.respond(async |_: Context, Open { source }: Open| match source {
        Source::File { file } => {
            drop(file);
            Ok::<_, NoError>(())
        }
        Source::Nothing => Ok(()),
    });
    let limits = Limits::default().unclaimed_attachments(256);
    let near = amp_unix::connection(near).unwrap().responders(responders).limits(limits).spawn();
    let idle = support::open_descriptors();
    Sides { near, far: Far::new(far), taken, idle }
}

fn take(file: &str, other: &str) -> Vec<u8> {
    ask("1", "Take", &[("file", file), ("other", other)])
}

impl Sides {
    /// A call that is right in all ways. It closes what nobody has claimed before.
    async fn take_two(&mut self) {
        let (file, other) = (self.far.sent, self.far.sent + 1);
        self.far.send(&take(&file.to_string(), &other.to_string()), 2).await;
        assert!(self.far.receive().await.unwrap().contains_key("_answer"));
        assert_eq!(self.taken.try_recv().unwrap(), [file, other]);
        assert!(self.taken.try_recv().is_err());
        assert_eq!(support::open_descriptors(), self.idle);
    }
}

/// What is wrong in the place of the second of two descriptors, of which the first is `first`, and
/// what is said about it.
fn mistakes(first: u64) -> Vec<(String, &'static str)> {
    let mut mistakes = vec![
        (first.to_string(), "was already taken"),
        ((first + 2).to_string(), "has not arrived"),
        (u64::MAX.to_string(), "has not arrived"),
        ("-1".to_owned(), "-1"),
        ("18446744073709551616".to_owned(), "18446744073709551616"),
        ("9".repeat(5000), "999"),
    ];
    if first > 0 {
        mistakes.push(("0".to_owned(), "was already taken"));
    }
    for malformed in ["", "x", "1.0", "0x1", "1 2", "\u{663}", "\0"] {
        mistakes.push((malformed.to_owned(), "is not"));
    }
    mistakes
}

#[test]
fn a_call_with_a_wrong_ordinal_fails_alone() {
    without_leak("a_call_with_a_wrong_ordinal_fails_alone", || async {
        let mut sides = sides();
        for n in 0..mistakes(1).len() {
            let first = sides.far.sent;
            let (mistake, _) = &mistakes(first)[n];
            let first = first.to_string();
            for (file, other) in [(&first, mistake), (mistake, &first)] {
                // The second one is named by nobody, if it is not what is wrong.
                sides.far.send(&take(file, other), 2).await;
                let answer = sides.far.receive().await.unwrap();
                assert_eq!(answer.get("_error_code").unwrap(), b"UNKNOWN", "{mistake:?}");
                sides.take_two().await;
            }
        }
    });
}

/// What stands beside a tag that is none, and what belongs to another variant, is closed.
#[test]
fn a_descriptor_of_no_variant_is_closed() {
    without_leak("a_descriptor_of_no_variant_is_closed", || async {
        let mut sides = sides();
        for (kind, expected) in [
            (Some("File"), "_answer"),
            (Some("Nothing"), "_answer"),
            (Some("Pipe"), "_error"),
            (Some(""), "_error"),
            (None, "_error"),
        ] {
            let file = sides.far.sent.to_string();
            let mut arguments = vec![("file", file.as_str())];
            arguments.extend(kind.map(|kind| ("kind", kind)));
            sides.far.send(&ask("1", "Open", &arguments), 1).await;
            let answer = sides.far.receive().await.unwrap();
            assert!(answer.contains_key(expected), "{kind:?}: {answer:?}");
            sides.take_two().await;
        }
    });
}

#[test]
fn an_answer_with_a_wrong_ordinal_fails_its_call_alone() {
    without_leak("an_answer_with_a_wrong_ordinal_fails_its_call_alone", || async {
        let mut sides = sides();
        for n in 0..mistakes(1).len() {
            for turned in [false, true] {
                let first = sides.far.sent;
                let (mistake, message) = &mistakes(first)[n];
                let first = first.to_string();
                let mut named = [first.as_str(), mistake.as_str()];
                if turned {
                    named.reverse();
                }
                let error = sides.get(named).await.unwrap_err();
                let CallError::Decode(error) = error else { panic!("{error:?}") };
                assert!(error.to_string().contains(message), "{mistake:?}: {error}");

                let first = sides.far.sent;
                let right = [first.to_string(), (first + 1).to_string()];
                let two = sides.get([&right[0], &right[1]]).await.unwrap();
                assert_eq!([two.file, two.other].map(number), [first, first + 1]);
                assert_eq!(support::open_descriptors(), sides.idle);
            }
        }
    });
}

impl Sides {
    /// Calls, and answers with two descriptors under these names.
    async fn get(&mut self, [file, other]: [&str; 2]) -> Result<Two, CallError> {
        let answering = async {
            let call = self.far.receive().await.unwrap();
            let tag = std::str::from_utf8(call.get("_ask").unwrap()).unwrap();
            let answer = [("_answer", tag), ("file", file), ("other", other)];
            self.far.send(&AmpBox::from_pairs(answer).unwrap().to_bytes(), 2).await;
        };
        tokio::join!(self.near.call_remote(Get), answering).0
    }
}

#[test]
fn descriptors_that_nothing_names_do_not_shift_the_others() {
    without_leak("descriptors_that_nothing_names_do_not_shift_the_others", || async {
        let mut sides = sides();
        // With a box that names none, with an answer to nobody, and with a call for nobody.
        let nothing = AmpBox::from_pairs([("_answer", "ff")]).unwrap().to_bytes();
        sides.far.send(&nothing, 3).await;
        sides.far.send(&ask("1", "Nobody", &[("file", "4"), ("other", "3")]), 2).await;
        assert_eq!(sides.far.receive().await.unwrap().get("_error_code").unwrap(), b"UNHANDLED");
        sides.take_two().await;
        // Named by a key that the command does not have.
        let (file, unknown) = (sides.far.sent.to_string(), (sides.far.sent + 1).to_string());
        let other = (sides.far.sent + 2).to_string();
        let arguments = [("unknown", &unknown[..]), ("file", &file), ("other", &other)];
        sides.far.send(&ask("1", "Take", &arguments), 3).await;
        assert!(sides.far.receive().await.unwrap().contains_key("_answer"));
        assert_eq!(sides.taken.try_recv().unwrap(), [sides.far.sent - 3, sides.far.sent - 1]);
        sides.take_two().await;
        // Before, between and behind those that are named, which nothing tells from some that
        // will be: they stay until the connection ends.
        let first = sides.far.sent;
        let [file, other] = [3, 1].map(|n| (first + n).to_string());
        sides.far.send(&take(&file, &other), 5).await;
        sides.far.receive().await.unwrap();
        assert_eq!(sides.taken.try_recv().unwrap(), [first + 3, first + 1]);
        sides.idle += 3;
        sides.take_two().await;
    });
}

#[test]
fn a_peer_whose_descriptors_nobody_claims_leaves_no_more_than_may_wait() {
    without_leak("a_peer_whose_descriptors_nobody_claims_leaves_no_more_than_may_wait", || async {
        let mut sides = sides();
        for n in 1..=5 {
            sides.far.send(&ask("1", "Nobody", &[]), 100).await;
            let answer = sides.far.receive().await.unwrap();
            assert_eq!(answer.get("_error_code").unwrap(), b"UNHANDLED");
            let open = support::open_descriptors() - sides.idle;
            assert_eq!(open, 256.min(100 * n));
        }
        sides.take_two().await;
    });
}
