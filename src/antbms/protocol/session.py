"""One request in flight over any stream: clockless, in the manner of h11. The caller brings bytes and time-outs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .framing import Frame, Framer, Rejected, Shape
from .packet import Request


class Session:
    """Matches answers to the request in flight by function and register; counts all that is none.

    rejected: reason → number of gaps in the stream. stale: valid frames that nobody asked for (or asked for too
    long ago, or our own request echoed). For the error message of a request that got no answer, since it was sent:
    last_rejected, last_stale (no echo), and echoed, whether it came back itself.
    """

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._framer = Framer(shapes)
        self._requests: tuple[Request, ...] = ()
        self.rejected: Counter[str] = Counter()
        self.stale = 0
        self.sent: tuple[Request, ...] = ()
        self.last_rejected: Rejected | None = None
        self.last_stale: Frame | None = None
        self.echoed = False

    def send(self, *requests: Request, late: tuple[Request, ...] = ()) -> bytes:
        """The bytes to send. Several requests are alternatives: whichever is answered first counts.

        late: earlier requests whose answers are still welcome.
        """
        self._requests, self.sent = requests + late, requests
        self.last_rejected, self.last_stale, self.echoed = None, None, False
        return b"".join(request.raw for request in requests)

    def welcome(self, late: tuple[Request, ...]) -> None:
        """Nothing is sent now, but answers to these earlier requests may still come."""
        self._requests = late

    def receive(self, data: bytes) -> tuple[Request, Frame] | None:
        """Take bytes from the stream; the request and its answer as soon as there is one, None if more are needed."""
        items = self._framer.feed(data)
        return self._match(items) if items else None

    def give_up(self) -> tuple[Request, Frame] | None:
        """No more bytes will come: the answer that a false start had hidden, or None."""
        answer = self._match(self._framer.flush())
        self._requests = ()
        return answer

    def _match(self, items: Sequence[Frame | Rejected]) -> tuple[Request, Frame] | None:
        answer = None
        for item in items:
            if isinstance(item, Rejected):
                self.rejected[item.reason] += 1
                self.last_rejected = item
                continue
            for request in self._requests:
                if item.raw.startswith(request.answers):
                    # Of several that come together the newest counts: the others were held back on their way. But
                    # alternatives may all be answered, and then the first one counts.
                    self.stale += answer is not None
                    answer, self._requests = (request, item), self._requests if len(self._requests) == 1 else ()
                    break
            else:
                self.stale += 1
                if any(item.raw == request.raw for request in self.sent):
                    self.echoed = True
                else:
                    self.last_stale = item
        if answer:
            self._requests = ()
        return answer
