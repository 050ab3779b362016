//! What cases come to.

/// Something that not every case comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    Answered,
    Failed,
    LateAnswer,
    /// A caller goes while its answer waits for it.
    GivenUpWithAnswer,
    TooManyCalls,
    TooLarge,
    HandedOver,
    TlsStarted,
    SwitchRefused,
    SwitchGivenUp,
    SwitchesCross,
    Broken,
    CallTakenBack,
    AnswerTakenBack,
    NotificationTakenBack,
    SwitchTakenBack,
    StandIn,
    /// A call of the peer is answered without a responder.
    Refused,
    /// Something runs when an answer is written.
    After,
    /// A caller waits for room.
    NoRoom,
    /// Nothing is read, since as many responders run as may.
    Paused,
    Closed,
    /// An attachment is sent over a transport that carries none.
    Uncarried,
    /// A side looks whether its peer is alive, and gives it up.
    Pinged,
    Silent,
    /// A box is not finished in time.
    BoxTimeout,
    /// Attachments are dropped that nothing claims in time.
    Expired,
    /// Responders wait for their turn in the lane.
    InLane,
    /// One-way commands outlive their connection.
    LeftBehind,
    /// More attachments come than may wait, and somebody would have claimed one of them.
    TooManyUnclaimed,
    /// The failure of a responder closes the connection.
    FailureCloses,
    /// A caller that was told of room does not look, and all are told.
    AllToldOfRoom,
    /// Items come while as many responders run as may.
    ItemsBesideResponders,
    /// A caller has the line, and the driver comes meanwhile.
    Lent,
    CameMeanwhile,
    /// A driver has done enough, and others have their turn.
    GaveWay,
    /// A task keeps the thread on which a driver has given way, and another thread has that when it is due.
    DueWhileHeldUp,
    /// Too much waits to be sent.
    TooMuchToSend,
    /// There is no place for a ping among the outstanding calls.
    NotPinged,
    /// No other transport can be made.
    UpgradeFailed,
}

impl Reached {
    pub(super) const ALL: &[Self] = &[
        Self::Answered,
        Self::Failed,
        Self::LateAnswer,
        Self::GivenUpWithAnswer,
        Self::TooManyCalls,
        Self::TooLarge,
        Self::HandedOver,
        Self::TlsStarted,
        Self::SwitchRefused,
        Self::SwitchGivenUp,
        Self::SwitchesCross,
        Self::Broken,
        Self::CallTakenBack,
        Self::AnswerTakenBack,
        Self::NotificationTakenBack,
        Self::SwitchTakenBack,
        Self::StandIn,
        Self::Refused,
        Self::After,
        Self::NoRoom,
        Self::Paused,
        Self::Closed,
        Self::Uncarried,
        Self::Pinged,
        Self::Silent,
        Self::BoxTimeout,
        Self::Expired,
        Self::InLane,
        Self::LeftBehind,
        Self::TooManyUnclaimed,
        Self::FailureCloses,
        Self::AllToldOfRoom,
        Self::ItemsBesideResponders,
        Self::Lent,
        Self::CameMeanwhile,
        Self::GaveWay,
        Self::DueWhileHeldUp,
        Self::TooMuchToSend,
        Self::NotPinged,
        Self::UpgradeFailed,
    ];
}
