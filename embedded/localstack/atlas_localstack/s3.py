"""S3 on disk.

Bytes of objects and of parts are files from the start. What S3 knows of a key, of an upload and of a bucket is
a record each, written after every request that may have changed it and before that request is answered: what a
client was told has happened is on disk.
"""

import copy
import hashlib
import os
import shutil
import threading
import time
from collections import defaultdict
from io import BytesIO, UnsupportedOperation
from pathlib import Path
from weakref import WeakValueDictionary

from atlas_localstack.disk import Folder, at_end_of, read_record, write_record
from localstack.constants import AWS_REGION_US_EAST_1
from localstack.services.s3 import provider
from localstack.services.s3.constants import S3_CHUNK_SIZE
from localstack.services.s3.models import KeyStore, S3Bucket, VersionedKeyStore, s3_stores
from localstack.services.s3.storage.core import S3ObjectStore, S3StoredObject, should_copy_in_place
from localstack.services.s3.storage.ephemeral import EphemeralS3StoredMultipart
from localstack.services.s3.utils import get_s3_checksum

NAME = "s3"

# Requests that change nothing begin so.
READS = ("Get", "Head", "List", "Select")
# Requests that change keys or uploads and nothing else of their bucket.
OF_OBJECTS = (
    "Object",
    "Upload",
    "Part",
)


class StoredObject(S3StoredObject):
    """The bytes of an object or a part. What is written becomes visible as a whole."""

    def __init__(self, s3_object, file: Path, mode: str, lock: threading.RLock):
        super().__init__(s3_object, mode)
        self._file = file
        self._lock = lock if mode == "w" else None
        self._etag = None
        self._checksum = None
        self._modified = 0
        self._pending = False
        if self._lock:
            self._lock.acquire()
            self._new = file.with_name(f"{file.name}.{time.time_ns()}.{threading.get_ident()}.new")
            self._stream = open(self._new, "w+b")
        else:
            self._stream = open(file, "rb") if file.exists() else BytesIO()
            if file.exists():
                self._modified = os.fstat(self._stream.fileno()).st_mtime_ns

    def read(self, s: int = -1) -> bytes:
        return self._stream.read(s)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        self._for_writing()
        return self._stream.truncate(size)

    def write(self, stream) -> int:
        self._for_writing()
        self._stream.seek(0)
        self._stream.truncate()
        md5 = hashlib.md5(usedforsecurity=False)
        algorithm = self.s3_object.checksum_algorithm
        checksum = get_s3_checksum(algorithm) if algorithm else None
        source = BytesIO() if stream is None else stream
        while data := source.read(S3_CHUNK_SIZE):
            self._stream.write(data)
            md5.update(data)
            if checksum:
                checksum.update(data)
        self.s3_object.size = self._stream.tell()
        self.s3_object.etag = self._etag = md5.hexdigest()
        self._checksum = checksum
        self._publish()
        return self.s3_object.size

    def append(self, part: "StoredObject") -> int:
        self._for_writing()
        written = 0
        while data := part.read(S3_CHUNK_SIZE):
            written += self._stream.write(data)
        self.s3_object.size = self._stream.tell()
        self._pending = True
        return written

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            if self._pending:
                self._publish()
            self._stream.close()
            if self._lock:
                self._new.unlink(missing_ok=True)
        finally:
            if self._lock:
                self._lock.release()

    def __exit__(self, kind, *_rest) -> None:
        if kind is not None:
            self._pending = False
        self.close()

    def __iter__(self):
        while data := self.read(S3_CHUNK_SIZE):
            yield data

    @property
    def last_modified(self) -> int:
        return self._modified

    @property
    def etag(self) -> str:
        if self._etag is None:
            md5 = hashlib.md5(usedforsecurity=False)
            self._feed(md5)
            self._etag = md5.hexdigest()
        return self._etag

    @property
    def checksum(self) -> str | None:
        import base64

        if not self.s3_object.checksum_algorithm:
            return None
        if self._checksum is None:
            self._checksum = get_s3_checksum(self.s3_object.checksum_algorithm)
            self._feed(self._checksum)
        return base64.b64encode(self._checksum.digest()).decode()

    def _feed(self, hasher) -> None:
        position = self._stream.tell()
        self._stream.seek(0)
        while data := self._stream.read(S3_CHUNK_SIZE):
            hasher.update(data)
        self._stream.seek(position)

    def _publish(self) -> None:
        self._stream.flush()
        os.utime(self._stream.fileno())
        self._modified = os.fstat(self._stream.fileno()).st_mtime_ns
        self.s3_object.internal_last_modified = self._modified
        os.replace(self._new, self._file)
        self._pending = False
        self._stream.seek(0)

    def _for_writing(self) -> None:
        if self._mode != "w":
            raise UnsupportedOperation("the S3 object is open for reading")


class StoredMultipart(EphemeralS3StoredMultipart):
    """An upload in parts: a folder with a file for each."""

    def open(self, s3_part, mode="r"):
        return StoredObject(s3_part, self._path(s3_part), mode, threading.RLock())

    def remove_part(self, s3_part):
        self._path(s3_part).unlink(missing_ok=True)

    def close(self):
        shutil.rmtree(self.upload_dir, ignore_errors=True)

    def _path(self, s3_part) -> Path:
        return Path(self.upload_dir) / str(s3_part.part_number)


class ObjectStore(S3ObjectStore):
    """All bytes, by bucket."""

    def __init__(self, root: Folder):
        self.root_directory = str(root.path)
        self._objects = root.folder("data")
        self._uploads = root.folder("parts")
        self._locks: WeakValueDictionary[Path, object] = WeakValueDictionary()
        self._guard = threading.Lock()

    def open(self, bucket, s3_object, mode="r"):
        file = self._file(bucket, s3_object)
        return StoredObject(s3_object, file, mode, self._lock(file) if mode == "w" else None)

    def remove(self, bucket, s3_object):
        for one in s3_object if isinstance(s3_object, list) else [s3_object]:
            self._file(bucket, one).unlink(missing_ok=True)

    def copy(self, src_bucket, src_object, dest_bucket, dest_object):
        if should_copy_in_place(src_bucket, src_object, dest_bucket, dest_object):
            return self.open(dest_bucket, dest_object)
        with self.open(src_bucket, src_object) as source:
            target = self.open(dest_bucket, dest_object, mode="w")
            try:
                target.write(source)
            except BaseException:
                target.close()
                raise
        return target

    def get_multipart(self, bucket, s3_multipart):
        folder = self._upload(bucket, s3_multipart)
        folder.mkdir(parents=True, exist_ok=True)
        return StoredMultipart(self, bucket, s3_multipart, str(folder))

    def remove_multipart(self, bucket, s3_multipart):
        shutil.rmtree(self._upload(bucket, s3_multipart), ignore_errors=True)

    def create_bucket(self, bucket):
        self._objects.folder(bucket)

    def delete_bucket(self, bucket):
        self._objects.folder(bucket).remove()
        shutil.rmtree(self._uploads.path / bucket, ignore_errors=True)

    def _file(self, bucket, s3_object) -> Path:
        return self._objects.folder(bucket).named(s3_object.key, s3_object.version_id or "null")

    def _upload(self, bucket, s3_multipart) -> Path:
        return self._uploads.path / bucket / hashlib.sha256(s3_multipart.id.encode()).hexdigest()

    def _lock(self, file: Path):
        with self._guard:
            lock = self._locks.get(file)
            if lock is None:
                lock = self._locks[file] = threading.RLock()
            return lock


class Records:
    """What S3 knows besides bytes."""

    def __init__(self, root: Folder):
        self._buckets = root.folder("buckets")
        self._keys = root.folder("keys")
        self._uploads = root.folder("uploads")
        self._lock = threading.RLock()

    def save(self, context) -> None:
        operation = context.operation.name
        request = context.service_request or {}
        name = request.get("Bucket")
        if not name or operation.startswith(READS):
            return
        with self._lock:
            owner = s3_stores[context.account_id][context.region].global_bucket_map.get(name)
            if owner is None:
                self._forget(name)
                return
            store = s3_stores[owner][AWS_REGION_US_EAST_1]
            bucket = store.buckets[name]
            if not any(word in operation for word in OF_OBJECTS) or operation == "PutObjectLockConfiguration":
                self._save_bucket(store, bucket)
            if key := request.get("Key"):
                self._save_key(store, bucket, key)
            # DeleteObjects
            for one in (request.get("Delete") or {}).get("Objects", []):
                self._save_key(store, bucket, one["Key"])
            # Its request does not name the upload.
            if operation == "CreateMultipartUpload":
                for upload in list(bucket.multiparts):
                    file = self._uploads.folder(name).named(upload)
                    if not file.exists():
                        self._save_upload(bucket, upload)
            elif upload := request.get("UploadId"):
                self._save_upload(bucket, upload)
            # A form names its key in its body.
            if operation == "PostObject":
                for key in list(bucket.objects._store):
                    if not self._keys.folder(name).named(key).exists():
                        self._save_key(store, bucket, key)

    def load(self) -> None:
        for file in self._buckets.files():
            account, bucket, tags = read_record(file)
            store = s3_stores[account][AWS_REGION_US_EAST_1]
            bucket.objects = VersionedKeyStore() if bucket.versioning_status else KeyStore()
            bucket.multiparts = {}
            store.buckets[bucket.name] = bucket
            store.global_bucket_map[bucket.name] = account
            if tags:
                store.TAGS.tags[bucket.bucket_arn] = tags
            for record in self._keys.folder(bucket.name).files():
                key, known, tagged = read_record(record)
                self._restore_key(bucket, key, known)
                store.TAGS.tags.update(tagged)
            for record in self._uploads.folder(bucket.name).files():
                upload = read_record(record)
                bucket.multiparts[upload.id] = upload

    @staticmethod
    def _restore_key(bucket: S3Bucket, key: str, known) -> None:
        if isinstance(known, dict):
            versions = known
        elif bucket.versioning_status:
            # It was written before the bucket had versions.
            known.version_id = "null"
            versions = {"null": known}
        else:
            bucket.objects._store[key] = known
            return
        bucket.objects._store[key] = versions

    def _save_bucket(self, store, bucket: S3Bucket) -> None:
        bare = copy.copy(bucket)
        bare.objects, bare.multiparts = None, None
        tags = store.TAGS.tags.get(bucket.bucket_arn)
        write_record(self._buckets.path / bucket.name, (bucket.bucket_account_id, bare, tags))

    def _save_key(self, store, bucket: S3Bucket, key: str) -> None:
        file = self._keys.folder(bucket.name).named(key)
        known = bucket.objects._store.get(key)
        if not known:
            file.unlink(missing_ok=True)
            return
        if isinstance(known, defaultdict | dict):
            known = dict(known)
        versions = list(known) if isinstance(known, dict) else ["null"]
        names = (f"{bucket.name}/{key}/{version or 'null'}" for version in versions)
        tags = {name: store.TAGS.tags[name] for name in names if name in store.TAGS.tags}
        write_record(file, (key, known, tags))

    def _save_upload(self, bucket: S3Bucket, upload: str) -> None:
        file = self._uploads.folder(bucket.name).named(upload)
        known = bucket.multiparts.get(upload)
        if known is None:
            file.unlink(missing_ok=True)
        else:
            write_record(file, known)

    def _forget(self, bucket: str) -> None:
        (self._buckets.path / bucket).unlink(missing_ok=True)
        self._keys.folder(bucket).remove()
        self._uploads.folder(bucket).remove()


def persist(root: Folder) -> None:
    records = Records(root)
    records.load()
    provider.EphemeralS3ObjectStore = lambda _root=None: ObjectStore(root)
    at_end_of(NAME, records.save)
