/// A conversation on a connection of its own.
pub(super) struct Conversation {
    pub(super) name: &'static str,
    pub(super) steps: Vec<Step>,
    /// The other way that it goes with our peer, and the reason for that.
    pub(super) ours: Option<(&'static str, Vec<Step>)>,
}

#[derive(Clone)]
pub(super) enum Step {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// These boxes come, byte for byte but in any order.
    Receive(Vec<Vec<u8>>),
    /// These bytes come, which are no boxes.
    ReceiveBytes(Vec<u8>),
    /// Nothing more comes, and the peer closes the connection.
    Closed,
    /// Nothing more comes, and the peer answers another call.
    Open,
    /// [`Closed`](Step::Closed) after a failure that is not declared, as Twisted does, or
    /// [`Open`](Step::Open) with a peer under the policy to stay.
    ClosedOrStaying,
}

pub(super) fn case(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Conversation {
    Conversation { name, steps: steps.into_iter().collect(), ours: None }
}

impl Conversation {
    pub(super) fn but_ours(self, why: &'static str, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { ours: Some((why, steps.into_iter().collect())), ..self }
    }
}
