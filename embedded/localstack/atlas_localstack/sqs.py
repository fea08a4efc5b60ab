"""SQS on disk.

Each message is a file from the moment it is accepted until it is deleted, expires or has become a dead letter.
Who has received it is not kept: after a restart it is visible again, which is what "at least once" allows. A
deleted message of a FIFO queue leaves a mark for as long as its deduplication id is remembered.
"""

import threading
import time
from pathlib import Path

from atlas_localstack.disk import Folder, at_end_of, read_record, write_record
from localstack.services.sqs import constants
from localstack.services.sqs.models import (
    FifoQueue,
    SqsMessage,
    SqsQueue,
    StandardQueue,
    sqs_stores,
)

NAME = "sqs"

# Requests that change only messages; these are kept by the queues themselves.
OF_MESSAGES = ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessage", "Get", "List", "PurgeQueue")
GONE = ".gone"


class Messages:
    """The messages of all queues."""

    def __init__(self, root: Folder):
        self._root = root
        self._marks: list[tuple[float, Path]] = []
        self._local = threading.local()

    def put(self, queue: SqsQueue, message: SqsMessage) -> None:
        write_record(self._file(queue, message), vars(message) | {"receipt_handles": set(), "receive_count": 0})

    def drop(self, queue: SqsQueue, message: SqsMessage) -> None:
        file = self._file(queue, message)
        if not isinstance(queue, FifoQueue):
            file.unlink(missing_ok=True)
            return
        now = time.time()
        forgotten = message.created + constants.DEDUPLICATION_INTERVAL_IN_SEC
        if forgotten < now:
            file.unlink(missing_ok=True)
        else:
            mark = file.with_name(file.name + GONE)
            try:
                file.rename(mark)
            except FileNotFoundError:
                return
            self._marks.append((forgotten, mark))
        while self._marks and self._marks[0][0] < now:
            self._marks.pop(0)[1].unlink(missing_ok=True)

    def drop_later(self, queue: SqsQueue, messages: list[SqsMessage]) -> None:
        """At the end of this request: dead letters are in their new queue by then."""
        if messages:
            self._moved.extend((queue, message) for message in messages)

    def drop_now(self) -> None:
        moved, self._local.moved = self._moved, []
        for queue, message in moved:
            self.drop(queue, message)

    def clear(self, queue: SqsQueue) -> None:
        self._folder(queue).remove()

    def load(self, queue: SqsQueue) -> None:
        now = time.time()
        found = []
        for file in self._folder(queue).files():
            message = SqsMessage.__new__(SqsMessage)
            vars(message).update(read_record(file))
            if file.suffix != GONE:
                found.append(message)
                continue
            forgotten = message.created + constants.DEDUPLICATION_INTERVAL_IN_SEC
            if forgotten < now:
                file.unlink()
                continue
            message.deleted = True
            queue.deduplication[message.message_deduplication_id] = message
            self._marks.append((forgotten, file))
        self._marks.sort(key=lambda mark: mark[0])
        for message in sorted(found):
            message.visibility_deadline = None
            if isinstance(queue, FifoQueue):
                queue.deduplication[message.message_deduplication_id] = message
            if message.is_delayed:
                queue.delayed.add(message)
            else:
                queue._put_message(message)

    def prune(self, queues: list[SqsQueue]) -> None:
        known = {self._folder(queue).path.name for queue in queues}
        for name in self._root.folders():
            if name not in known:
                self._root.folder(name).remove()

    @property
    def _moved(self) -> list:
        if not hasattr(self._local, "moved"):
            self._local.moved = []
        return self._local.moved

    def _folder(self, queue: SqsQueue) -> Folder:
        # None of the three can hold a comma.
        return self._root.folder(f"{queue.account_id},{queue.region},{queue.name}")

    def _file(self, queue: SqsQueue, message: SqsMessage) -> Path:
        return self._folder(queue).named(message.message_id)


class Queues:
    """The queues: their attributes and tags."""

    def __init__(self, root: Folder, messages: Messages):
        self._root = root
        self._messages = messages
        self._lock = threading.Lock()

    def save(self, context) -> None:
        self._messages.drop_now()
        if context.operation.name.startswith(OF_MESSAGES):
            return
        with self._lock:
            every = [queue for *_, store in sqs_stores.iter_stores() for queue in list(store.queues.values())]
            write_record(self._root.path / "queues", [self._describe(queue) for queue in every])
            self._messages.prune(every)

    def load(self) -> None:
        file = self._root.path / "queues"
        if not file.exists():
            return
        for name, region, account, attributes, tags, permissions in read_record(file):
            kind = FifoQueue if name.endswith(".fifo") else StandardQueue
            queue = kind(name, region, account, tags=tags)
            queue.attributes.update(attributes)
            queue.permissions = permissions
            if kind is FifoQueue:
                queue.deduplication_scope = queue.attributes["DeduplicationScope"]
            self._messages.load(queue)
            sqs_stores[account][region].queues[name] = queue

    @staticmethod
    def _describe(queue: SqsQueue) -> tuple:
        # Counts are functions.
        attributes = {key: value for key, value in queue.attributes.items() if not callable(value)}
        return queue.name, queue.region, queue.account_id, attributes, dict(queue.tags), set(queue.permissions)


def persist(root: Folder) -> None:
    messages = Messages(root.folder("messages"))
    queues = Queues(root, messages)
    queues.load()
    _watch(messages)
    at_end_of(NAME, queues.save)


def _watch(messages: Messages) -> None:
    """Has the queues tell of messages that come and go."""
    put_fifo, put_standard = FifoQueue.put, StandardQueue.put
    receive_fifo, receive_standard = FifoQueue.receive, StandardQueue.receive
    on_remove_fifo, on_remove_standard = FifoQueue._on_remove_message, StandardQueue._on_remove_message
    clear, expire = SqsQueue.clear, SqsQueue.remove_expired_messages_from_heap

    def new_standard(queue, *args, **kwargs):
        message = put_standard(queue, *args, **kwargs)
        # It may have been received, and even deleted, already.
        if not message.deleted:
            messages.put(queue, message)
            if message.deleted:
                messages.drop(queue, message)
        return message

    def new_fifo(queue, *args, **kwargs):
        message = put_fifo(queue, *args, **kwargs)
        if queue.deduplication.get(message.message_deduplication_id) is message and not message.deleted:
            messages.put(queue, message)
            if message.deleted:
                messages.drop(queue, message)
        return message

    def received_by(receive):
        def received(queue, *args, **kwargs):
            result = receive(queue, *args, **kwargs)
            messages.drop_later(queue, result.dead_letter_messages)
            return result

        return received

    def removed_by(on_remove):
        def removed(queue, message):
            on_remove(queue, message)
            messages.drop(queue, message)

        return removed

    def cleared(queue):
        clear(queue)
        messages.clear(queue)

    def expired_of(queue):
        def expired(heap, period):
            found = expire(heap, period)
            for message in found:
                messages.drop(queue, message)
            return found

        return expired

    StandardQueue.put, FifoQueue.put = new_standard, new_fifo
    StandardQueue.receive, FifoQueue.receive = received_by(receive_standard), received_by(receive_fifo)
    StandardQueue._on_remove_message = removed_by(on_remove_standard)
    FifoQueue._on_remove_message = removed_by(on_remove_fifo)
    SqsQueue.clear = cleared
    # A static method there, asked of the queue: so it can know which queue.
    SqsQueue.remove_expired_messages_from_heap = property(expired_of)
