"""Items that need their connection, as descriptors and other streams do.

Few descriptors are on their way at a time, and those that nobody takes are closed.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from . import _streams
from ._streams import STREAMS, BadItem, NoStream, split

# So many descriptors are on their way to who says nothing of it, and so many may wait to be taken.
FILES, TAKEN_LATER = 8, 128
# So many may have come that nothing has claimed, if that is more than a quarter of the files; and never more than so many.
LEAST_UNCLAIMED, MOST_UNCLAIMED = 128, 1 << 16
# Has as many digits as any number that is given out.
SOME_NUMBER = 1 << 64


def most_unclaimed() -> int:
    """Twisted sends all descriptors that are queued ahead of the boxes, so this is how many one turn may pass."""
    # There are descriptors only where this can be imported.
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_UNCLAIMED
    return max(LEAST_UNCLAIMED, min(files // 4, MOST_UNCLAIMED))


class SendingFiles(_streams.Sending):
    """A sink whose items may need the connection, as descriptors and streams do."""

    # How many descriptors are on their way; and what the next item needs the connection for.
    files = 0
    needs: list[int] = []

    def write(self, value: Any) -> Any:
        """Only weighs what needs the connection: that is written when there is room for it."""
        self.of.needs = self.needs = []
        try:
            return super().write(value)
        finally:
            self.of.needs = None

    def send(self, value: Any) -> bool:
        if self.head is None:
            self.head = self.write(value)
        if not self.needs:
            return super().send(value)
        files, before = sum(self.needs), len(self.of.copies)
        called = self.send_alone(lambda: self.write_with_copies(value))
        if called is None:
            return False
        copies = self.of.copies[before:]
        self.count_files(None, files)
        called.addBoth(self.of.were_sent, copies).addBoth(self.count_files, -files)
        return True

    def write_with_copies(self, value: Any) -> Any:
        """Twisted sends a descriptor later, and its user may have closed it by then."""
        copies = self.of.copying = {}
        try:
            box = super().write(value)
            for copy in copies.values():
                self.of.proto.transport.sendFileDescriptor(copy)
            return box
        except Exception:
            self.of.take_back(copies)
            raise
        finally:
            self.of.copying = None

    def count_files(self, _: Any, more: int) -> None:
        self.files, self.of.files = self.files + more, self.of.files + more
        if more < 0:
            for end in [end for end in self.of.all.values() if end.sends]:
                end.pump()

    def fits(self, size: int) -> bool:
        """A stream may have as many descriptors on their way as it leaves for others; those of one item always may."""
        files, others = sum(self.needs), self.of.files
        # They are open on this side until they are taken, so there are not as many as a peer likes.
        most = min(self.window.get("attachments", FILES), TAKEN_LATER)
        return super().fits(size) and (not files or not others or self.files + files <= most - others)


class Kept:
    """An item that was read when it came, and the descriptors that it has claimed."""

    # How many of those its connection counts.
    held = 0

    def __init__(self, value: Any, error: Exception | None, descriptors: list[int]) -> None:
        self.value, self.error, self.descriptors = value, error, descriptors


class ReceivingFiles(_streams.Receiving):
    """A stream whose items may have descriptors. Those that nobody takes are closed."""

    def came(self, box: Any) -> Any:
        try:
            return super().came(box)
        except BadItem:
            self.discard(box)
            raise

    def discard(self, box: Any) -> None:
        """Closes the descriptors of items that are refused."""
        try:
            boxes, _ = split(box)
        except BadItem:
            return
        for each in boxes:
            self.drop(self.claimed_by(each))

    def keep_all(self, boxes: list[Any]) -> list[Any]:
        """So many descriptors wait to be taken as may wait to be claimed, or come by what the window says."""
        kept = [self.claimed_by(box) for box in boxes]
        with_some = [each for each in kept if isinstance(each, Kept)]
        held = sum(len(each.descriptors) for each in with_some)
        most = max(TAKEN_LATER, self.window.get("attachments", 0))
        if self.of.held + held > most:
            for each in with_some:
                self.drop(each)
            raise BadItem(f"{self.of.held + held} descriptors wait to be taken, and {most} may")
        for each in with_some:
            each.held = len(each.descriptors)
        self.of.held += held
        return kept

    def claimed_by(self, box: Any) -> Any:
        """Where descriptors wait that it may claim, an item is read at once."""
        if not self.of.proto._descriptors:
            return box
        claimed: list[int] = []
        self.of.claimed = claimed
        try:
            return Kept(super().read(box), None, claimed)
        except Exception as error:
            close(claimed)
            return Kept(None, error, [])
        finally:
            self.of.claimed = None

    def read(self, kept: Any) -> Any:
        if not isinstance(kept, Kept):
            return super().read(kept)
        self.of.held -= kept.held
        if kept.error is not None:
            raise kept.error
        return kept.value

    def drop(self, kept: Any) -> None:
        if isinstance(kept, Kept):
            self.of.held -= kept.held
            close(kept.descriptors)

    def fail(self, reason: Exception) -> bool:
        """What is on its way yet is still to be closed."""
        failed = super().fail(reason)
        if failed and self.of is not None:
            self.of.gone[self.number] = self
            if len(self.of.gone) > STREAMS:
                del self.of.gone[next(iter(self.of.gone))]
        return failed


def close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


class EndsOfFiles(_streams.Ends):
    """The streams of a connection, which may have descriptors."""

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        # How many descriptors of items are on their way, and what was made for that; what an item that is weighed needs
        # the connection for; what one that is read has claimed; how many wait with items to be taken; and streams that are
        # over, whose items may still come.
        self.files = self.held = 0
        self.copies: list[int] = []
        # The copies of the item that is written, by their numbers; and numbers of those that were not sent.
        self.copying: dict[int, int] | None = None
        self.given_back: deque[int] = deque()
        self.next_number = proto._sendingDescriptorCounter
        self.needs: list[int] | None = None
        self.claimed: list[int] | None = None
        # The highest number that an argument has claimed.
        self.last_claimed = -1
        self.gone: dict[bytes, ReceivingFiles] = {}

    def end(self, reason: Any) -> None:
        super().end(reason)
        close([*self.proto._descriptors.values()])
        self.proto._descriptors.clear()
        self.close_copies(None, [*self.copies])

    def answer(self, command: bytes, number: bytes, box: Any) -> Any:
        try:
            return super().answer(command, number, box)
        except NoStream:
            if command == b"_StreamItems" and number in self.gone:
                self.gone[number].discard(box)
            raise

    def claim(self, number: int) -> int:
        """A descriptor that has come, for an argument that names it."""
        descriptor: int = self.proto._descriptors.pop(number)
        self.last_claimed = max(self.last_claimed, number)
        if self.claimed is not None:
            self.claimed.append(descriptor)
        return descriptor

    def weighs(self, descriptor: int) -> bool:
        """Whether an item is only weighed, of which this is part."""
        if self.needs is None:
            return False
        os.fstat(descriptor)
        self.needs.append(1)
        return True

    def number(self) -> int:
        """That of the next descriptor that is sent."""
        number: int = self.given_back.popleft() if self.given_back else self.next_number()
        return number

    def copy(self, descriptor: int, copies: dict[int, int]) -> int:
        """The number of a copy, which is sent once all of its item is written."""
        copy = os.dup(descriptor)
        self.copies.append(copy)
        number = self.number()
        copies[number] = copy
        return number

    def take_back(self, copies: dict[int, int]) -> None:
        """An item could not be written. Its copies are not sent, and others have their numbers."""
        self.given_back.extendleft(reversed(copies))
        self.close_copies(None, [*copies.values()])

    def were_sent(self, _: Any, copies: list[int]) -> None:
        """The call is over that has brought them. An answer to what has not been sent is a lie: another file could have
        the number of a closed copy by the time that Twisted sends that."""
        if self.lost is None and not {*copies}.isdisjoint(getattr(self.proto.transport, "_sendmsgQueue", ())):
            self.proto.transport.abortConnection()
        else:
            self.close_copies(None, copies)

    def close_copies(self, _: Any, copies: list[int]) -> None:
        for copy in copies:
            self.copies.remove(copy)
            os.close(copy)
