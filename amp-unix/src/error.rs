use std::io;

/// The errors of sending and receiving descriptors, in addition to the errors of the socket itself.
///
/// Each of them but the last ends the connection: descriptors are counted in each direction, so if one were missing,
/// each later one would be taken for another. A transport returns the error as an [`io::Error`], and
/// [`io::Error::downcast`] gets it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The kernel could not deliver all descriptors of a message (`MSG_CTRUNC`), most often
    /// because this process may have no more open files. Those that did arrive were closed.
    #[error(
        "file descriptors were lost on arrival, perhaps at the limit on open files \
         (RLIMIT_NOFILE): later ones can no longer be told apart"
    )]
    Lost,
    /// A message was longer than the buffer that it was received into (`MSG_TRUNC`), and its end
    /// is gone. Its descriptors were closed. It cannot happen on a stream of bytes.
    #[error("a message was longer than the {room} bytes there were for it")]
    Truncated {
        /// The length of the buffer in bytes.
        room: usize,
    },
    /// A message brought control data of an unknown kind, which may have opened descriptors that nothing owns. A peer
    /// cannot send such data: the kernel adds it if an option was set on the socket.
    #[error(
        "control data of an unknown kind came with a message (level {level}, type {kind}), and may \
         have opened descriptors: an option of the socket asks for it"
    )]
    UnknownControlData {
        /// The level of the data: `SOL_SOCKET`, say.
        level: i32,
        /// The type of the data.
        kind: i32,
    },
    /// More descriptors of this user are on their way, sent and not yet received, than a process
    /// may have open (`ETOOMANYREFS`, a rule of Linux). A connection waits until there are fewer, for 10 seconds at
    /// most. Then its queued calls that have descriptors fail with
    /// [`CallError::NotSent`](amp_core::CallError::NotSent), and its queued answers that have some become the error
    /// `UNKNOWN`. But if the descriptors of a box go in several messages, and some were sent already, the connection
    /// ends. No connection has more than 128 on their way, unless one box names more.
    #[error(
        "too many file descriptors are on their way: this user's processes have sent more than \
         RLIMIT_NOFILE that were not received yet"
    )]
    TooManyInFlight,
}

impl From<DescriptorError> for io::Error {
    fn from(error: DescriptorError) -> Self {
        io::Error::other(error)
    }
}
