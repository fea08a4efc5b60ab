"""Files that are whole or not there at all.

A record is written beside its place and moved there, so that a process which is killed leaves the old one or
the new one. Nothing is forced to the disk: what the kernel holds outlives a killed process, not a power cut.
"""

import hashlib
import os
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Folder:
    """A folder of records and data."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str) -> "Folder":
        return Folder(self.path / name)

    def folders(self) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir())

    def named(self, *words: str) -> Path:
        """A file for a name that may hold any characters; its folder exists."""
        digest = hashlib.sha256("\0".join(words).encode()).hexdigest()
        file = self.path / digest[:2] / digest[2:]
        file.parent.mkdir(exist_ok=True)
        return file

    def files(self) -> Iterator[Path]:
        """All files but those that were being written when the process ended, which are removed."""
        for file in sorted(file for file in self.path.rglob("*") if file.is_file()):
            if file.suffix == ".new":
                file.unlink()
            else:
                yield file

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def write(file: Path, content: bytes) -> None:
    new = file.with_name(f"{file.name}.{threading.get_ident()}.new")
    new.write_bytes(content)
    os.replace(new, file)


def write_record(file: Path, record: Any) -> None:
    write(file, pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL))


def read_record(file: Path) -> Any:
    """A record of ours; the folder belongs to this process alone, so that unpickling is safe."""
    return pickle.loads(file.read_bytes())


def at_end_of(service: str, done: Callable) -> None:
    """Has `done` called with the context of each request to a service, before it is answered."""
    from localstack.aws.handlers import run_custom_response_handlers

    def handler(_chain, context, _response) -> None:
        if context.service and context.service.service_name == service and context.operation:
            done(context)

    run_custom_response_handlers.append(handler)
