"""Where the bytes go that the back office is sent."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import TemporaryFileUploadHandler

ADMIN_PREFIX = "/admin/"


class UploadMemoryFull(TimeoutError):
    """There is no memory for this upload now. To the server's HTTP library it is a client that is not waited for."""


class StaffUploadHandler(TemporaryFileUploadHandler):
    """Take from staff what is too large for memory, such as an archive of pictures, into a file that closing removes.

    It stands behind MemoryFileUploadHandler, which takes what memory can hold. Nobody else's upload reaches a disk.
    Raises RequestDataTooBig where even this is too large: without a handler that says so, the file would
    silently be missing from the form.
    """

    is_active = False

    def handle_raw_input(
        self, input_data: Any, META: dict[str, str], content_length: int, boundary: str, encoding: str | None = None
    ) -> None:
        super().handle_raw_input(input_data, META, content_length, boundary, encoding)
        if content_length <= settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            return
        request: Any = self.request
        if not request.path.startswith(ADMIN_PREFIX) or not request.user.is_staff:
            return
        if content_length > settings.MAX_IMPORT_BYTES:
            raise RequestDataTooBig
        self.is_active = True

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        if self.is_active:
            super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return super().receive_data_chunk(raw_data, start) if self.is_active else raw_data

    def file_complete(self, file_size: int) -> Any:
        return super().file_complete(file_size) if self.is_active else None

    def upload_interrupted(self) -> None:
        if self.is_active:
            super().upload_interrupted()
