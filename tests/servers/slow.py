"""A model that sleeps for as many seconds as its text says: in the place of the runtime."""

from __future__ import annotations

import asyncio

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.logging import logger
from mlserver.types import InferenceRequest, InferenceResponse


class Runtime(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (text,) = StringCodec.decode_input(payload.inputs[0])
        logger.info("began %s", text)
        try:
            await asyncio.sleep(float(text))
        except asyncio.CancelledError:
            logger.info("dropped %s", text)
            raise
        output = StringCodec.encode_output("translation", [text])
        return InferenceResponse(model_name=self.name, outputs=[output])
