"""The relay of the tutorial, set right: one client whose connections are kept, no short timeout, an error told as one."""

import json
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

PROVIDER = os.environ["PROVIDER"] + "/chat/completions"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@asynccontextmanager
async def lifespan(app: FastAPI):
    limits = httpx.Limits(max_connections=10_000, max_keepalive_connections=10_000)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def events(prompt: str):
    body = {"model": "mock", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    done = False
    try:
        async with app.state.client.stream("POST", PROVIDER, json=body) as answer:
            answer.raise_for_status()
            # Read to its end, also after [DONE]: only then the connection is kept.
            async for line in answer.aiter_lines():
                if not line.startswith("data:"):
                    continue
                data = line[5:].strip()
                if data == "[DONE]":
                    done = True
                    yield "event: done\ndata: {}\n\n"
                    continue
                choices = json.loads(data).get("choices")
                token = choices[0].get("delta", {}).get("content") if choices else None
                if token:
                    yield f"data: {json.dumps({'token': token})}\n\n"
        if not done:
            raise ValueError("the provider ended without [DONE]")
    except (httpx.HTTPError, ValueError) as error:
        if not done:
            yield f"event: error\ndata: {json.dumps({'message': repr(error)})}\n\n"


@app.get("/stream")
async def stream(prompt: str):
    return StreamingResponse(events(prompt), media_type="text/event-stream", headers=HEADERS)
