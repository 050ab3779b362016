use super::*;
use std::ops::Range;
use std::sync::Arc;

fn holding(count: u8) -> Unclaimed<u8> {
    let mut unclaimed = Unclaimed::<u8>::default();
    let attachments = (0..count).map(|n| Arc::new(n) as Attachment);
    assert!(unclaimed.receive(attachments, Instant::now(), 255).1.is_empty());
    unclaimed
}

fn more(unclaimed: &mut Unclaimed<u8>, numbers: Range<u8>, limit: usize) -> Vec<u8> {
    let attachments = numbers.map(|n| Arc::new(n) as Attachment);
    let (_, dead) = unclaimed.receive(attachments, Instant::now(), limit);
    dead.into_iter().map(|attachment| *attachment.downcast::<u8>().unwrap()).collect()
}

fn numbers<const N: usize>(unclaimed: &mut Unclaimed<u8>) -> [BoxNumber; N] {
    std::array::from_fn(|_| unclaimed.number().unwrap())
}

/// Reads a box that makes these claims, after which those in `dead` are gone.
fn read(
    unclaimed: &mut Unclaimed<u8>,
    number: BoxNumber,
    claims: &[u64],
    whole: bool,
    dead: &[u8],
) {
    for ordinal in claims {
        unclaimed.claim(*ordinal).unwrap();
    }
    let claimed = claims.iter().min().copied().zip(claims.iter().max().copied());
    let dropped = unclaimed.done(number, claimed, whole);
    let dropped = dropped.into_iter().map(|attachment| *attachment.downcast::<u8>().unwrap());
    assert_eq!(dropped.collect::<Vec<_>>(), dead);
}

#[test]
fn attachments_are_claimed_once_and_in_any_order() {
    let mut unclaimed = holding(3);
    let mut claim = |ordinal| unclaimed.claim(ordinal).map(|a| *a.downcast::<u8>().unwrap());
    assert_eq!(claim(2).unwrap(), 2);
    assert_eq!(claim(0).unwrap(), 0);
    let message = "attachment 0 was already taken or has waited for too long";
    assert_eq!(claim(0).unwrap_err().to_string(), message);
    let message = "attachment 3 has not arrived: 3 have";
    assert_eq!(claim(3).unwrap_err().to_string(), message);
    assert_eq!(unclaimed.len(), 1);
}

#[test]
fn boxes_that_are_read_whole_may_claim_in_any_order() {
    let mut unclaimed = holding(4);
    let [first, second, third] = numbers(&mut unclaimed);
    read(&mut unclaimed, first, &[3], true, &[]);
    read(&mut unclaimed, third, &[2], true, &[]);
    read(&mut unclaimed, second, &[0, 1], true, &[]);
    assert_eq!(unclaimed.len(), 0);
}

#[test]
fn what_a_box_left_behind_goes_when_a_later_one_claims() {
    let mut unclaimed = holding(6);
    let [first, unread, third, last] = numbers(&mut unclaimed);
    read(&mut unclaimed, first, &[0], true, &[]);
    read(&mut unclaimed, unread, &[], false, &[]);
    read(&mut unclaimed, third, &[3], true, &[1, 2]);
    // Those behind it were left by nobody.
    read(&mut unclaimed, last, &[5], true, &[]);
    assert!(unclaimed.claim(4).is_ok());
}

#[test]
fn nothing_goes_while_an_earlier_box_may_claim_it() {
    let mut unclaimed = holding(3);
    let [first, unread, last] = numbers(&mut unclaimed);
    read(&mut unclaimed, unread, &[], false, &[]);
    read(&mut unclaimed, last, &[2], true, &[]);
    read(&mut unclaimed, first, &[0], true, &[1]);
}

#[test]
fn a_box_that_was_read_in_part_leaves_what_it_did_not_claim() {
    let mut unclaimed = holding(7);
    let [first, partly, last] = numbers(&mut unclaimed);
    read(&mut unclaimed, first, &[0], true, &[]);
    read(&mut unclaimed, partly, &[2, 4], false, &[1, 3]);
    read(&mut unclaimed, last, &[6], true, &[5]);
    assert_eq!(unclaimed.len(), 0);
    // All over again, with ordinals that go on.
    more(&mut unclaimed, 7..8, 10);
    let [next] = numbers(&mut unclaimed);
    read(&mut unclaimed, next, &[7], true, &[]);
}

#[test]
fn one_box_after_another_may_be_left_unread() {
    let mut unclaimed = holding(5);
    let [a, b, c] = numbers(&mut unclaimed);
    read(&mut unclaimed, a, &[], false, &[]);
    read(&mut unclaimed, b, &[1], false, &[0]);
    read(&mut unclaimed, c, &[4], true, &[2, 3]);
}

#[test]
fn a_box_is_not_numbered_when_nothing_waits() {
    let mut unclaimed = Unclaimed::<u8>::default();
    assert_eq!(unclaimed.number(), None);
    more(&mut unclaimed, 0..1, 10);
    assert!(unclaimed.number().is_some());
    unclaimed.claim(0).unwrap();
    assert_eq!(unclaimed.number(), None);
}

#[test]
fn those_between_others_can_be_claimed_or_dropped() {
    let mut unclaimed = holding(10);
    for ordinal in [6, 1, 8] {
        unclaimed.claim(ordinal).unwrap();
    }
    let [unread, last] = numbers(&mut unclaimed);
    read(&mut unclaimed, unread, &[], false, &[]);
    read(&mut unclaimed, last, &[7, 9], true, &[0, 2, 3, 4, 5]);
    assert_eq!(unclaimed.len(), 0);
}

#[test]
fn of_too_many_the_last_are_dropped_and_their_boxes_learn_of_it() {
    let mut unclaimed = holding(3);
    assert_eq!(more(&mut unclaimed, 3..6, 4), [4, 5]);
    let [first] = numbers(&mut unclaimed);
    let error = unclaimed.claim(5).unwrap_err();
    let message = "attachment 5 was dropped: more than 4 waited, which is the limit";
    assert_eq!(error.to_string(), message);
    read(&mut unclaimed, first, &[0], true, &[]);
    // There is room for one again.
    assert_eq!(more(&mut unclaimed, 6..8, 4), [7]);
    let mut claim = |ordinal| unclaimed.claim(ordinal).map(|a| *a.downcast::<u8>().unwrap());
    assert_eq!([1, 2, 3, 6].map(|ordinal| claim(ordinal).unwrap()), [1, 2, 3, 6]);
    let mut error = |ordinal| unclaimed.claim(ordinal).unwrap_err().to_string();
    assert_eq!(error(7), "attachment 7 was dropped: more than 4 waited, which is the limit");
    // A peer that names one twice, and one that it has taken, is told so.
    for ordinal in [5, 7, 6] {
        let message = format!("attachment {ordinal} was already taken or has waited for too long");
        assert_eq!(error(ordinal), message);
    }
}

#[test]
fn boxes_learn_of_those_that_gave_way_to_others() {
    let mut unclaimed = holding(2);
    assert_eq!(unclaimed.take_until(Instant::now(), 8).len(), 2);
    let error = unclaimed.claim(1).unwrap_err().to_string();
    assert_eq!(
        error,
        "attachment 1 was dropped: all connections had more than 8, which is the limit"
    );
    assert!(unclaimed.claim(2).unwrap_err().to_string().contains("has not arrived"));
}

/// What nobody reads does not keep others out.
#[test]
fn of_too_many_those_go_first_that_a_box_has_left() {
    let mut unclaimed = holding(2);
    let [first, unread] = numbers(&mut unclaimed);
    read(&mut unclaimed, first, &[0], true, &[]);
    assert_eq!(more(&mut unclaimed, 2..4, 2), [3], "they may be those of the box");
    read(&mut unclaimed, unread, &[], false, &[]);
    assert_eq!(more(&mut unclaimed, 4..6, 2), [1, 2]);
    let [next] = numbers(&mut unclaimed);
    read(&mut unclaimed, next, &[4, 5], true, &[]);
    assert_eq!(unclaimed.len(), 0);
}

#[test]
fn what_a_box_may_name_that_was_not_read_does_not_expire() {
    let minute = Duration::from_secs(60);
    let mut unclaimed = Unclaimed::<u8>::default();
    let start = Instant::now();
    let receive = |unclaimed: &mut Unclaimed<u8>, n: u8, after| {
        unclaimed.receive([Arc::new(n) as Attachment], start + after, 10);
    };
    receive(&mut unclaimed, 0, Duration::ZERO);
    let [read_soon] = numbers(&mut unclaimed);
    let [waits] = numbers(&mut unclaimed);
    let later = minute / 2;
    receive(&mut unclaimed, 1, later);
    read(&mut unclaimed, read_soon, &[], false, &[]);
    let (dead, next) = unclaimed.expire(start + minute, minute);
    assert_eq!((dead.len(), next), (0, Some(start + later + minute)));
    let (dead, next) = unclaimed.expire(start + later + minute, minute);
    assert_eq!(dead.len(), 1, "it came behind the box");
    assert_eq!(next, Some(start + later + 2 * minute), "it is looked at again");
    assert_eq!(unclaimed.len(), 1);
    unclaimed.done(waits, None, true);
    let (dead, next) = unclaimed.expire(start + later + 2 * minute, minute);
    assert_eq!((dead.len(), next), (1, None));
}

#[test]
fn the_room_that_many_needed_is_not_kept() {
    let mut unclaimed = holding(200);
    let boxes: [_; 200] = numbers(&mut unclaimed);
    for (ordinal, number) in boxes.into_iter().enumerate() {
        assert!(unclaimed.waiting.capacity() > KEPT && unclaimed.boxes.capacity() > KEPT);
        read(&mut unclaimed, number, &[ordinal as u64], true, &[]);
    }
    assert!(unclaimed.waiting.capacity() <= KEPT && unclaimed.boxes.capacity() <= KEPT);
}

#[test]
fn what_is_remembered_has_a_bound() {
    let mut unclaimed = holding(3);
    let first = unclaimed.number().unwrap();
    let unread = unclaimed.number().unwrap();
    unclaimed.done(unread, None, false);
    for _ in 0..2 * MAX_BOXES {
        let number = unclaimed.number().unwrap();
        read(&mut unclaimed, number, &[], true, &[]);
    }
    assert!(unclaimed.boxes.len() <= MAX_BOXES);
    // What may have been left is not remembered any more: nothing is dropped that might be
    // wanted.
    let number = unclaimed.number().unwrap();
    read(&mut unclaimed, number, &[2], true, &[]);
    read(&mut unclaimed, first, &[0], true, &[]);
    assert!(unclaimed.claim(1).is_ok());

    let mut core = crate::proto::Core::new(crate::proto::ProtocolLimits::default());
    let mut call = || core.call(b"", &mut crate::proto::Body::default(), ()).unwrap();
    let calls: Vec<_> = (0..=MAX_GIVEN_UP).map(|_| call()).collect();
    for id in &calls {
        unclaimed.give_up(*id, 0);
    }
    assert!(unclaimed.take_given_up(calls[0]).is_none());
    assert!(unclaimed.take_given_up(calls[1]).is_some());
    assert!(unclaimed.take_given_up(calls[1]).is_none());
    assert_eq!(unclaimed.last_given_up.len(), MAX_GIVEN_UP);
    assert!(calls[2..].iter().all(|id| unclaimed.take_given_up(*id).is_some()));
    assert_eq!(unclaimed.last_given_up.capacity(), 0, "no room is kept for them");
}

#[test]
fn thousands_of_calls_may_be_given_up_at_once() {
    let mut core = crate::proto::Core::new(crate::proto::ProtocolLimits::default());
    let mut call = || core.call(b"", &mut crate::proto::Body::default(), ()).unwrap();
    let calls: Vec<_> = (0..10_000).map(|_| call()).collect();
    let mut unclaimed = Unclaimed::<u8>::default();
    for id in &calls {
        unclaimed.give_up(*id, 0);
    }
    assert!(calls.iter().all(|id| unclaimed.take_given_up(*id).is_some()));
}
