#!/usr/bin/env python3
"""The tour in Python, standard library only (3.9 or newer): a person registers, a program gets a key, two documents go in, a question is answered with a citation.

    python3 examples/python/tour.py [http://127.0.0.1:3000]
"""

import json
import os
import random
import secrets
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

PDF = Path(__file__).resolve().parent.parent / "lighthouse-bees.pdf"


class Problem(Exception):
    """A refusal, as the problem document tells it (RFC 9457)."""

    def __init__(self, status, body, retry_after=None):
        super().__init__(f"{status} {body.get('code')}: {body.get('detail')} (request {body.get('request_id')})")
        self.status = status
        self.code = body.get("code")
        self.body = body
        self.retry_after = retry_after
        self.is_retryable = retry_after is not None or body.get("retryable", False)


class Morag:
    """One credential at one server."""

    def __init__(self, server, headers=None):
        self.server = server.rstrip("/")
        self.headers = headers or {}

    def as_person(self, token):
        return Morag(self.server, {"Authorization": f"Bearer {token}"})

    def as_program(self, key):
        return Morag(self.server, {"X-API-Key": key})

    def call(self, method, path, body=None, tries=5):
        """Answers the JSON of the answer. What may help again is tried again, after as long as the server asks for, else after 1, 2, 4 … s."""
        content, content_type = (None, None) if body is None else (json.dumps(body).encode(), "application/json")
        return self._send(method, path, content, content_type, tries)

    def upload(self, path, file, fields=None, tries=5):
        """Sends a file as a form. Good for files that fit into memory."""
        boundary = uuid.uuid4().hex
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in (fields or {}).items()]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        content = b"".join([*parts, head.encode(), file.read_bytes(), f"\r\n--{boundary}--\r\n".encode()])
        return self._send("POST", path, content, f"multipart/form-data; boundary={boundary}", tries)

    def _send(self, method, path, content, content_type, tries):
        pause = 1.0
        for last in (attempt == tries for attempt in range(1, tries + 1)):
            try:
                return self._send_once(method, path, content, content_type)
            except Problem as problem:
                if last or not problem.is_retryable:
                    raise
                wait = problem.retry_after if problem.retry_after is not None else pause * (0.5 + random.random() / 2)
            time.sleep(wait)
            pause = min(pause * 2, 60)

    def _send_once(self, method, path, content, content_type):
        headers = {**self.headers, **({"Content-Type": content_type} if content_type else {})}
        request = urllib.request.Request(self.server + path, data=content, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            is_problem = "json" in error.headers.get("Content-Type", "")
            retry_after = error.headers.get("Retry-After")
            raise Problem(error.code, json.loads(text) if is_problem else {}, float(retry_after) if retry_after else None) from None

    def wait_for(self, task_id, seconds=60):
        """Until the job has ended well; fails when it has not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            task = self.call("GET", f"/api/v1/status/{task_id}")
            if task["status"] == "completed":
                return task
            if task["status"] in ("failed", "cancelled"):
                raise RuntimeError(f"the document came to nothing: {task['error']}")
            time.sleep(0.2)
        raise TimeoutError(f"task {task_id} is still not done after {seconds} s")


def refusal(code, call):
    """The refusal with this code, which has to come."""
    try:
        call()
    except Problem as problem:
        if problem.code != code:
            raise
        return problem
    raise RuntimeError(f"expected {code}, and there was no refusal")


def tour(server):
    anonymous = Morag(server)
    account = {"email": f"tour-{secrets.token_hex(6)}@example.com", "password": "correct-horse-battery"}
    anonymous.call("POST", "/auth/register", {"name": "Python Tourist", **account})
    person = anonymous.as_person(anonymous.call("POST", "/auth/login", account)["access_token"])
    print(f"signed in as {account['email']}")

    created = person.call("POST", "/api/v1/api-keys", {"name": "tour", "permissions": ["read", "ingest", "search"]})
    program = anonymous.as_program(created["secret_key"])
    print(f"made the key {created['api_key']['key_prefix']}… that may read, ingest and search")

    text = "# Minutes\n\n## Budget\n\nThe board approved a new hive scale for the tower."
    program.wait_for(program.call("POST", "/api/v1/ingest/text", {"title": "Minutes", "content": text})["task_id"])
    print("ingested a text")

    program.wait_for(program.upload("/api/v1/ingest/file", PDF, {"metadata": json.dumps({"shelf": "crafts"})})["task_id"])
    print("ingested a PDF")

    found = program.call("POST", "/api/v1/search", {"query": "How much honey did the hive on the south wall keep?", "top_k": 1})
    cited = found["results"][0]["citation"]
    print(f"found: {cited['document_title']}, page {cited['page_from']}, characters {cited['char_start']} to {cited['char_end']}")

    quotas = {quota["resource_type"]: quota for quota in program.call("GET", "/api/v1/tenant/quotas")["quotas"]}
    print(f"in use: {quotas['documents']['used']} documents of the tenant's quota of {quotas['documents']['limit']}")

    duplicate = refusal("duplicate_document", lambda: program.upload("/api/v1/ingest/file", PDF))
    print(f"refused: {duplicate.status} duplicate_document, it is there already as {duplicate.body['document_id']}")

    person.call("DELETE", f"/api/v1/api-keys/{created['api_key']['id']}")
    refused = refusal("invalid_credentials", lambda: program.call("GET", "/api/v1/documents"))
    print(f"revoked the key: {refused.status} invalid_credentials")


if __name__ == "__main__":
    try:
        tour(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MORAG_URL", "http://127.0.0.1:3000"))
    except (Problem, RuntimeError, TimeoutError, urllib.error.URLError) as error:
        sys.exit(f"the tour ended early: {error}")
