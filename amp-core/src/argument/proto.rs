use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;

use super::attachment::NoAttachments;
use super::budget::{self, Budget};
use super::{Attachment, AttachmentKind, Attachments, Carried, UnknownKeys};
use super::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
use crate::boxes::AmpBox;
use crate::report::Escaped;
use crate::stack::{self, MAX_STACK};

/// How many boxes and lists may be around a value. A schema that contains itself would let a peer
/// choose how deep the stack gets: one value has room for 32 000 levels.
pub(crate) const MAX_NESTING: usize = 64;

/// The connection that a value is encoded for, or that it came from: what Twisted's
/// `toStringProto` and `fromStringProto` get as `proto`.
pub struct Proto<'a> {
    attachments: &'a mut dyn Attachments,
    address: &'a PeerAddress,
    extensions: &'a Extensions,
    /// Whether what is late among those is seen.
    sees_late: bool,
    unknown_keys: UnknownKeys,
    /// How many boxes and lists inside of values are being read or written.
    nesting: usize,
    /// Where the stack was when the outermost of them began.
    stack: usize,
    budget: Budget,
    /// Whether it matters that all values are looked at, and whether one was not.
    watches_values: bool,
    left_values: bool,
    #[cfg(feature = "zlib")]
    pub(super) inflater: super::inflater::Inflater,
}

impl<'a> Proto<'a> {
    /// Creates the context of a connection, which ignores unknown keys.
    #[inline]
    pub fn new(
        attachments: &'a mut dyn Attachments,
        address: &'a PeerAddress,
        extensions: &'a Extensions,
    ) -> Self {
        Self {
            attachments,
            address,
            extensions,
            sees_late: true,
            unknown_keys: UnknownKeys::Ignore,
            nesting: 0,
            stack: 0,
            budget: Budget::new(budget::LEAST),
            watches_values: false,
            left_values: false,
            #[cfg(feature = "zlib")]
            inflater: None,
        }
    }

    /// Sets how unknown keys are dealt with.
    #[inline]
    pub fn with_unknown_keys(mut self, unknown_keys: UnknownKeys) -> Self {
        self.unknown_keys = unknown_keys;
        self
    }

    /// Sets the limit to the memory that is made of a box: see
    /// [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes).
    #[inline]
    pub fn with_decoded_bytes(mut self, decoded_bytes: usize) -> Self {
        self.budget = Budget::new(decoded_bytes);
        self
    }

    /// Sets whether [`get`](Self::get) gives what became known while the connection was open.
    #[cfg(feature = "tokio")]
    pub(crate) fn seeing_late(mut self, sees_late: bool) -> Self {
        self.sees_late = sees_late;
        self
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn sees_late(&self) -> bool {
        self.sees_late
    }

    /// Runs `f` with the context of no connection: no peer, no data, no attachments. The memory that
    /// decoding takes is not bounded.
    pub fn detached<R>(f: impl FnOnce(&mut Proto<'_>) -> R) -> R {
        Self::detached_within(usize::MAX, f)
    }

    /// The same, with a limit to the memory that is made of a box.
    pub(crate) fn detached_within<R>(
        decoded_bytes: usize,
        f: impl FnOnce(&mut Proto<'_>) -> R,
    ) -> R {
        static EXTENSIONS: LazyLock<Extensions> = LazyLock::new(Extensions::default);
        let mut none = NoAttachments;
        let proto = Proto::new(&mut none, &PeerAddress::Unknown, &EXTENSIONS);
        f(&mut proto.with_decoded_bytes(decoded_bytes))
    }

    /// Spends `bytes` of the memory that decoding a box may take. If an argument of yours allocates more than the
    /// arguments that it is made of, its hooks call this before they allocate.
    ///
    /// Lists, maps, texts and compressed values do so themselves. A list spends the size of its element type for
    /// each element.
    ///
    /// # Errors
    ///
    /// When less is left: see [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes).
    #[inline]
    pub fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.budget.spend(bytes)
    }

    /// As [`spend`](Self::spend), for so many elements of a type.
    #[inline]
    pub(crate) fn spend_for<T>(&mut self, elements: usize) -> Result<(), DecodeError> {
        self.budget.spend(elements.saturating_mul(size_of::<T>()))
    }

    /// Gives back what was spent and freed again.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.budget.give_back(bytes);
    }

    #[cfg(any(feature = "json", feature = "num-bigint", feature = "zlib"))]
    pub(super) fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Gives back what was spent on `bytes` that something was read from, unless that shares them.
    pub(super) fn done_with(&mut self, bytes: &Bytes) {
        if bytes.is_unique() {
            self.budget.give_back(bytes.len());
        }
    }

    /// How many bytes of memory were spent on what the box holds.
    #[cfg(feature = "tokio")]
    pub(crate) fn spent(&self) -> usize {
        self.budget.spent()
    }

    /// Begins to read a box, unless it is inside of another one's value.
    #[inline]
    pub(crate) fn begin(&mut self, ampbox: &AmpBox) {
        if self.nesting == 0 {
            self.budget.begin(ampbox.size(), ampbox.index_size());
        }
    }

    /// Begins to read a value of so many bytes that is read on its own.
    #[cfg(feature = "tokio")]
    pub(crate) fn begin_value(&mut self, len: usize) {
        self.budget.begin(len, 0);
    }

    /// Runs `act` for a box or an element that is inside of a value.
    pub(crate) fn nested<T, E: From<TooDeep>>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.nesting == 0 {
            self.stack = stack::position();
        } else if self.nesting == MAX_NESTING {
            return Err(TooDeep::Levels.into());
        } else if stack::is_exhausted(self.stack) {
            return Err(TooDeep::Stack.into());
        }
        self.nesting += 1;
        let result = act(self);
        self.nesting -= 1;
        result
    }

    /// Where the stack was when the outermost of the boxes and lists began that are around this
    /// value.
    #[cfg(feature = "json")]
    pub(super) fn stack(&self) -> usize {
        if self.nesting == 0 { stack::position() } else { self.stack }
    }

    /// Notes from here on whether all values of a box are looked at. Those that are not may name
    /// attachments.
    #[cfg(feature = "tokio")]
    pub(crate) fn watch_values(&mut self) {
        self.watches_values = true;
    }

    pub(crate) fn watches_values(&self) -> bool {
        self.watches_values
    }

    /// There are values that nothing looks at.
    pub(crate) fn leave_values(&mut self) {
        self.left_values = true;
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn left_values(&self) -> bool {
        self.left_values
    }

    /// Whether what is read may name attachments.
    pub(crate) fn carries_attachments(&self) -> bool {
        self.attachments.kind().is_some()
    }

    /// An element of a list: none when it cannot be read and the rest must be read all the same.
    /// Only what is read is claimed, and what is claimed and fails with the list is closed.
    pub(crate) fn read_on<T>(
        &self,
        element: Result<T, DecodeError>,
        failed: &mut Option<DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match element {
            Ok(element) => Ok(Some(element)),
            Err(error) if !self.carries_attachments() => Err(error),
            Err(error) => {
                failed.get_or_insert(error);
                Ok(None)
            }
        }
    }

    /// Returns how the connection deals with unknown keys.
    pub fn unknown_keys(&self) -> UnknownKeys {
        self.unknown_keys
    }

    /// Returns the peer's address.
    pub fn peer_address(&self) -> &PeerAddress {
        self.address
    }

    /// Returns the value of type `T` in the connection's data. An argument of a call that came before `StartTLS`
    /// does not see the data that TLS has brought: see [`Peer::get`](crate::Peer::get).
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extensions.seen(self.sees_late)
    }

    /// Sends an attachment beside the box that is being encoded, and returns the ordinal by which
    /// the box must name it.
    ///
    /// Ordinals follow the order of the boxes. So once a box has attached something, other boxes with attachments
    /// wait on this connection until it is queued. A hook that has attached something must therefore not wait for
    /// another box with attachments on the same connection.
    ///
    /// Some transports take only a few attachments with each byte. A box with fewer bytes than such a transport
    /// needs ends the connection. So name each attachment by a value of its own.
    ///
    /// # Errors
    ///
    /// When the connection's transport carries no attachments, or none of this kind.
    pub fn attach(
        &mut self,
        kind: AttachmentKind,
        attachment: Attachment,
    ) -> Result<u64, EncodeError> {
        if self.attachments.kind() != Some(kind) || !kind.fits(&attachment) {
            return Err(EncodeError::not_carried(kind.name()));
        }
        self.attachments.attach(attachment)
    }

    /// Sends an attachment of whichever kind the connection carries: see [`attach`](Self::attach).
    pub(crate) fn attach_any(&mut self, attachment: Attachment) -> Result<u64, EncodeError> {
        match self.attachments.kind() {
            Some(kind) => self.attach(kind, attachment),
            None => Err(EncodeError::not_carried("an attachment")),
        }
    }

    /// Takes a received attachment of whichever kind the connection carries: see
    /// [`claim`](Self::claim).
    pub(crate) fn claim_any(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        match self.attachments.kind() {
            Some(kind) => self.claim(kind, ordinal),
            None => Err(DecodeError::not_carried("an attachment")),
        }
    }

    /// Returns what `Peer::of` makes a peer of, where there is a connection.
    #[cfg(feature = "tokio")]
    pub(crate) fn connection(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.attachments.connection()
    }

    /// Leaves `carried` with the box that is being encoded. It is told when the box is queued. It is dropped when
    /// the call is over, or when the box is not queued. So an argument that outlives its box, as a stream does,
    /// learns what becomes of the box.
    ///
    /// Nothing is locked while it is told or dropped.
    pub fn carry(&mut self, carried: Box<dyn Carried>) {
        self.attachments.carry(carried);
    }

    /// Takes the received attachment with this ordinal.
    ///
    /// # Errors
    ///
    /// When the connection's transport carries no attachments of this kind, when none with this
    /// ordinal has arrived, or when it was taken before.
    pub fn claim(&mut self, kind: AttachmentKind, ordinal: u64) -> Result<Attachment, DecodeError> {
        if self.attachments.kind() != Some(kind) {
            return Err(DecodeError::not_carried(kind.name()));
        }
        let attachment = self.attachments.claim(ordinal)?;
        if kind.fits(&attachment) {
            Ok(attachment)
        } else {
            Err(DecodeError::not_carried(kind.name()))
        }
    }
}

/// Boxes and lists are nested too deep.
pub(crate) enum TooDeep {
    /// There are too many of them.
    Levels,
    /// They take too much of the stack.
    Stack,
}

impl From<TooDeep> for DecodeError {
    fn from(deep: TooDeep) -> Self {
        Self::from(match deep {
            TooDeep::Levels => DecodeErrorKind::TooDeep { limit: MAX_NESTING },
            TooDeep::Stack => DecodeErrorKind::TooMuchStack { limit: MAX_STACK },
        })
    }
}

impl From<TooDeep> for EncodeError {
    fn from(deep: TooDeep) -> Self {
        Self::from(match deep {
            TooDeep::Levels => EncodeErrorKind::TooDeep { limit: MAX_NESTING },
            TooDeep::Stack => EncodeErrorKind::TooMuchStack { limit: MAX_STACK },
        })
    }
}

impl fmt::Debug for Proto<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proto").field("peer_address", self.address).finish_non_exhaustive()
    }
}

/// The address of the other side of a connection, as the transport reports it.
///
/// It is displayed for people, and not read from text: a name may look like an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddress {
    /// The transport does not know.
    #[default]
    Unknown,
    /// An internet address.
    Socket(SocketAddr),
    /// A name of the transport's own, such as the path of a socket. It may be empty, and is
    /// displayed as `unnamed` then: the clients of a Unix socket have no name.
    Name(Arc<str>),
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Unknown => f.write_str("unknown"),
            PeerAddress::Socket(address) => address.fmt(f),
            PeerAddress::Name(name) if name.is_empty() => f.write_str("unnamed"),
            PeerAddress::Name(name) => Escaped(name).fmt(f),
        }
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        PeerAddress::Socket(address)
    }
}

/// The data of one connection: at most one value of each type.
#[derive(Clone, Default)]
pub struct Extensions {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    /// What became known while the connection was open.
    late: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Extensions {
    /// Sets the value of its type, in place of the one before.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Returns the value of type `T`.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.seen(true)
    }

    /// As [`get`](Self::get), but what became known while the connection was open only if this says so.
    pub(crate) fn seen<T: Any + Send + Sync>(&self, sees_late: bool) -> Option<&T> {
        match self.values.get(&TypeId::of::<T>()) {
            Some(value) => value.downcast_ref(),
            None if sees_late => self.late.get()?.downcast_ref(),
            None => None,
        }
    }

    /// Adds a value of a type that has none yet: once, and while others look at the rest.
    #[cfg(feature = "tokio")]
    pub(crate) fn add_late(&self, value: Arc<dyn Any + Send + Sync>) {
        // There is one upgrade at most.
        let _ = self.late.set(value);
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.values.len() + usize::from(self.late.get().is_some());
        f.debug_struct("Extensions").field("len", &len).finish_non_exhaustive()
    }
}
