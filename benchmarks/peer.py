"""The engine served by LitServe: `python benchmarks/peer.py PORT PROCESSES THREADS BATCH`. It keeps no records.

What serving.py compares the product with: the same photos, sent in the same way, the same nets, processes, threads and
batches.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import litserve as ls
import torch
from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile

from inference.contracts import FaceAnalysis, InferenceError
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine

# Seconds that a batch waits for company; LitServe forms none without.
_BATCH_TIMEOUT = 0.005
_port, _processes, _threads, _batch = map(int, sys.argv[1:])


class PhotoAPI(ls.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        torch.set_num_threads(_threads)
        cv2.setNumThreads(1)
        self.engine = Engine(device=device)
        self.engine.warm_up()

    def decode_request(self, request: Request) -> DecodedPhoto:
        # By this annotation LitServe knows that it shall parse a form, and passes the form.
        photo = cast("FormData", request)["photo"]
        return decode(cast("UploadFile", photo).file.read())

    def batch(self, inputs: list[DecodedPhoto]) -> list[DecodedPhoto]:
        return inputs

    def predict(self, x: list[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        return self.engine.analyze(x)

    def unbatch(self, output: list[FaceAnalysis | InferenceError]) -> list[FaceAnalysis | InferenceError]:
        return output

    def encode_response(self, output: FaceAnalysis | InferenceError) -> dict[str, Any]:
        if isinstance(output, InferenceError):
            raise HTTPException(422, output.code)
        return {"parts": [asdict(part) for part in output.parts], "models": asdict(output.models)}


if __name__ == "__main__":
    api = PhotoAPI(max_batch_size=_batch, batch_timeout=_BATCH_TIMEOUT)
    server = ls.LitServer(api, accelerator="cpu", devices=1, workers_per_device=_processes)
    server.run(host="127.0.0.1", port=_port, log_level="error", generate_client_file=False)
