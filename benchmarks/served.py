"""What asking a served language model costs: questions/s through `produce` against a bare asyncio client at one server.

python -m benchmarks.served [--rows 640] [--runs 2]

The server is a process of its own on this machine that speaks the OpenAI protocol and waits as a model would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from benchmarks.tables import Measured, met, show
from corpusmith.models.text.chat import ServerChat, request_of
from corpusmith.models.text.prompts import rewrite
from corpusmith.models.text.writers import LlmRewriter
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import Executor, Maker, Outcome, attempt, local, produce

AT_ONCE = 64
MODEL = "a-model"
SHORTEST, LONGEST = 1.0, 3.0  # seconds for an answer
EMOTIONS = ("joy", "sadness", "anger", "fear", "surprise", "disgust")


class Model:
    """The server: an answer after a while that the question decides, or a 429 where too many are asked at once."""

    def __init__(self, shortest: float, longest: float, most: int) -> None:
        self.shortest, self.longest, self.most = shortest, longest, most
        self.under_way = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                status, body = await self.answered(json.loads(await reader.readexactly(length)))
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    async def answered(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        if self.under_way >= self.most:
            return 429, b"slow down"
        question = asked["messages"][-1]["content"]
        self.under_way += 1
        share = int.from_bytes(hashlib.blake2b(question.encode(), digest_size=4).digest()) / 2**32
        await asyncio.sleep(self.shortest + share * (self.longest - self.shortest))
        self.under_way -= 1
        content = json.dumps({"text": f"What a day! {question[-40:]}"})
        usage = {"prompt_tokens": len(question) // 4, "completion_tokens": len(content) // 4}
        choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return 200, json.dumps({"model": MODEL, "choices": [choice], "usage": usage}).encode()


async def serve(shortest: float, longest: float, most: int) -> None:
    model = Model(shortest, longest, most)
    server = await asyncio.start_server(model.talk, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def served(shortest: float = SHORTEST, longest: float = LONGEST, most: int = 10**6) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.served", "--serve", str(shortest), str(longest), str(most)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.kill()


def plan_of(rows: int) -> pl.DataFrame:
    texts = [f"The bus number {number} was late again and it rained all the way." for number in range(rows)]
    return pl.DataFrame({"text": texts, "target": [EMOTIONS[number % len(EMOTIONS)] for number in range(rows)]})


def bare(url: str, plan: pl.DataFrame, at_once: int = AT_ONCE) -> float:
    """Questions/s of a semaphore, a client and `gather`: nothing is tried again, bounded, written or looked at."""
    import httpx

    maker = LlmRewriter(ServerChat(MODEL, url))
    requests = [
        request_of(MODEL, rewrite(text, target), number, maker.max_tokens, maker.answer_schema, 0.7, 0.95)
        for number, (text, target) in enumerate(plan.rows())
    ]

    async def asked() -> list[str]:
        places = asyncio.Semaphore(at_once)
        limits = httpx.Limits(max_connections=at_once)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:

            async def one(request: dict[str, Any]) -> str:
                async with places:
                    reply = await client.post(f"{url}/chat/completions", json=request)
                    return str(reply.json()["choices"][0]["message"]["content"])

            return await asyncio.gather(*(one(request) for request in requests))

    began = time.perf_counter()
    asyncio.run(asked())
    return plan.height / (time.perf_counter() - began)


def one_by_one(maker: Maker, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
    """An executor that begins no batch before the last one is made."""
    return (attempt(maker, batch) for batch in batches)


def through(url: str, plan: pl.DataFrame, executor: Executor = local) -> float:
    """Questions/s of `produce`: keys, answers read and checked, rows in the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        maker = LlmRewriter(ServerChat(MODEL, url, concurrency=AT_ONCE))
        began = time.perf_counter()
        made = produce(plan.lazy(), maker, Ledger(Path(folder)), executor=executor)
        seconds = time.perf_counter() - began
        assert made.select(pl.len()).collect().item() == plan.height
    return plan.height / seconds


def medians(runs: int, *ways: Callable[[], float]) -> list[float]:
    """The median of each way, in turns, so that what else the machine does hits all alike."""
    measured = [[way() for way in ways] for _ in range(runs)]
    return [statistics.median(each) for each in zip(*measured, strict=True)]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--serve", nargs=3, type=float, help=argparse.SUPPRESS)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    plan = plan_of(options.rows)
    with served() as url:
        alone, singly, ours = medians(
            options.runs, lambda: bare(url, plan), lambda: through(url, plan, one_by_one), lambda: through(url, plan)
        )
    with served(0.0, 0.02) as url:
        alone_fast, ours_fast = medians(options.runs, lambda: bare(url, plan), lambda: through(url, plan))
    with served(most=24) as url:
        few = plan.head(options.rows // 4)
        best, limited = medians(options.runs, lambda: bare(url, few, at_once=24), lambda: through(url, few))
    yield Measured(
        "served",
        f"{options.rows:,} questions, {AT_ONCE} at once, answers after {SHORTEST} to {LONGEST} s, medians of "
        f"{options.runs} in turns",
        ("questions/s", "bare client", "produce", "of the bare client's", "aim", ""),
        [
            (
                "batches of 256, the next ones begun",
                alone,
                ours,
                f"{ours / alone:.1%}",
                "95 %",
                met(ours / alone >= 0.95),
            ),
            ("the same, one by one", alone, singly, f"{singly / alone:.1%}", "", ""),
            ("answers after 0 to 20 ms", alone_fast, ours_fast, f"{ours_fast / alone_fast:.1%}", "", ""),
            ("429 above 24 at once; bare: 24 at once", best, limited, f"{limited / best:.1%}", "", ""),
        ],
    )


def main() -> None:
    options = parser().parse_args()
    if options.serve:
        shortest, longest, most = options.serve
        return asyncio.run(serve(shortest, longest, int(most)))
    for table in measure(options):
        show(table)


if __name__ == "__main__":
    main()
