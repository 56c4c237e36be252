"""Azure OpenAI: OpenAI's shapes behind deployments, with filter results and an error code of its own.

With a dated `api-version` the deployment stands in the path; the `v1` API names it in the body.
"""

import re
from collections.abc import Iterator

import check
from check import Refused, insist
from exchange import Answer, Request, Whole, delay, event
from protocols.openai import OpenAI
from scenario import Said

DATED = r"/openai/(?:deployments/(?P<deployment>[^/]+)/)?(?!v1/)(?P<operation>.+)"
DATE = r"20\d\d-\d\d-\d\d(-preview)?"
FILTERED = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": False, "severity": "safe"},
}


class Azure(OpenAI):
    def authorize(self, request: Request) -> None:
        if "authorization" in request.headers and request.path.startswith("/openai/v1/"):
            super().authorize(request)
        else:
            check.key(request.headers.get("api-key"), {"authorization", "x-api-key"} & request.headers.keys())

    def answer(self, request: Request) -> Answer:
        self.authorize(request)
        body = request.json if request.body else {}
        version, dated = request.query.get("api-version"), re.fullmatch(DATED, request.path)
        if not dated:
            return self.perform(request.method, request.path.removeprefix("/openai/v1/"), body)
        insist(version and re.fullmatch(DATE, version), f"not a date: {version}", "api-version")
        if deployment := dated["deployment"]:
            insist(body.get("model") in (None, deployment), "another model than the deployment", "model")
            body = body | {"model": deployment}
        return self.perform(request.method, dated["operation"], body)

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
