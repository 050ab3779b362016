"""Items that need their connection, as descriptors and other streams do.

Few descriptors are on their way at a time, and those that nobody takes are closed.
"""

from __future__ import annotations

import os
from typing import Any

from . import _streams
from ._streams import STREAMS, BadItem, NoStream, split

# So many descriptors are on their way to who says nothing of it, and so many may have come that nothing has claimed.
FILES, UNCLAIMED_FILES = 8, 128
# Has as many digits as any number that is given out.
SOME_NUMBER = 1 << 64


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
        called.addBoth(self.of.close_copies, copies).addBoth(self.count_files, -files)
        return True

    def write_with_copies(self, value: Any) -> Any:
        """Twisted sends a descriptor later, and its user may have closed it by then."""
        self.of.copying = True
        try:
            return super().write(value)
        finally:
            self.of.copying = False

    def count_files(self, _: Any, more: int) -> None:
        self.files, self.of.files = self.files + more, self.of.files + more
        if more < 0:
            for end in [end for end in self.of.all.values() if end.sends]:
                end.pump()

    def fits(self, size: int) -> bool:
        """A stream may have as many descriptors on their way as it leaves for others; those of one item always may."""
        files, others, most = sum(self.needs), self.of.files, self.window.get("attachments", FILES)
        return super().fits(size) and (not files or not others or self.files + files <= most - others)


class Kept:
    """An item that was read when it came, and the descriptors that it has claimed."""

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
            self.drop(self.keep(each))

    def keep(self, box: Any) -> Any:
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
        if kept.error is not None:
            raise kept.error
        return kept.value

    def drop(self, kept: Any) -> None:
        if isinstance(kept, Kept):
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
        # the connection for; what one that is read has claimed; and streams that are over, whose items may still come.
        self.files = 0
        self.copies: list[int] = []
        self.copying = False
        self.needs: list[int] | None = None
        self.claimed: list[int] | None = None
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

    def to_send(self, descriptor: int) -> int:
        """The descriptor, or a copy of it."""
        if self.copying:
            descriptor = os.dup(descriptor)
            self.copies.append(descriptor)
        return descriptor

    def close_copies(self, _: Any, copies: list[int]) -> None:
        for copy in copies:
            self.copies.remove(copy)
            os.close(copy)
