//! Protocol switches: who has asked for one, who agrees, and what becomes of the stream.
//!
//! Both sides of a switch, and both kinds of it, go through the same stages. Either another protocol
//! follows, spoken by a successor or by whoever has asked; or boxes follow again, over another
//! transport that is made of the stream.

use std::fmt;

use super::calls::CallId;
use super::{Host, ProtocolError, SwitchRefused};

/// The step that follows a switch which both sides have agreed to.
pub(crate) enum Then<H: Host> {
    /// Another protocol, spoken by whoever has asked, on this side.
    HandOver,
    /// Another protocol, spoken by this successor.
    Succeed(H::Successor),
    /// Boxes again, over another transport that this makes of the stream.
    Upgrade(H::Upgrade),
}

/// What is to be done with the stream when everything before the switch is sent.
pub(crate) enum Leaving<H: Host> {
    /// Another transport is made of it.
    Upgrade(H::Upgrade),
    /// The stream is the successor's.
    Succeed(H::Successor),
    /// The stream is for whoever has asked, if they still want it: see [`Switch::hand_over`].
    HandOver,
}

/// How far a protocol switch has come.
pub(crate) struct Switch<H: Host> {
    agreement: Agreement<H>,
    /// Whether a switch has replaced the transport: at most once.
    upgraded: bool,
}

enum Agreement<H: Host> {
    /// Boxes follow each other.
    None,
    /// This side has asked, by this call. What it queues behind that is held back. Without a `then`
    /// nobody wants the stream any more, and it is closed if the peer agrees.
    Asked { id: CallId, then: Option<Then<H>> },
    /// The peer has asked by the call with this tag, and the responder has not decided. What is behind
    /// the call is not read.
    Deciding(Box<[u8]>),
    /// Both sides agree. What is behind the last box is of another protocol.
    Agreed(Option<Then<H>>),
    /// Another transport is being made of the stream.
    Upgrading,
    /// The stream is gone, or is here for whoever has asked.
    HandedOver(Option<H::Switched>),
}

impl<H: Host> Switch<H> {
    pub(crate) const fn new() -> Self {
        Self { agreement: Agreement::None, upgraded: false }
    }

    /// Whether there is none, and there was none that has replaced the transport.
    #[inline]
    pub(crate) fn is_far(&self) -> bool {
        matches!(self.agreement, Agreement::None) && !self.upgraded
    }

    /// Whether one has replaced the transport.
    pub(crate) fn has_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Whether this side has asked, and the peer has not answered.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.agreement, Agreement::Asked { .. })
    }

    /// Whether this call has asked, and the peer has not answered.
    pub(crate) fn is_asked_by(&self, call: CallId) -> bool {
        matches!(self.agreement, Agreement::Asked { id, .. } if id == call)
    }

    /// Whether what comes behind the last box must not be read as a box: it may be of another
    /// protocol.
    pub(crate) fn ends_boxes(&self) -> bool {
        !matches!(self.agreement, Agreement::None | Agreement::Asked { .. })
    }

    /// Whether the peer has asked and the responder has not decided.
    pub(crate) fn is_deciding(&self) -> bool {
        matches!(self.agreement, Agreement::Deciding(_))
    }

    /// Whether the peer has asked by the call with this tag, and the responder has not decided.
    #[inline]
    pub(crate) fn is_deciding_on(&self, tag: &[u8]) -> bool {
        matches!(&self.agreement, Agreement::Deciding(asking) if **asking == *tag)
    }

    /// Whether both sides agree, and the stream is not gone.
    pub(crate) fn is_agreed(&self) -> bool {
        matches!(self.agreement, Agreement::Agreed(_))
    }

    /// Whether both sides agree to another transport.
    pub(crate) fn upgrades(&self) -> bool {
        matches!(self.agreement, Agreement::Agreed(Some(Then::Upgrade(_))))
    }

    /// Whether another transport is being made.
    pub(crate) fn is_upgrading(&self) -> bool {
        matches!(self.agreement, Agreement::Upgrading)
    }

    /// Whether the stream is about to go to a successor, who needs nobody of this connection.
    pub(crate) fn is_succeeded(&self) -> bool {
        matches!(self.agreement, Agreement::Agreed(Some(Then::Succeed(_))))
    }

    /// Whether this side may ask for a switch to this.
    ///
    /// # Errors
    ///
    /// When one is under way, or the transport would be replaced for the second time.
    pub(crate) fn check(&self, then: &Then<H>) -> Result<(), SwitchRefused> {
        if self.upgraded && matches!(then, Then::Upgrade(_)) {
            return Err(SwitchRefused::Upgraded);
        }
        if matches!(self.agreement, Agreement::None) {
            Ok(())
        } else {
            Err(SwitchRefused::UnderWay)
        }
    }

    /// This side asks, which was [checked](Switch::check).
    pub(crate) fn ask(&mut self, id: CallId, then: Then<H>) {
        self.agreement = Agreement::Asked { id, then: Some(then) };
    }

    /// The peer has answered what this side has asked. Gives back what does not follow.
    pub(crate) fn answered(&mut self, agrees: bool) -> Option<Then<H>> {
        let Agreement::Asked { then, .. } = std::mem::replace(&mut self.agreement, Agreement::None)
        else {
            return None;
        };
        if agrees {
            self.agreement = Agreement::Agreed(then);
            return None;
        }
        then
    }

    /// Nobody waits any more for the answer to this call. The peer decides all the same.
    pub(crate) fn give_up(&mut self, call: CallId) -> Option<Then<H>> {
        match &mut self.agreement {
            Agreement::Asked { id, then } if *id == call => then.take(),
            _ => None,
        }
    }

    /// Nobody wants the stream any more that the peer has agreed to. Gives it, if it is there. Another
    /// transport is made all the same.
    pub(crate) fn forget_stream(&mut self) -> Option<H::Switched> {
        match &mut self.agreement {
            Agreement::Agreed(then @ Some(Then::HandOver)) => *then = None,
            Agreement::HandedOver(stream) => return stream.take(),
            _ => {}
        }
        None
    }

    /// The peer asks, by the call with this tag.
    ///
    /// # Errors
    ///
    /// When this side has asked: neither may answer.
    pub(crate) fn receive(&mut self, tag: &[u8]) -> Result<(), ProtocolError> {
        match self.agreement {
            Agreement::None => self.agreement = Agreement::Deciding(tag.into()),
            Agreement::Asked { .. } => return Err(ProtocolError::SwitchesCross),
            // Nothing is read there.
            _ => {}
        }
        Ok(())
    }

    /// This side agrees to what the peer has asked by the call with this tag; or gives back what would have
    /// followed.
    pub(crate) fn accept(
        &mut self,
        tag: &[u8],
        then: Then<H>,
    ) -> Result<(), (Then<H>, SwitchRefused)> {
        if self.upgraded && matches!(then, Then::Upgrade(_)) {
            return Err((then, SwitchRefused::Upgraded));
        }
        if !self.is_deciding_on(tag) {
            return Err((then, SwitchRefused::UnderWay));
        }
        self.agreement = Agreement::Agreed(Some(then));
        Ok(())
    }

    /// The call with this tag was answered as any other call: if it has asked, boxes follow.
    #[inline]
    pub(crate) fn handle_answered(&mut self, tag: &[u8]) {
        if self.is_deciding_on(tag) {
            self.agreement = Agreement::None;
        }
    }

    /// Everything before the switch was sent, and the stream leaves the connection.
    pub(crate) fn leave(&mut self) -> Leaving<H> {
        match std::mem::replace(&mut self.agreement, Agreement::HandedOver(None)) {
            Agreement::Agreed(Some(Then::Upgrade(upgrade))) => {
                self.agreement = Agreement::Upgrading;
                Leaving::Upgrade(upgrade)
            }
            Agreement::Agreed(Some(Then::Succeed(successor))) => Leaving::Succeed(successor),
            agreed => {
                self.agreement = agreed;
                Leaving::HandOver
            }
        }
    }

    /// Hands the stream to whoever has asked, or gives it back when they do not want it any more.
    pub(crate) fn hand_over(&mut self, stream: H::Switched) -> Option<H::Switched> {
        let wanted = matches!(self.agreement, Agreement::Agreed(Some(Then::HandOver)));
        let (here, back) = if wanted { (Some(stream), None) } else { (None, Some(stream)) };
        self.agreement = Agreement::HandedOver(here);
        back
    }

    /// Takes the stream that was handed over.
    pub(crate) fn take_stream(&mut self) -> Option<H::Switched> {
        match &mut self.agreement {
            Agreement::HandedOver(stream) => stream.take(),
            _ => None,
        }
    }

    /// Boxes go on over another transport.
    pub(crate) fn resume(&mut self) {
        self.agreement = Agreement::None;
        self.upgraded = true;
    }

    /// The connection has ended, or the call was not sent that has asked. A stream that was handed
    /// over stays here for whoever has asked.
    pub(crate) fn end(&mut self) -> Option<Then<H>> {
        if matches!(self.agreement, Agreement::HandedOver(_)) {
            return None;
        }
        match std::mem::replace(&mut self.agreement, Agreement::None) {
            Agreement::Asked { then, .. } | Agreement::Agreed(then) => then,
            _ => None,
        }
    }
}

impl<H: Host> fmt::Debug for Switch<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.agreement {
            Agreement::None => "None",
            Agreement::Asked { .. } => "Asked",
            Agreement::Deciding(_) => "Deciding",
            Agreement::Agreed(_) => "Agreed",
            Agreement::Upgrading => "Upgrading",
            Agreement::HandedOver(_) => "HandedOver",
        })
    }
}

impl<H: Host> fmt::Debug for Then<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Then::HandOver => "HandOver",
            Then::Succeed(_) => "Succeed",
            Then::Upgrade(_) => "Upgrade",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Body, Core, ProtocolLimits};

    struct Test;

    impl Host for Test {
        type After = ();
        type Successor = u8;
        type Upgrade = u8;
        type Switched = &'static str;
        type Discard = ();
    }

    fn ids() -> [CallId; 2] {
        let mut core = Core::<()>::new(ProtocolLimits::default());
        [(); 2].map(|()| core.call(b"A", &mut Body::default(), ()).unwrap())
    }

    fn asked(then: Then<Test>) -> Switch<Test> {
        let mut switch = Switch::new();
        switch.check(&then).unwrap();
        switch.ask(ids()[0], then);
        switch
    }

    #[test]
    fn who_has_asked_takes_the_stream() {
        let [call, other] = ids();
        let mut switch = asked(Then::HandOver);
        assert!(switch.is_asked_by(call) && !switch.is_asked_by(other));
        assert!(!switch.ends_boxes() && !switch.is_far());
        assert!(switch.answered(true).is_none());
        assert!(switch.ends_boxes() && switch.is_agreed() && !switch.is_asked());
        assert!(matches!(switch.leave(), Leaving::HandOver));
        assert_eq!(switch.hand_over("stream"), None);
        assert!(switch.end().is_none(), "the connection has ended");
        assert_eq!(switch.take_stream(), Some("stream"));
        assert_eq!((switch.take_stream(), switch.forget_stream()), (None, None));
    }

    #[test]
    fn a_stream_that_nobody_wants_any_more_is_given_back() {
        let [call, other] = ids();
        // The asker gives up before the answer has come.
        let mut switch = asked(Then::HandOver);
        assert!(switch.give_up(other).is_none());
        assert!(matches!(switch.give_up(call), Some(Then::HandOver)));
        assert!(switch.is_asked_by(call), "the peer decides all the same");
        switch.answered(true);
        assert_eq!(switch.hand_over("stream"), Some("stream"));
        // The asker gives up when the answer has come.
        let mut switch = asked(Then::HandOver);
        switch.answered(true);
        assert_eq!(switch.forget_stream(), None);
        assert_eq!(switch.hand_over("stream"), Some("stream"));
        // The asker gives up when the stream is there.
        let mut switch = asked(Then::HandOver);
        switch.answered(true);
        assert_eq!(switch.hand_over("stream"), None);
        assert_eq!(switch.forget_stream(), Some("stream"));
    }

    #[test]
    fn boxes_follow_a_switch_that_is_refused() {
        let mut switch = asked(Then::Upgrade(1));
        assert!(matches!(switch.answered(false), Some(Then::Upgrade(1))));
        assert!(switch.is_far());
        // Another one that was asked for by then is not that of a call that is given up.
        let [call, other] = ids();
        switch.ask(other, Then::HandOver);
        assert!(switch.give_up(call).is_none());
        assert!(switch.is_asked_by(other));

        let mut switch = Switch::<Test>::new();
        switch.receive(b"1").unwrap();
        switch.handle_answered(b"2");
        assert!(switch.is_deciding() && switch.ends_boxes(), "another call was answered");
        assert!(switch.accept(b"2", Then::HandOver).is_err());
        switch.handle_answered(b"1");
        assert!(switch.is_far());
    }

    #[test]
    fn who_is_asked_hands_the_stream_to_a_successor() {
        let mut switch = Switch::<Test>::new();
        switch.receive(b"1").unwrap();
        assert!(matches!(switch.check(&Then::HandOver), Err(SwitchRefused::UnderWay)));
        assert!(!switch.is_succeeded());
        switch.accept(b"1", Then::Succeed(1)).unwrap();
        assert!(switch.is_succeeded() && switch.is_agreed());
        switch.handle_answered(b"1");
        assert!(switch.is_agreed(), "it was agreed to");
        assert!(matches!(switch.leave(), Leaving::Succeed(1)));
        assert!(switch.ends_boxes() && switch.take_stream().is_none());
    }

    #[test]
    fn the_transport_is_replaced_once_whoever_asks() {
        for asks in [true, false] {
            let mut switch = if asks { asked(Then::Upgrade(1)) } else { Switch::new() };
            if asks {
                switch.answered(true);
                // Nobody waits for it, and it is made all the same.
                assert!(switch.give_up(ids()[0]).is_none());
                assert_eq!(switch.forget_stream(), None);
            } else {
                switch.receive(b"1").unwrap();
                switch.accept(b"1", Then::Upgrade(1)).unwrap();
            }
            assert!(matches!(switch.leave(), Leaving::Upgrade(1)));
            assert!(switch.is_upgrading() && switch.ends_boxes());
            switch.resume();
            assert!(switch.has_upgraded() && !switch.ends_boxes() && !switch.is_far());
            let again = switch.check(&Then::Upgrade(2));
            assert!(matches!(again, Err(SwitchRefused::Upgraded)));
            assert!(switch.check(&Then::HandOver).is_ok());
            switch.receive(b"1").unwrap();
            let refused = switch.accept(b"1", Then::Upgrade(2)).unwrap_err();
            assert!(matches!(refused, (Then::Upgrade(2), SwitchRefused::Upgraded)));
            switch.handle_answered(b"1");
            switch.receive(b"1").unwrap();
            switch.accept(b"1", Then::Succeed(3)).unwrap();
        }
    }

    #[test]
    fn switches_do_not_cross() {
        let mut switch = asked(Then::HandOver);
        assert_eq!(switch.receive(b"1"), Err(ProtocolError::SwitchesCross));
        assert!(matches!(switch.check(&Then::HandOver), Err(SwitchRefused::UnderWay)));
        let accepted = switch.accept(b"1", Then::Succeed(1)).unwrap_err();
        assert!(matches!(accepted, (Then::Succeed(1), SwitchRefused::UnderWay)));
        switch.handle_answered(b"1");
        assert!(switch.is_asked());
    }

    #[test]
    fn what_would_have_followed_is_given_back_at_the_end() {
        assert!(matches!(asked(Then::Upgrade(1)).end(), Some(Then::Upgrade(1))));
        let mut switch = asked(Then::HandOver);
        switch.answered(true);
        assert!(switch.end().is_some());
        assert!(switch.end().is_none() && switch.is_far());
    }
}
