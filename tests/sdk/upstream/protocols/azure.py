"""Azure OpenAI: OpenAI's shapes behind deployments, with filter results and an error code of its own.

With a dated `api-version` the deployment stands in the path; the `v1` API names it in the body.
"""

import re
from collections.abc import Iterator

import check
from check import Refused, insist
from exchange import Request, Whole, delay, event
from protocols.openai import OpenAI
from scenario import Said

DATED = r"/openai/deployments/(?P<deployment>[^/]+)/(?P<operation>.+)"
FILTERED = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": False, "severity": "safe"},
}


class Azure(OpenAI):
    def authorize(self, request: Request) -> None:
        if "authorization" in request.headers and request.path.startswith("/openai/v1/"):
            return super().authorize(request)
        check.key(request.headers.get("api-key"), {"authorization", "x-api-key"} & request.headers.keys())

    def operation(self, request: Request) -> str:
        version = request.query.get("api-version")
        dated = re.fullmatch(DATED, request.path)
        if dated or request.path == "/openai/models":
            insist(version and re.fullmatch(r"20\d\d-\d\d-\d\d(-preview)?", version), f"not a date: {version}", "api-version")
        if not dated:
            return request.path.removeprefix("/openai/").removeprefix("v1/")
        body = request.json
        insist(body.get("model") in (None, dated["deployment"]), "another model than the deployment", "model")
        return dated["operation"]

    def completion(self, said: Said) -> dict:
        whole = super().completion(said)
        for choice in whole["choices"]:
            choice["content_filter_results"] = FILTERED
        return whole | {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTERED}]}

    def preface(self) -> Iterator[bytes]:
        """A stream begins with what the filters say of the prompt, and no model yet."""
        filters = [{"prompt_index": 0, "content_filter_results": FILTERED}]
        head = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        yield event(head | {"prompt_filter_results": filters})

    def refusal(self, refused: Refused) -> Whole:
        error: dict = {"code": str(refused.status), "message": refused.message}
        if refused.status == 404:
            error["code"] = "DeploymentNotFound"
        elif refused.status == 400:
            error |= {"code": None, "param": refused.param, "type": "invalid_request_error"}
        return Whole({"error": error}, refused.status, delay(refused))
